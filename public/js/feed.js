// Which posts there are at a place: shown, waiting behind "new posts", out of reach between the two, and older than
// those shown. It is told what happens (a page is read, one's own post is published, edited or deleted), and tells
// what becomes of what is shown. No element, timer or address of the window is in it: list.js draws, poll.js asks.

import { newestFirst, withOwn } from './changes.js';
import { belongs, most, readPage } from './pages.js';

/** @typedef {import('./changes.js').Post} Post */
/** @typedef {import('./pages.js').Page} Page */
/** @typedef {import('./pages.js').Place} Place */

/**
 * Who is told what becomes of what is shown.
 * @typedef {object} View
 * @property {() => void} begin the newest posts have come for the first time, or anew, and follow
 * @property {(post: Post, above: number | null, was?: number) => void} put a post is shown in its place, or says something
 *   else there. above is the id of the post that stands right above it, null at the top; was is the id that it was shown
 *   under while it was on its way
 * @property {(id: number) => void} remove a post is not shown any more
 * @property {(id: number) => boolean} isEdited whether somebody edits a post just now: their form stays
 */

export class Feed {
  /** In order; those that are on their way, with negative ids, first. @type {Post[]} */
  shown = [];
  /** New ones, behind the button. @type {Post[]} */
  waiting = [];
  /** There are more between those that wait and those shown: out of reach, until it is begun again. */
  gap = false;
  /** The cursor of what is older; '' when nothing is. */
  next = '';
  loaded = false;
  /** Every post from here to #oldest is shown, as of the last read. One's own new ones can stand above. @type {Post | undefined} */
  #newest;
  /** @type {Post | undefined} */
  #oldest;
  /** Ids of those that one has deleted, or is deleting: an answer from before still has them. @type {Set<number>} */
  #gone = new Set();
  /** Reads come one after another: each begins from what the one before it left. */
  #queue = newQueue();
  #place;
  #view;

  /** @param {Place} place @param {View} view */
  constructor(place, view) {
    this.#place = place;
    this.#view = view;
  }

