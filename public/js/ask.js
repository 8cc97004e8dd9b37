// Asks before something that cannot be undone. The question ends with the session of who was asked.

import { part } from './elements.js';

const dialog = part(document, 'ask');

/** Ends only with a yes. @param {string} title @param {string} text @param {string} action */
export const ask = (title, text, action) => new Promise((done) => {
  const yes = part(dialog, 'ask-yes');
  part(dialog, 'ask-title').textContent = title;
  part(dialog, 'ask-text').textContent = text;
  yes.textContent = action;
  yes.onclick = () => setTimeout(done); // when the dialog has given the focus back
  dialog.showModal();
});

document.addEventListener('session', () => dialog.close());
