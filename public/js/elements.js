// The elements of index.html that scripts take hold of, by their data- attribute, and its templates.

/** How a line says something: that it is done, that it went wrong, or neither. @typedef {import('./changes.js').Mood} Mood */

/** @type {PartOf} */
export const part = (root, name) => root.querySelector(`[data-${name}]`);

/** A new copy of what a template holds. @type {CopyOf} */
export const copy = (id) => /** @type {any} */ (document.getElementById(id)).content.firstElementChild.cloneNode(true);

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
