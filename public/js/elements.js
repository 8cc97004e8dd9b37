// The elements of index.html that scripts take hold of, by their data- attribute, and its templates.

/**
 * The elements by name: first those of which a script wants no more than of any element.
 * @typedef {'again' | 'all' | 'ask-text' | 'ask-title' | 'ask-yes' | 'cancel' | 'clear' | 'count' | 'delete' | 'download' | 'edit'
 *   | 'edited' | 'fresh' | 'handle' | 'line' | 'me' | 'meter' | 'more' | 'name' | 'older' | 'place' | 'posts' | 'progress' | 'says'
 *   | 'share' | 'text' | 'title' | 'toast' | 'toast-close' | 'toast-says' | 'write'} AnyElement
 * @typedef {{ ask: HTMLDialogElement, keys: HTMLDialogElement }} Dialogs
 * @typedef {{ composer: HTMLFormElement, draft: HTMLTextAreaElement, letters: HTMLInputElement, send: HTMLButtonElement,
 *   'sign-in': HTMLButtonElement }} Fields
 * @typedef {{ atom: HTMLLinkElement, by: HTMLAnchorElement, face: HTMLAnchorElement, link: HTMLAnchorElement,
 *   time: HTMLTimeElement, who: HTMLAnchorElement }} Others
 * @typedef {Record<AnyElement, HTMLElement> & Dialogs & Fields & Others} Parts
 */

/** The templates by id. @typedef {{ edit: HTMLFormElement, place: HTMLElement, post: HTMLElement, skeleton: HTMLElement }} Templates */

/** How a line says something: that it is done, that it went wrong, or neither. @typedef {'' | 'done' | 'wrong'} Mood */

/** The element of a name in an element that has one. @template {keyof Parts} Name @param {ParentNode} root @param {Name} name @returns {Parts[Name]} */
export const part = (root, name) => root.querySelector(`[data-${name}]`);

/** A new copy of what a template holds. @template {keyof Templates} Id @param {Id} id @returns {Templates[Id]} */
export const copy = (id) => /** @type {any} */ (document.getElementById(id)).content.firstElementChild.cloneNode(true);

/** What was pressed, or has the focus. @param {Event} event */
export const targetOf = (event) => /** @type {HTMLElement} */ (event.target);

/** How long a line says that something is done, in ms. */
const doneFor = 8_000;

/** What is done is said for a while; what went wrong stands out. @param {HTMLElement} line @param {string} text @param {Mood} mood */
export function say(line, text, mood = '') {
  line.textContent = text;
  line.dataset.mood = mood;
  if (mood !== 'done') return;
  setTimeout(() => {
    if (line.textContent === text) line.textContent = '';
  }, doneFor);
}
