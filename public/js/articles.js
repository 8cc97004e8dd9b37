// The articles of a list, in the order of its posts, with the keys that lead from one to the next. Which posts there
// are is feed.js's, which says where each stands.

import { createPost, fillPost, showButtons } from './article.js';
import { copy } from './elements.js';

/** @typedef {import('./changes.js').Post} Post */

export class Articles {
  /** By the post's id. @type {Map<number, HTMLElement>} */
  #all = new Map();
  /** Those of index.html, which have a text only, until the first posts are there for them. @type {HTMLElement[]} */
  #early = [];
  #list;
  #single;
  #title;

  /**
   * @param {HTMLElement} list @param {boolean} single it is for one post, and no feed
   * @param {HTMLElement} title gets the focus that no article is left for
   */
  constructor(list, single, title) {
    this.#list = list;
    this.#single = single;
    this.#title = title;
    if (single) list.role = 'group';
    for (let i = 0; i < (single ? 1 : 6); i++) list.append(copy('skeleton'));
    list.onkeydown = (event) => this.#step(event);
  }

  /** The article of a post. @param {number} id */
  of(id) {
    return this.#all.get(id);
  }

  /** The newest posts follow: skeletons make room, and index.html's articles take the posts. */
  begin() {
    const shown = new Set(this.#all.values());
    for (const child of /** @type {HTMLElement[]} */ ([...this.#list.children])) {
      if (child.localName !== 'article') child.remove();
      else if (!shown.has(child)) this.#early.push(child);
    }
  }

  /** The newest posts are there: what index.html showed beside them is not any more. */
  end() {
    for (const article of this.#early) article.remove();
    this.#early = [];
  }

  /**
   * Shows a post in its place. What has the focus keeps it.
   * @param {Post} post @param {number | null} above the id of the post above it; null at the top @param {number} [was] its id so far
   */
  put(post, above, was = post.id) {
    const shown = this.#all.get(was);
    const article = shown ?? createPost(post, post.id > 0 ? this.#early.shift() : undefined);
    if (shown) fillPost(shown, post);
    this.#all.delete(was);
    this.#all.set(post.id, article);
    const before = this.#all.get(above) ?? null;
    if (article.parentNode && article.previousElementSibling === before) return;
    if (before) before.after(article);
    else this.#list.prepend(article);
  }

  /** @param {number} id */
  remove(id) {
    const article = this.#all.get(id);
    this.#all.delete(id);
    if (article.contains(document.activeElement)) focusOn(article.nextElementSibling ?? article.previousElementSibling ?? this.#title);
    article.remove();
    this.number();
  }

  /** Whether a post's text is in a form just now. @param {number} id */
  isEdited(id) {
    return this.#all.get(id)?.matches('.editing') ?? false;
  }

  /** Somebody else sits here now. */
  showButtons() {
    this.#all.forEach(showButtons);
  }

  /** Numbers them as ARIA asks. A feed without articles counts as busy. */
  number() {
    this.#list.ariaBusy = String(!this.#single && !this.#all.size);
    if (this.#single) return;
    [...this.#list.children].forEach((article, i) => {
      article.ariaPosInSet = String(i + 1);
      article.ariaSetSize = '-1';
    });
  }

  /** How far down the window a post begins, in px. @param {{ id: number }} post */
  topOf({ id }) {
    return this.#all.get(id).getBoundingClientRect().top;
  }

  /** Page Down and Page Up lead from post to post, but for one that is being edited. @param {KeyboardEvent} event */
  #step(event) {
    const article = this.#list.querySelector(':scope > :focus-within:not(.editing)');
    let next;
    if (event.key === 'PageDown') next = article?.nextElementSibling;
    if (event.key === 'PageUp') next = article?.previousElementSibling;
    if (!next) return;
    event.preventDefault();
    focusOn(next);
  }
}

/** @param {Element | null | undefined} element */
export function focusOn(element) {
  if (element instanceof HTMLElement) element.focus();
}
