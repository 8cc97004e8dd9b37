// Reads a place's posts from the API, a page at a time. What they mean for what is shown is feed.js's.

import { Problem, request } from './api.js';

/** @typedef {import('./changes.js').Post} Post */

/** What is shown: the latest posts, one person's, or one post; id is '' for the latest. @typedef {{ kind: 'all' | 'user' | 'post', id: string }} Place */

/** next is the cursor of what is older; '' when nothing is. @typedef {{ posts: Post[], next: string }} Page */

/** Most posts of a page. */
export const most = 100;

/** @param {any} one */
const isPost = (one) => one?.id > 0 && one.userId && one.content && one.createdAt;

/** Whether a post is one of a place's. @param {Place} place @param {Post} post */
export function belongs({ kind, id }, post) {
  return kind === 'all' || id === (kind === 'post' ? String(post.id) : post.userId);
}

/**
 * Reads a page, the newest without a cursor. A post that is gone is an empty page.
 * @param {Place} place @param {string} [before] a cursor @param {number} [limit]
 * @returns {Promise<Page>}
 */
export async function readPage({ kind, id }, before = '', limit = 0) {
  if (kind === 'post') {
    try {
      return page([await request(`/api/posts/${id}`)]);
    } catch (error) {
      if (error.status === 404) return page([]);
      throw error;
    }
  }
  const query = new URLSearchParams();
  if (kind === 'user') query.set('userId', id);
  if (before) query.set('before', before);
  if (limit) query.set('limit', String(limit));
  const body = await request(`/api/posts${query.size ? `?${query}` : ''}`);
  return page(body?.posts, body?.next);
}

/** Not every answer is the API's: a hotel's Wi-Fi answers too. @param {any} posts @param {string} [next] @returns {Page} */
function page(posts, next = '') {
  if (!Array.isArray(posts) || !posts.every(isPost)) throw new Problem(0, 'Warble did not answer as it should.');
  return { posts, next: posts.length ? next : '' };
}
