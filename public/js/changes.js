// One's own writes: told at once to whatever shows posts, and remembered for as long as a CDN may answer from before
// them. It writes nothing to the API: own.js and composer.js do, and tell it here.

import { request } from './api.js';
import { readStorage, writeStorage } from './storage.js';

/** @typedef {import('./people.js').Author} Author */

/**
 * A post as the API gives it; one that is on its way has a negative id.
 * @typedef {object} Post
 * @property {number} id
 * @property {string} userId
 * @property {string} content
 * @property {string} createdAt
 * @property {string} updatedAt
 * @property {Author} [author]
 */

/**
 * News of one's own posts, told on document to every list that is shown or kept for Back:
 * `sending` {post} is on its way, `unsent` {id} is not any more, `post` {post, replaces, says, mood} is as the server has it,
 * `gone` {id, aloud} is being deleted, `cleared` {userId} has no posts any more.
 * @typedef {object} News
 * @property {'sending' | 'unsent' | 'post' | 'gone' | 'cleared'} type
 * @property {Post} [post]
 * @property {number} [id]
 * @property {number} [replaces] the id that the post had while it was on its way
 * @property {string} [says] shown in the post
 * @property {import('./elements.js').Mood} [mood]
 * @property {string} [aloud] for screen readers
 * @property {string} [userId] whose posts
 */

/** @param {News['type']} type @param {Omit<News, 'type'>} detail */
export const tell = (type, detail) => document.dispatchEvent(new CustomEvent('news', { detail: { type, ...detail } }));

/** Where they are remembered in this tab, and for how long, in ms: longer than any CDN answers from before. */
const name = 'warble.own';
const lifetime = 60_000;

/**
 * A change that the server has accepted.
 * @typedef {object} OwnChange
 * @property {number} id
 * @property {Post | null} post null when it was deleted
 * @property {boolean} [created]
 * @property {number} at in ms
 */

/** @returns {OwnChange[]} */
const recent = () => (readStorage('sessionStorage', name) ?? []).filter((/** @type {OwnChange} */ change) => Date.now() - change.at < lifetime);

/** Remembers a post as the server has accepted it. @param {Post} post @param {boolean} [created] */
export function remember(post, created) {
  keep([{ id: post.id, post, created: created || recent().find(({ id }) => id === post.id)?.created }]);
}

/** Remembers that posts have been deleted. @param {number[]} ids */
export function rememberDeleted(ids) {
  keep(ids.map((id) => ({ id, post: /** @type {Post} */ (null) })));
}

/** @param {Omit<OwnChange, 'at'>[]} changes */
function keep(changes) {
  const rest = recent().filter(({ id }) => !changes.some((change) => change.id === id));
  writeStorage('sessionStorage', name, [...rest, ...changes.map((change) => ({ ...change, at: Date.now() }))]);
}

/**
 * Lays one's own changes over an answer. A new post that it lacks, and that belongs there, may have been deleted on
 * another device: an address that is new to the CDN tells.
 * @param {Post[]} posts @param {(post: Post) => boolean} belongs
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
    return error.status !== 404;
  }
  return true;
}

/** A place in the feed's order: a post's. @typedef {{ id: number, createdAt: string }} Place */

/** The feed's order: by time, then by id. @param {Place} a @param {Place} b */
export function newestFirst(a, b) {
  if (a.createdAt === b.createdAt) return b.id - a.id;
  return a.createdAt < b.createdAt ? 1 : -1;
}
