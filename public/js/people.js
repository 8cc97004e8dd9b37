// Who people are, as far as the answers so far told, and which of them sits here. It signs nobody in: session.js
// does, and says so here.

/** @typedef {{ id: string, name?: string | null, username?: string | null, imageUrl?: string | null }} Author A profile as the API gives it. */

/** Those met so far, by id, for posts that come without their author. @type {Map<string, Author>} */
export const people = new Map();

/** @param {Author} [author] */
export const nameOf = (author) => author?.name || author?.username || 'Somebody';

/** Who is signed in; '' for nobody. */
export let me = '';
export let moderator = false;

/** Says who is signed in from now on. Announced as `me` on window, for the buttons of posts. @param {string} id @param {boolean} isModerator */
export function setMe(id, isModerator) {
  me = id;
  moderator = isModerator;
  dispatchEvent(new Event('me'));
}
