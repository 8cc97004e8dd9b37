// A form with a text: the composer, and that of an edit. It has what both have: the field, which is kept as a draft, the
// counter, and the keys. What becomes of the text is for composer.js and own.js.

import { Draft } from './draft.js';
import { part } from './elements.js';
import { readStorage, storedNames, writeStorage } from './storage.js';
import { length, limit } from './text.js';

/** What the drafts of this page stand on. */
export const desk = { storage: { readStorage, storedNames, writeStorage }, locks: navigator.locks };

export class TextForm {
  /** What the field has when there is no draft. */
  #original;

  /**
   * @param {HTMLFormElement} element
   * @param {{ post?: number, text?: string }} [edited] the post that is edited, and its text; without it, a new one
   */
  constructor(element, { post = 0, text = '' } = {}) {
    this.element = element;
    this.field = part(element, 'draft');
    this.draft = new Draft(desk, post);
    this.#original = text;
    /** What else is to do after a change. */
    this.onchange = () => {};
    /** What Escape does. */
    this.onescape = () => {};
    if (text) this.field.value = text;
    this.read(); // somebody may have been faster than this module
    this.#showCount();
    this.field.addEventListener('input', () => this.#changed());
    this.field.addEventListener('keydown', (event) => this.#press(event));
  }

  /** Takes over what the field has: a browser's extension changes it without an event. */
  read() {
    if (this.field.value !== (this.draft.text || this.#original)) this.#changed();
  }

  /**
   * Opens it for who is signed in now: another person's text goes, a stored one of theirs comes.
   * @param {string} owner '' for nobody @returns {Promise<boolean>} whether a stored one came
   */
  async open(owner) {
    const before = this.draft.text;
    const opening = this.draft.open(owner);
    if (before && !this.draft.text) this.#show('');
    const found = await opening;
    if (found) this.#show(this.draft.text);
    return found;
  }

  /** As Draft.publish; the field is as at the beginning when that ended the draft. @template T @param {(key: string) => Promise<T>} send */
  async publish(send) {
    const answer = await this.draft.publish(send);
    if (!this.draft.text) this.#show('');
    return answer;
  }

  /** @param {string} text */
  #show(text) {
    this.field.value = text || this.#original;
    this.#showCount();
  }

  #changed() {
    const { value } = this.field;
    this.draft.change(value === this.#original ? '' : value);
    this.#showCount();
    this.onchange();
  }

  /** While a text is composed, as Japanese and Chinese are, keys belong to that: WebKit says so by keyCode 229 alone. @param {KeyboardEvent} event */
  #press(event) {
    const { key, isComposing, keyCode } = event;
    if (isComposing || keyCode === 229) return;
    if (key === 'Escape') this.onescape();
    if (key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault(); // or the button that gets the focus is pressed
    this.element.requestSubmit();
  }

  #showCount() {
    const { element, field } = this;
    const used = length(field.value);
    part(element, 'count').textContent = `${used} / ${limit}`;
    part(element, 'meter').style.setProperty('--used', String(Math.min(used / limit, 1)));
    element.classList.toggle('over', used > limit);
    field.ariaInvalid = String(used > limit);
  }
}
