// What is said around a place's posts: its title, whose they are, what the window and feed readers call it.

import { drawFace, showHandle } from './article.js';
import { part } from './elements.js';
import { me, moderator, nameOf, people } from './people.js';

/** @typedef {import('./changes.js').Post} Post */
/** @typedef {import('./pages.js').Place} Place */

/**
 * Writes what stands above and below the posts in a place's element. Gives the title.
 * @param {HTMLElement} element @param {Place} place @param {Post | undefined} post the first that is shown @param {boolean} loaded
 */
export function drawHeading(element, { kind, id }, post, loaded) {
  const userId = kind === 'post' ? post?.userId ?? '' : id;
  const author = people.get(userId);
  const title = titleOf({ kind, id }, post, loaded);
  part(element, 'title').textContent = title;
  if (kind === 'user') {
    showHandle(element, author, userId);
    drawFace(part(element, 'face'), userId, author);
  }
  const by = part(element, 'by');
  by.parentElement.hidden = kind !== 'post' || !loaded;
  by.hidden = !post;
  by.href = `/u/${userId}`;
  by.textContent = `More by ${nameOf(author)}`;
  part(element, 'all').hidden = kind !== 'user' || (userId !== me && !moderator);
  return title;
}

/** Says in the window which place it shows. @param {Place} place @param {string} title @param {Post | undefined} post */
export function nameWindow({ kind, id }, title, post) {
  part(document, 'composer').hidden = id !== '' && id !== me;
  part(document, 'atom').href = `${kind === 'user' ? `/u/${id}` : ''}/feed.xml`;
  const content = kind === 'post' && post ? `: ${post.content}` : ''; // browsers cut it where they have no room
  document.title = kind === 'all' ? 'Warble' : `${title}${content} · Warble`;
}

/** @param {Place} place @param {Post | undefined} post @param {boolean} loaded */
function titleOf({ kind, id }, post, loaded) {
  if (kind === 'all') return 'Latest';
  if (kind === 'post') {
    if (post) return `Post by ${nameOf(people.get(post.userId))}`;
    return loaded ? 'No such post' : '…';
  }
  const author = people.get(id);
  if (post || author) return nameOf(author);
  return loaded ? 'Nobody here' : '…';
}

/** What is said below the posts. @param {Place} place @param {boolean} isEmpty @param {boolean} isWhole nothing is older */
export function lastLine({ kind, id }, isEmpty, isWhole) {
  if (!isEmpty) return isWhole && kind !== 'post' ? 'This is the end.' : '';
  if (kind === 'post') return 'It was deleted, or it never was.';
  if (kind === 'all') return 'Nobody has written yet. Be the first!';
  if (id === me) return 'You have not written yet.';
  const name = people.get(id)?.name;
  return name ? `${name} has not written yet.` : 'There is nobody, or they have not written yet.';
}
