// What this browser remembers, and the events of one's own posts.

import { request } from './api.js';

/** @param {Where} where @param {string} name @returns {any} null when there is none, or storage is off */
export function readStorage(where, name) {
  try {
    return JSON.parse(window[where].getItem(name) ?? 'null');
  } catch {
    return null;
  }
}

/** @param {Where} where @param {string} name @param {unknown} value null removes it */
export function writeStorage(where, name, value) {
  try {
    if (value === null) window[where].removeItem(name);
    else window[where].setItem(name, JSON.stringify(value));
  } catch {
    // Full or off: the page works without.
  }
}

/** The names in localStorage that begin with prefix. @param {string} prefix */
export function storedNames(prefix) {
  try {
    return Object.keys(localStorage).filter((name) => name.startsWith(prefix));
  } catch {
    return [];
  }
}

export const events = new EventTarget();

/** @param {NewsType} type @param {Partial<News>} detail */
export const emit = (type, detail) => events.dispatchEvent(new CustomEvent(type, { detail }));

// A CDN may answer from before one's own change for a while: it is laid over
// such answers, so that a reload never seems to have lost it.
const own = 'warble.own';
const lifetime = 60_000;

/** @returns {OwnChange[]} */
const recent = () => (readStorage('sessionStorage', own) ?? []).filter((/** @type {OwnChange} */ one) => Date.now() - one.at < lifetime);

/** @param {number} id @param {Post | null} post null when deleted @param {boolean} created */
export function remember(id, post, created = false) {
  const all = recent();
  const old = all.find((one) => one.id === id);
  writeStorage('sessionStorage', own, [...all.filter((one) => one !== old), { id, post, created: created || old?.created, at: Date.now() }]);
}

/**
 * Lays one's own changes over an answer that may be from before them. A post that it lacks may have been deleted
 * on another device meanwhile: an address that is new to the CDN tells.
 * @param {Post[]} posts from the API @param {(post: Post) => boolean} belongs whether one that is missing belongs here
 */
export async function withOwn(posts, belongs) {
  const all = new Map(posts.map((post) => [post.id, post]));
  for (const { id, post, created } of recent()) {
    const had = all.get(id);
    if (!post) all.delete(id);
    else if (had) all.set(id, had.updatedAt < post.updatedAt ? post : had);
    else if (created && belongs(post) && await stands(id)) all.set(id, post);
  }
  return [...all.values()].sort(newestFirst);
}

/** @param {number} id */
async function stands(id) {
  try {
    await request(`/api/posts/${id}?at=${Date.now()}`);
  } catch (error) {
    return /** @type {Problem} */ (error).status !== 404;
  }
  return true;
}

/** The feed's order: by time, then by id. @param {Position} a @param {Position} b */
export const newestFirst = (a, b) => (a.createdAt === b.createdAt ? b.id - a.id : a.createdAt < b.createdAt ? 1 : -1);
