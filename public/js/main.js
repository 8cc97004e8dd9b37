// What the address shows: places, the history and what is kept for Back. Then it starts what needs a person.

import { part, targetOf } from './elements.js';
import { List } from './list.js';
import { readStorage, writeStorage } from './storage.js';

/** @typedef {import('./pages.js').Place} Place */

/** As in vercel.json. @type {[RegExp, Place['kind']][]} */
const places = [
  [/^\/()$/, 'all'],
  [/^\/u\/(user_[A-Za-z0-9]{1,59})$/, 'user'],
  [/^\/p\/([1-9][0-9]{0,18})$/, 'post'],
];

/** How many places are kept for Back. */
const mostKept = 10;

/** By the name that an entry of the history has, the oldest first. @type {Map<string, { list: List, focus?: Element | null }>} */
const kept = new Map();

/** The name of the entry that is shown. */
let current = '';

/** @param {string} path @returns {Place | undefined} */
function placeOf(path) {
  for (const [pattern, kind] of places) {
    const id = pattern.exec(path)?.[1];
    if (id !== undefined) return { kind, id };
  }
  return undefined;
}

/** @param {string} key */
const positionName = (key) => `warble.at.${key}`;

/** Keeps where the reader is, for a reload and for Back. */
function keepPosition() {
  const list = kept.get(current)?.list;
  if (list?.feed.loaded) writeStorage('sessionStorage', positionName(current), list.whereReaderIs());
}

/** Shows the place of the address, as it was left where it is kept. */
function showPlace() {
  const left = kept.get(current);
  if (left) {
    keepPosition();
    left.list.hide();
    left.focus = document.activeElement;
  }
  current = history.state?.warble ?? crypto.randomUUID();
  history.replaceState({ ...history.state, warble: current }, '');
  const place = placeOf(location.pathname) ?? { kind: 'post', id: '0' };
  const position = readStorage('sessionStorage', positionName(current));
  const now = kept.get(current) ?? { list: new List(place, position) };
  const { list } = now;
  kept.set(current, now);
  dropOldest();
  if (!list.element.isConnected) part(document, 'place').replaceChildren(list.element);
  list.show();
  if (!left) return;
  list.restore(position);
  const focus = now.focus?.isConnected ? now.focus : part(list.element, 'title');
  if (focus instanceof HTMLElement) focus.focus({ preventScroll: true });
}

function dropOldest() {
  if (kept.size <= mostKept) return;
  const [[key, { list }]] = kept;
  list.drop();
  kept.delete(key);
}

/** Leads to an address, of another site too. @param {string} to */
function go(to) {
  const { origin, pathname, href } = new URL(to, location.href);
  if (origin !== location.origin || !placeOf(pathname)) return location.assign(href);
  if (pathname === location.pathname) return scrollTo({ top: 0 });
  history.pushState(null, '', href);
  showPlace();
}

/** Follows a link within the site without a reload. @param {MouseEvent} event */
function follow(event) {
  const link = targetOf(event).closest('a');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin || !placeOf(link.pathname)) return;
  event.preventDefault();
  const target = document.getElementById(link.hash.slice(1)); // "Skip" and "Write"
  if (target && link.pathname === location.pathname) history.pushState(history.state, '', link.href);
  else go(link.href);
  target?.focus();
}

history.scrollRestoration = 'manual';
addEventListener('popstate', ({ state }) => {
  if (state?.warble !== current && placeOf(location.pathname)) showPlace();
});
addEventListener('pagehide', keepPosition);
addEventListener('online', () => kept.get(current)?.list.online());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) kept.get(current)?.list.poll.wake();
});
document.addEventListener('click', follow);
document.addEventListener('news', (event) => {
  const { detail } = /** @type {CustomEvent} */ (event);
  kept.forEach(({ list }) => list.hear(detail));
});
document.addEventListener('session', () => kept.forEach(({ list }) => list.update()));
addEventListener('me', () => kept.forEach(({ list }) => list.articles.showButtons()));

showPlace();
// Without await: the build makes that module import this one, and each would wait for the other.
import('./person.js').then((person) => person.connect(go)).catch((error) => {
  reportError(error); // it may be a mistake in one of those modules
  part(document, 'toast-says').textContent = 'Signing in could not be loaded. Reading works; reload the page to try again.';
  part(document, 'toast').hidden = false;
});
