// A place on the screen: its heading, "new posts", its articles, older posts, and its messages. Which posts there are
// is feed.js's, when they are read poll.js's, and how they stand articles.js's.

import { early, Problem } from './api.js';
import { Articles, focusOn } from './articles.js';
import { rememberDeleted } from './changes.js';
import { copy, part, say } from './elements.js';
import { Feed } from './feed.js';
import { drawHeading, lastLine, nameWindow } from './heading.js';
import { Poll } from './poll.js';
import { positionIn, scrollToPosition } from './position.js';
import { fromNow } from './time.js';

/** @typedef {import('./changes.js').News} News */
/** @typedef {import('./pages.js').Place} Place */
/** @typedef {import('./position.js').Position} Position */

/** How far below the window older posts are read already. */
const reach = '600px';

/** What index.html's script has drawn is the first list's. */
let drawn = early?.place;

export class List {
  element = drawn ?? copy('place');
  #posts = part(this.element, 'posts');
  #older = part(this.element, 'older');
  #fresh = part(this.element, 'fresh');
  #again = part(this.element, 'again');
  #line = part(this.element, 'line');
  #place;
  /** Where the reader is to be, until enough is shown for it. */
  #position;
  #shown = false;
  #nearEnd = new IntersectionObserver((seen) => {
    if (seen.some(({ isIntersecting }) => isIntersecting)) this.#readOlder();
  }, { rootMargin: reach });

  /** @param {Place} place @param {Position | null} position where the reader was */
  constructor(place, position) {
    drawn = undefined;
    this.#place = place;
    this.articles = new Articles(this.#posts, place.kind === 'post', part(this.element, 'title'));
    this.#position = position;
    this.feed = new Feed(place, this.articles);
    this.poll = new Poll(() => this.#read(), (error, wait) => this.#failed(error, wait));
    this.element.dataset.kind = place.kind;
    this.#again.onclick = () => this.poll.ask();
    this.#older.onclick = () => this.#readOlder();
    this.#fresh.onclick = () => this.#showNew();
  }

  show() {
    this.#shown = true;
    this.#draw();
    return this.poll.start();
  }

  /** It is kept for Back. */
  hide() {
    this.#shown = false;
    this.poll.stop();
  }

  /** It is not kept any more. */
  drop() {
    this.#nearEnd.disconnect();
  }

  online() {
    this.poll.online();
    this.#watchEnd();
  }

  /** @returns {Position | null} */
  whereReaderIs() {
    return positionIn(this.feed.stored(), (post) => this.articles.topOf(post));
  }

  /** Scrolls to a position. Tells whether enough is shown for it. @param {Position | null} position */
  restore(position) {
    return scrollToPosition(position, this.feed.stored(), (post) => this.articles.topOf(post));
  }

  /** Reads for poll.js, and tells it whether something was new. */
  async #read() {
    if (this.feed.loaded) {
      const isNew = await this.feed.check();
      const goesOn = this.#older.hidden && this.feed.next !== ''; // below what was the end
      if (goesOn) this.#watchEnd();
      if (goesOn || !this.feed.shown.length) this.#settle();
      else this.#draw();
      return isNew;
    }
    await this.feed.load(() => !this.#position || this.restore(this.#position));
    this.articles.end();
    this.#position = null;
    this.#watchEnd();
    this.#settle();
    return true;
  }

  /** @param {any} error @param {number} wait in ms */
  #failed(error, wait) {
    if (!(error instanceof Problem)) reportError(error);
    if (this.feed.loaded) return;
    if (!this.feed.shown.length) this.#posts.replaceChildren(); // the message takes the skeletons' place
    this.#say(`${error.message} Trying again ${fromNow(wait / 1000)}.`);
    this.#again.hidden = false;
  }

  async #readOlder() {
    if (!this.feed.next || this.#older.ariaDisabled === 'true') return;
    this.#posts.ariaBusy = 'true';
    this.#older.ariaDisabled = 'true';
    this.#nearEnd.disconnect();
    const last = this.#posts.lastElementChild;
    const hadFocus = document.activeElement === this.#older;
    try {
      await this.feed.older();
      this.#settle();
      this.#watchEnd();
      if (this.feed.next) this.#say('Older posts are below.', true);
      else if (hadFocus) focusOn(last?.nextElementSibling); // the button is gone
    } catch (error) {
      this.#nearEnd.disconnect(); // only the button asks now, or coming back online
      this.#say(/** @type {Error} */ (error).message);
      if (!(error instanceof Problem)) reportError(error);
    }
    this.#older.ariaDisabled = 'false';
    this.articles.number();
  }

  /** Reads what is older when its button is near. */
  #watchEnd() {
    this.#nearEnd.disconnect();
    this.#older.hidden = !this.feed.next;
    if (this.feed.next) this.#nearEnd.observe(this.#older);
  }

  async #showNew() {
    const [first] = this.feed.waiting;
    if (this.feed.gap) {
      this.feed.loaded = false; // more came than one page: begin again
      await this.poll.askAnew();
      if (!this.feed.loaded) return;
    } else {
      this.feed.showWaiting();
      this.#settle();
    }
    scrollTo({ top: 0 });
    focusOn(this.articles.of(first.id) ?? this.#posts.firstElementChild);
  }

  /** Follows one's own changes, also while it is only kept for Back. @param {News} news */
  hear({ type, post, id, replaces, userId, says, mood, aloud }) {
    if (type === 'sending') this.feed.sending(post);
    if (type === 'unsent') this.feed.unsent(id);
    if (type === 'gone') this.feed.deleting(id);
    if (type === 'cleared') rememberDeleted(this.feed.cleared(userId));
    if (type === 'post') this.feed.accepted(post, replaces);
    const article = says && this.articles.of(post.id);
    if (article) say(part(article, 'says'), says, mood);
    this.articles.number();
    this.update();
    if (aloud && this.feed.loaded && this.feed.shown.length) this.#say(aloud, true);
  }

  /** Says again what there is: one's own posts, or who is signed in, are not what they were. */
  update() {
    if (this.feed.loaded) this.#settle();
    else this.#draw();
  }

  /** @param {string} text @param {boolean} [aloud] for screen readers only */
  #say(text, aloud = false) {
    this.#line.classList.toggle('vh', aloud);
    if (this.#line.textContent !== text) this.#line.textContent = text; // else it would be announced again
  }

  /** Says what there is after a change. */
  #settle() {
    this.#again.hidden = true;
    this.articles.number();
    const isWhole = !this.feed.next;
    this.#say(lastLine(this.#place, isWhole && !this.feed.shown.length, isWhole));
    this.#draw();
  }

  /** Draws what stands around the posts. */
  #draw() {
    const { waiting: { length }, gap, loaded } = this.feed;
    const [post] = this.feed.stored();
    const title = drawHeading(this.element, this.#place, post, loaded);
    if (this.#shown) nameWindow(this.#place, title, post);
    this.#fresh.hidden = length === 0;
    this.#fresh.textContent = `${length}${gap ? '+' : ''} new post${length === 1 ? '' : 's'}`;
  }
}
