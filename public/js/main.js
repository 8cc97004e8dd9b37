// Places: which address shows what, and what is loaded when.

import { readStorage, writeStorage } from './api.js';
import { Feed } from './feed.js';
import { part } from './post.js';

/** As in vercel.json, which answers 404 for every other path. @type {Route[]} */
const places = [
  [/^\/()$/, 'all'],
  [/^\/u\/(user_[A-Za-z0-9]{1,59})$/, 'user'],
  [/^\/p\/([1-9][0-9]{0,18})$/, 'post'],
];

/** How many places are kept for Back. */
const keptAtMost = 10;

/** @type {Map<string, {feed: Feed, focus: Element | null}>} */
const kept = new Map();
let key = '';

/** @param {string} path @returns {Place | undefined} */
function placeOf(path) {
  for (const [pattern, kind] of places) {
    const id = pattern.exec(path)?.[1];
    if (id !== undefined) return { kind, id };
  }
}

/** Where a reader was in a place is remembered under this name. @param {string} key */
const positionOf = (key) => `warble.at.${key}`;

function remember() {
  const { feed } = kept.get(key) ?? {};
  if (feed?.loaded) writeStorage('sessionStorage', positionOf(key), feed.position());
}

/** Shows what the address says, as it was left: also after a reload. */
function show() {
  const left = kept.get(key);
  if (left) {
    remember();
    left.feed.hide();
    left.focus = document.activeElement;
  }
  key = history.state?.warble ?? crypto.randomUUID();
  history.replaceState({ ...history.state, warble: key }, '');
  const place = placeOf(location.pathname) ?? { kind: 'post', id: '0' };
  const at = readStorage('sessionStorage', positionOf(key));
  const now = kept.get(key) ?? { feed: new Feed(place, at), focus: null };
  const { feed } = now;
  kept.set(key, now);
  const [oldest] = kept;
  if (kept.size > keptAtMost) {
    oldest[1].feed.drop();
    kept.delete(oldest[0]);
  }
  part(document, 'composer').hidden = place.kind !== 'all';
  part(document, 'place').replaceChildren(feed.element);
  const shown = feed.show();
  if (left) {
    feed.restore(at);
    const focus = now.focus?.isConnected ? /** @type {HTMLElement} */ (now.focus) : part(feed.element, 'title');
    focus.focus({ preventScroll: true });
  }
  return shown;
}

/** Goes to an address, without a reload where it is one of ours. @param {string} to */
function go(to) {
  const { origin, pathname, href } = new URL(to, location.href);
  if (origin !== location.origin || !placeOf(pathname)) return location.assign(href);
  if (pathname === location.pathname) return scrollTo({ top: 0 });
  history.pushState(null, '', href);
  show();
}

history.scrollRestoration = 'manual';
addEventListener('popstate', ({ state }) => state?.warble !== key && placeOf(location.pathname) && show());
addEventListener('pagehide', remember);
addEventListener('online', () => kept.get(key)?.feed.online());
document.addEventListener('visibilitychange', () => document.hidden || kept.get(key)?.feed.wake());
document.addEventListener('click', (event) => {
  const link = /** @type {Element} */ (event.target).closest('a');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin || !placeOf(link.pathname)) return;
  event.preventDefault();
  const target = link.pathname === location.pathname && document.getElementById(link.hash.slice(1));
  if (!target) return go(link.href);
  history.pushState(history.state, '', link.href);
  target.focus(); // the skip link
  target.scrollIntoView();
});

if (document.readyState === 'loading') await new Promise((done) => document.addEventListener('DOMContentLoaded', done));

// Writing and signing in come after the first posts, which need neither.
await Promise.race([show(), new Promise((done) => setTimeout(done, 1_000))]);
try {
  const [session] = await Promise.all([import('./session.js'), import('./writing.js')]);
  session.connect(go);
} catch {
  part(document, 'toast-says').textContent = 'Signing in could not be loaded. Reading works; reload the page to try again.';
  part(document, 'toast').hidden = false;
}
