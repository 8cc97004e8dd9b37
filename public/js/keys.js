// The keys that work anywhere on the page. Letters can be switched off, since speech and a slip of the hand type
// letters too (WCAG 2.1.4); Ctrl and "/" always opens the dialog where they are switched on again.

import { part, targetOf } from './elements.js';
import { readStorage, writeStorage } from './storage.js';

/** What keeps that the letters are off. */
const off = 'warble.letters-off';

const dialog = part(document, 'keys');
const letters = part(dialog, 'letters');

letters.checked = !readStorage('localStorage', off);
letters.onchange = () => writeStorage('localStorage', off, letters.checked ? null : true);

// Keys do nothing in fields, and while a dialog is open.
document.addEventListener('keydown', (event) => {
  const { key, altKey } = event;
  const ctrl = event.ctrlKey || event.metaKey;
  const { checked } = letters;
  if (altKey || targetOf(event).closest('input, textarea, select') || document.querySelector('[open], [role=dialog], [role=menu]')) return;
  if (key === 'n' && checked && !ctrl) part(document, 'write').click();
  else if ((key === '?' && checked && !ctrl) || (key === '/' && ctrl)) dialog.showModal();
  else return;
  event.preventDefault();
});
