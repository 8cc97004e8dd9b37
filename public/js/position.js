// Where the reader is in a list of posts, in words that survive a reload and posts that come and go: so far from a post.

import { newestFirst } from './changes.js';

/** @typedef {import('./changes.js').Post} Post */

/** Where the reader is: top is how far down the window that post begins, in px. @typedef {{ id: number, createdAt: string, top: number }} Position */

/**
 * The last post that begins above the window; null at the top.
 * @param {Post[]} posts @param {(post: Post) => number} topOf @returns {Position | null}
 */
export function positionIn(posts, topOf) {
  if (scrollY <= 0 || !posts.length) return null;
  const post = posts.findLast((one) => topOf(one) <= 0) ?? posts[0];
  return { id: post.id, createdAt: post.createdAt, top: topOf(post) };
}

/**
 * Scrolls to where a position's post is now, or the next one. Tells whether enough is shown for it.
 * @param {Position | null} position @param {Post[]} posts @param {(post: Post) => number} topOf
 */
export function scrollToPosition(position, posts, topOf) {
  if (!position) {
    scrollTo({ top: 0 });
    return true;
  }
  const post = posts.find((one) => newestFirst(one, position) >= 0);
  if (!post) return false;
  scrollTo({ top: scrollY + topOf(post) - position.top });
  return Math.abs(topOf(post) - position.top) < 1;
}
