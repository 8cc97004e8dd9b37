// The rules of a post's text, as the server has them, and the field to write it in.

import { part } from './post.js';

/** Most code points of a post (contract.md). */
const limit = 200;

/** As the server keeps it. @param {string} text */
export const tidy = (text) => text.toWellFormed().replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');

/** @param {string} text */
const length = (text) => [...tidy(text)].length;

/** A character that a reader can see, as package post of the server has it. */
const visible = /[^\p{White_Space}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** What is wrong with a text; '' when nothing is. @param {string} text */
export function validate(text) {
  const over = length(text) - limit;
  if (over > 0) return `Too long by ${over}.`;
  if (/[^\P{Cc}\n\t]/u.test(text)) return 'Control characters cannot be published.';
  return visible.test(text) ? '' : 'Write something first.';
}

/**
 * Makes a form's counter follow its text, and Ctrl/Cmd+Enter send it.
 * @param {HTMLFormElement} form @returns what shows the count after a change by script
 */
export function attachCounter(form) {
  const draft = part(form, 'draft');
  const show = () => {
    const used = length(draft.value);
    part(form, 'count').textContent = `${used} / ${limit}`;
    part(form, 'meter').style.setProperty('--used', String(Math.min(used / limit, 1)));
    form.classList.toggle('over', used > limit);
    draft.ariaInvalid = String(used > limit);
  };
  draft.addEventListener('input', show);
  draft.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault(); // the focus may move to a button, which would be pressed
    form.requestSubmit();
  });
  show();
  return show;
}