  /**
   * Reads the newest posts, and then what is older until enough are shown. What was shown before makes room.
   * @param {() => boolean} enough
   */
  load(enough = () => true) {
    return this.#queue(async () => {
      const { posts, next } = await readPage(this.#place);
      const all = await withOwn(posts, (post) => belongs(this.#place, post) && inside(post, undefined, next && posts.at(-1)));
      this.#view.begin();
      for (const post of this.stored()) {
        if (!all.some(({ id }) => id === post.id)) this.#remove(post.id);
      }
      this.#newest = posts[0];
      this.gap = false;
      this.#extend(all, posts, next);
      this.loaded = true;
      this.waiting = [];
      for (let i = 0; i < 20 && !enough() && this.next; i++) await this.#readOlder(most);
    });
  }

  /** Reads the next older posts. */
  older() {
    return this.#queue(async () => {
      if (this.next) await this.#readOlder();
    });
  }

  /** Reads again what is shown, and what is new. Tells whether more are new than before. */
  check() {
    return this.#queue(async () => {
      const shown = this.stored(); // what is published while the page is read is not missing in it
      let page = await readPage(this.#place);
      const [first] = page.posts;
      const unseen = await this.#compare(shown, page);
      this.gap = false;
      for (let after; (after = page.next && page.posts.at(-1));) {
        const last = after;
        // An answer from before may have taken the oldest away, which "Older" does not bring back.
        const below = [...this.stored(), this.#oldest].find((post) => post && newestFirst(last, post) < 0);
        const whole = this.#newest && newestFirst(last, this.#newest) >= 0; // nothing is unseen from here on
        if (!whole && unseen.length) this.gap = true;
        if (!below && (whole || this.gap)) break;
        if (!whole && this.gap) after = { ...below, id: below.id + 1 };
        // A cursor is the time and the id of a post, as lib/post/page.go has it.
        page = await readPage(this.#place, `${Date.parse(after.createdAt)}-${after.id}`, most);
        unseen.push(...await this.#compare(shown, page, after));
      }
      const more = unseen.length > this.waiting.length;
      // One's own may have been shown or deleted while the pages came.
      this.waiting = unseen.filter(({ id }) => this.#find(id) < 0 && !this.#gone.has(id));
      if (!unseen.length) this.#newest = first;
      // A post that comes late, with an earlier time, can stand below all that there was.
      if (page.next && !this.next && !this.gap) {
        this.next = page.next;
        this.#oldest = page.posts.at(-1);
      }
      return more;
    });
  }

  /** Shows those that wait. It cannot be while there is a gap. */
  showWaiting() {
    [this.#newest] = this.waiting;
    for (const post of this.waiting) this.#put(post);
    this.waiting = [];
  }

  /** One's own post is on its way. @param {Post} post */
  sending(post) {
    if (!belongs(this.#place, post)) return;
    this.shown.unshift(post);
    this.#view.put(post, null);
  }

  /** It is not any more. @param {number} id */
  unsent(id) {
    this.#remove(id);
  }

  /** The server has a post of one's own as it is here. @param {Post} post @param {number} [was] the id that it had on its way */
  accepted(post, was) {
    this.#gone.delete(post.id);
    this.waiting = this.waiting.filter(({ id }) => id !== post.id);
    const isShown = this.#find(post.id) >= 0;
    if (!isShown && this.#find(was) >= 0) return this.#put(post, was);
    this.#remove(was); // a check brought the post first
    if (isShown || (belongs(this.#place, post) && this.#covers(post))) this.#put(post);
  }

  /** One deletes a post: no answer from before brings it back. @param {number} id */
  deleting(id) {
    this.#gone.add(id);
    this.#remove(id);
    this.waiting = this.waiting.filter((post) => post.id !== id);
  }

  /** All posts of a person have been deleted. @param {string} userId @returns {number[]} the ids of those that were shown or waited */
  cleared(userId) {
    const ids = [...this.stored(), ...this.waiting].filter((post) => post.userId === userId).map(({ id }) => id);
    for (const id of ids) this.deleting(id);
    return ids;
  }

  /** What is shown, without what is on its way. */
  stored() {
    return this.shown.filter(({ id }) => id > 0);
  }

  /** @param {number} [limit] */
  async #readOlder(limit) {
    const { posts, next } = await readPage(this.#place, this.next, limit);
    this.#extend(await withOwn(posts, () => false), posts, next);
  }

  /** @param {Post[]} posts @param {Post[]} page as it was read @param {string} next */
  #extend(posts, page, next) {
    this.#oldest = page.at(-1);
    this.next = next;
    for (const post of posts) {
      if (!this.#gone.has(post.id)) this.#refresh(post);
    }
  }

  /** Makes what is shown as a page says. Returns its other posts. @param {Post[]} shown when the reading began @param {Page} page @param {Post} [after] */
  async #compare(shown, { posts, next }, after) {
    const last = next && posts.at(-1);
    const all = await withOwn(posts, (post) => belongs(this.#place, post) && inside(post, after, last));
    for (const { id } of shown) {
      const post = this.shown[this.#find(id)]; // as it is now
      const now = all.find((one) => one.id === id);
      if (post && now) this.#refresh(now);
      if (post && !now && inside(post, after, last) && !this.#view.isEdited(id)) this.#remove(id);
    }
    return all.filter((post) => this.#find(post.id) < 0 && !this.#gone.has(post.id) && this.#covers(post));
  }

  /** Shows a post as it was read, unless an edit that is on its way is newer. @param {Post} post */
  #refresh(post) {
    const shown = this.shown[this.#find(post.id)];
    if (!shown || (shown.updatedAt <= post.updatedAt && JSON.stringify(shown) !== JSON.stringify(post))) this.#put(post);
  }

  /** Shows a post once, in its place. @param {Post} post @param {number} [was] the id that it is shown under */
  #put(post, was) {
    this.shown = this.shown.filter(({ id }) => id !== (was ?? post.id));
    const above = this.shown.findLastIndex((other) => other.id < 0 || newestFirst(other, post) < 0);
    this.shown.splice(above + 1, 0, post);
    this.#view.put(post, this.shown[above]?.id ?? null, was);
  }

  /** @param {number} [id] */
  #remove(id) {
    if (this.#find(id) < 0) return;
    this.shown = this.shown.filter((post) => post.id !== id);
    this.#view.remove(id);
  }

  /** Where in what is shown a post is; -1 where it is not. @param {number} [id] */
  #find(id) {
    return this.shown.findIndex((post) => post.id === id);
  }

  /** Whether a post is not among those that are older than what is shown. @param {Post} post */
  #covers(post) {
    return !this.next || !this.#oldest || newestFirst(post, this.#oldest) <= 0;
  }
}

/** Whether a post is in the part of a feed below one post and down to another; each may be missing. @param {Post} post @param {Post} [after] @param {Post | ''} [last] */
function inside(post, after, last) {
  return (!after || newestFirst(after, post) < 0) && (!last || newestFirst(post, last) <= 0);
}

/** Gives a function that runs tasks one after another. */
function newQueue() {
  let last = Promise.resolve();
  /** @template T @param {() => Promise<T>} task @returns {Promise<T>} */
  return (task) => {
    const result = last.then(task);
    last = result.then(() => {}, () => {}); // whoever waits for result is told
    return result;
  };
}
