// All posts of the person whose page is shown: downloading them, and deleting them, which a moderator may too. Either
// goes on where the page shows another place meanwhile.

import { ask } from './ask.js';
import { tell } from './changes.js';
import { part, say, targetOf } from './elements.js';
import { requestAsMe, sessionSignal } from './session.js';

/** @typedef {import('./changes.js').Post} Post */

/** @param {string} name of the button @param {(path: string, signal: AbortSignal, line: HTMLElement, button: HTMLElement) => Promise<void>} act */
const onAll = (name, act) => document.addEventListener('click', async (event) => {
  const button = targetOf(event);
  if (!button.matches(`[data-${name}]`)) return;
  const line = part(button.closest('[data-all]'), 'progress');
  try {
    await act(location.pathname.slice(3), sessionSignal(), line, button);
  } catch (error) {
    say(line, error.message, 'wrong');
  }
});

onAll('download', async (userId, signal, line) => {
  /** @type {Post[]} */
  const posts = [];
  for (let next = ''; next != null;) {
    const page = await requestAsMe(`/api/posts?userId=${userId}&limit=100${next && `&before=${next}`}`, {}, signal);
    posts.push(...page.posts);
    next = page.next;
    say(line, `${posts.length} posts…`);
  }
  const href = URL.createObjectURL(new Blob([JSON.stringify(posts, null, 2)], { type: 'application/json' }));
  Object.assign(document.createElement('a'), { href, download: 'warble-posts.json' }).click();
  say(line, `${posts.length} posts downloaded.`, 'done');
});

/** The buttons that say "Stop" now. @type {Set<HTMLElement>} */
const clearing = new Set();

onAll('clear', async (userId, signal, line, button) => {
  if (clearing.delete(button)) return;
  const name = document.querySelector('h1').textContent;
  await ask(`Delete all posts of ${name}?`, 'They cannot be brought back.', 'Delete');
  const label = button.textContent;
  button.textContent = 'Stop';
  clearing.add(button);
  let count = 0;
  let more = true;
  try {
    while (more && clearing.has(button)) {
      const answer = await requestAsMe(`/api/posts?userId=${userId}`, { method: 'DELETE' }, signal);
      count += answer.deleted;
      more = answer.more;
      say(line, `${count} posts deleted${ending(more, clearing.has(button))}`);
    }
  } finally {
    clearing.delete(button);
    button.textContent = label;
  }
  if (!more) tell('cleared', { userId });
});

/** @param {boolean} more @param {boolean} goesOn */
function ending(more, goesOn) {
  if (!more) return '.';
  return goesOn ? '…' : '. There are more.';
}
