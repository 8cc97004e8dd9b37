// A place: the feed, one person's posts, or one post.

import { Problem, request } from './api.js';
import { copy, createPost, drawFace, fillPost, nameOf, part, people, postOf, showHandle } from './post.js';
import { events, newestFirst, withOwn } from './storage.js';

/** How often new posts are looked for, and a failed load is tried again: in ms, first and last. */
const soonest = 5_000;
const latest = 60_000;

/** @param {Element | null | undefined} element */
const focusOn = (element) => /** @type {HTMLElement | undefined} */ (element)?.focus();

export class Feed {
  element = copy('place');
  list = part(this.element, 'posts');
  older = part(this.element, 'older');
  fresh = part(this.element, 'fresh');
  again = part(this.element, 'again');
  line = part(this.element, 'says');
  /** @type {Map<number, HTMLElement>} by the post's id */
  articles = new Map();
  /** @type {Post[]} new ones, behind the button */
  waiting = [];
  gap = false; // more than a page of them
  loaded = false;
  shown = false;
  busy = false;
  etag = '';
  next = '';
  pause = soonest;
  timer = 0;
  end = new AbortController();
  reach = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.loadOlder(), { rootMargin: '600px' });

  /** @param {Place} place */
  constructor({ kind, id }) {
    this.kind = kind;
    this.id = id;
    this.single = kind === 'post';
    this.path = this.single ? `/api/posts/${id}` : kind === 'user' ? `/api/posts?userId=${id}` : '/api/posts';
    this.element.dataset.kind = kind;
    if (this.single) this.list.role = 'group';
    for (let i = this.single ? 1 : 6; i; i--) this.list.append(copy('skeleton'));
    this.again.onclick = () => this.load();
    this.older.onclick = () => this.loadOlder();
    this.fresh.onclick = () => this.showFresh();
    this.list.onkeydown = (event) => this.step(event);
    this.follow();
  }

  show() {
    this.shown = true;
    this.head();
    return this.loaded ? this.watch() : this.load();
  }

  hide() {
    this.shown = false;
    clearTimeout(this.timer);
  }

  drop() {
    this.end.abort();
    this.reach.disconnect();
  }

  wake() {
    this.pause = soonest;
    if (this.loaded) this.check();
    else this.load();
  }

  /** Those here, in order, without those on their way. */
  posts() {
    return [...this.list.children].map(postOf).filter((post) => post && post.id > 0);
  }

  async load() {
    if (this.busy) return;
    this.busy = true;
    clearTimeout(this.timer);
    try {
      const { body, etag } = await request(this.path);
      this.etag = etag;
      this.begin(withOwn(this.single ? [body] : body.posts, (post) => this.belongs(post)), body.next);
    } catch (error) {
      this.failed(error);
    }
    this.busy = false;
    this.watch();
  }

  /** @param {Post[]} posts @param {string} next */
  begin(posts, next = '') {
    for (const child of [...this.list.children]) {
      const id = postOf(child)?.id ?? 0;
      if (id < 0) continue; // on its way
      child.remove();
      this.articles.delete(id);
    }
    this.next = next;
    this.loaded = true;
    this.list.ariaBusy = 'false';
    this.wait([]);
    this.add(posts);
    this.settle();
    this.observe();
  }

  /** @param {unknown} error */
  failed(error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 404) return this.begin([]);
    const wait = error.retryAfter * 1000 || this.pause;
    this.slower();
    this.says(`${error.message} Trying again in ${Math.ceil(wait / 1000)} seconds.`);
    this.again.hidden = false;
    this.timer = setTimeout(() => this.load(), wait);
  }

  async loadOlder() {
    if (this.busy || !this.next) return;
    this.busy = true;
    this.list.ariaBusy = this.older.ariaDisabled = 'true';
    this.reach.disconnect();
    const last = this.list.lastElementChild;
    const focused = document.activeElement === this.older;
    try {
      const { body } = await request(`${this.path}${this.kind === 'user' ? '&' : '?'}before=${encodeURIComponent(this.next)}`);
      this.next = body.next ?? '';
      this.add(withOwn(body.posts, () => false));
      this.says('Older posts are below.', true);
      this.observe();
      // The button goes away under the finger on the last page.
      if (focused && !this.next) focusOn(last?.nextElementSibling);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.says(error.message); // and now only the button asks
    }
    this.busy = false;
    this.list.ariaBusy = this.older.ariaDisabled = 'false';
  }

  observe() {
    this.older.hidden = !this.next;
    if (this.next) this.reach.observe(this.older);
  }

  /** Looks for new posts in a while. */
  watch() {
    if (!this.shown || !this.loaded || this.single) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), this.pause);
  }

  slower() {
    this.pause = Math.min(this.pause * 1.5, latest);
  }

  async check() {
    if (document.hidden || this.busy || this.single) return this.watch();
    this.slower();
    try {
      const { status, etag, body } = await request(this.path, { etag: this.etag });
      if (status !== 304) {
        this.etag = etag;
        this.discover(withOwn(body.posts, () => false));
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
    this.watch();
  }

  /** @param {Post[]} posts the first page as it is now */
  discover(posts) {
    const here = this.posts();
    const oldest = here.at(-1);
    // Deletions pull older ones up into the first page; those come by "Older".
    const unseen = posts.filter((post) => !this.articles.has(post.id) && (!oldest || newestFirst(post, oldest) < 0));
    this.gap = here.length > 0 && unseen.length === posts.length;
    if (unseen.length > this.waiting.length) this.pause = soonest;
    this.wait(unseen);
  }

  /** @param {Post[]} posts */
  wait(posts) {
    const { length } = (this.waiting = posts);
    this.fresh.hidden = !length;
    this.fresh.textContent = `${length}${this.gap ? '+' : ''} new post${length === 1 ? '' : 's'}`;
  }

  async showFresh() {
    const newest = this.waiting[0].id;
    if (this.gap) {
      await this.load(); // more came than one page: begin again
    } else {
      this.add(this.waiting);
      this.wait([]);
      this.settle();
    }
    scrollTo({ top: 0 });
    focusOn(this.articles.get(newest));
  }

  /** @param {Post} post */
  belongs(post) {
    return this.kind === 'all' || this.id === (this.single ? String(post.id) : post.userId);
  }

  /** Shows each post once, in its place. @param {Post[]} posts */
  add(posts) {
    for (const post of posts) {
      let article = this.articles.get(post.id);
      if (article) {
        fillPost(article, post);
        continue;
      }
      article = createPost(post);
      this.articles.set(post.id, article);
      let before = null;
      for (let at = this.list.lastElementChild; at; at = at.previousElementSibling) {
        const other = postOf(at);
        if (!other || other.id < 0 || newestFirst(other, post) < 0) break;
        before = at;
      }
      this.list.insertBefore(article, before);
    }
    this.number();
  }

  number() {
    if (this.single) return;
    const { children } = this.list;
    for (let i = 0; i < children.length; i++) {
      children[i].ariaPosInSet = String(i + 1);
      children[i].ariaSetSize = '-1';
    }
  }

  /** @param {number} id */
  remove(id) {
    const article = this.articles.get(id);
    if (!article) return;
    this.articles.delete(id);
    if (article.contains(document.activeElement)) {
      focusOn(article.nextElementSibling ?? article.previousElementSibling ?? part(this.element, 'title'));
    }
    article.remove();
    this.number();
  }

  /** Follows one's own posts, also while this place is only kept for Back. */
  follow() {
    /** @param {string} type @param {(detail: News) => void} act */
    const on = (type, act) => events.addEventListener(type, (event) => {
      const { detail } = /** @type {CustomEvent} */ (event);
      act(detail);
      if (!this.loaded) return;
      this.settle();
      if (detail.aloud && this.articles.size) this.says(detail.aloud, true);
    }, this.end);
    on('sending', ({ post }) => {
      if (this.single || !this.belongs(post)) return;
      const article = createPost(post);
      this.articles.set(post.id, article);
      this.list.prepend(article);
    });
    on('unsent', ({ id }) => this.remove(id));
    on('gone', ({ id }) => this.remove(id));
    on('post', ({ post, replaces, says }) => {
      const pending = this.articles.get(replaces);
      if (pending && !this.articles.has(post.id)) { // else a check brought it first
        this.articles.delete(replaces);
        this.articles.set(post.id, pending);
      }
      this.remove(replaces);
      this.wait(this.waiting.filter((one) => one.id !== post.id));
      if (this.belongs(post)) this.add([post]);
      const article = this.articles.get(post.id);
      if (article && says) part(article, 'says').textContent = says;
    });
  }

  /** Page Down and Page Up, as in every feed. @param {KeyboardEvent} event */
  step(event) {
    const at = this.list.querySelector(':scope > :focus-within:not(.editing)');
    const next = event.key === 'PageDown' ? at?.nextElementSibling : event.key === 'PageUp' && at?.previousElementSibling;
    if (!next) return;
    event.preventDefault();
    focusOn(next);
  }

  /** @param {string} text @param {boolean} aloud for screen readers only */
  says(text, aloud = false) {
    this.line.classList.toggle('vh', aloud);
    this.line.textContent = text;
  }

  settle() {
    this.again.hidden = true;
    this.says(this.articles.size ? ''
      : this.single ? 'It was deleted, or it never was.'
      : this.id ? 'There is nobody, or they have not written yet.'
      : 'Nobody has written yet.');
    this.head();
  }

  /** Heading and title: where one is. */
  head() {
    const [post] = this.posts();
    const userId = this.single ? post?.userId ?? '' : this.id;
    const author = people.get(userId);
    let title = 'Latest';
    if (this.kind !== 'all') {
      title = post || author ? nameOf(author) : this.loaded ? 'Nobody here' : '…';
      if (this.single) title = post ? `Post by ${title}` : this.loaded ? 'No such post' : title;
    }
    part(this.element, 'title').textContent = title;
    if (this.kind === 'user') {
      showHandle(this.element, author);
      drawFace(part(this.element, 'face'), userId, author);
    }
    if (!this.shown) return;
    if (this.single && post) title += `: ${[...post.content].slice(0, 60).join('')}`;
    document.title = this.kind === 'all' ? 'Warble' : `${title} · Warble`;
  }
}
