// Places: the feed, one person's posts, and one post; which address shows which.

import { backoff, Problem, request } from './api.js';
import { createPost, drawFace, fillPost, postOf, showHandle } from './article.js';
import { news, newestFirst, withOwn } from './changes.js';
import { copy, part, say } from './elements.js';
import { me, moderator, nameOf, people } from './people.js';
import { readStorage, writeStorage } from './storage.js';
import { excerpt } from './text.js';
import { fromNow } from './time.js';

/** How often the posts are read again while nothing is new: in ms, first and last. */
const soonest = 5_000;
const latest = 60_000;

const most = 100; // posts of a page of the API

const focusOn = (element) => element?.focus();
const isPost = (one) => one?.id > 0 && one.userId && one.content && one.createdAt;

class Feed {
  element = window.early?.place ?? copy('place');
  list = part(this.element, 'posts');
  older = part(this.element, 'older');
  fresh = part(this.element, 'fresh');
  again = part(this.element, 'again');
  line = part(this.element, 'line');
  /** @type {Map<number, HTMLElement>} by the post's id */
  articles = new Map();
  /** @type {Post[]} new ones, behind the button */
  waiting = [];
  gap = false; // there are more between them and those shown
  /** @type {Post} Every post from here to oldest is shown, as of the last read. One's own new ones can stand above. */
  newest;
  /** @type {Post} */
  oldest;
  next = ''; // the cursor of what is older
  gone = new Set(); // ids of those that one is deleting
  loaded = false;
  shown = false;
  /** @type {any} */
  asking;
  pause = soonest;
  tries = 0; // reads that failed one after another
  earliest = 0; // the time before which the API is not asked again
  timer = 0;
  turn = Promise.resolve();
  end = new AbortController();
  reach = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.loadOlder(), { rootMargin: '600px' });

  /** @param {Place} place @param {Position} at where the reader was */
  constructor({ kind, id }, at) {
    this.kind = kind;
    this.id = id;
    this.at = at;
    this.single = kind === 'post';
    this.element.dataset.kind = kind;
    if (this.single) this.list.role = 'group';
    for (let i = this.single ? 1 : 6; i; i--) this.list.append(copy('skeleton'));
    this.again.onclick = () => this.sync();
    this.older.onclick = () => this.loadOlder();
    this.fresh.onclick = () => this.showFresh();
    this.list.onkeydown = (event) => this.step(event);
    this.follow();
  }

  show() {
    this.shown = true;
    this.head();
    return this.sync();
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
    this.sync(this.earliest - Date.now());
  }

  online() {
    this.earliest = 0;
    this.wake();
    this.observe();
  }

  queue(task) {
    const result = this.turn.then(task);
    this.turn = result.catch(() => {});
    return result;
  }

  /** Asks in so many ms, and again; a hidden page once. */
  sync(wait = 0) {
    clearTimeout(this.timer);
    if (!this.shown || (document.hidden && (this.loaded || this.tries))) return;
    if (wait <= 0) return this.asking ??= this.ask();
    this.timer = setTimeout(() => this.sync(), wait);
  }

  async ask() {
    let wait;
    try {
      await this.queue(() => this.loaded ? this.check() : this.load());
      this.tries = this.earliest = 0;
      wait = this.pause;
    } catch (error) {
      wait = this.failed(error);
    }
    this.asking = undefined;
    this.sync(wait);
  }

  failed(error) {
    const { message, retryAfter } = error;
    const wait = backoff(++this.tries, retryAfter);
    this.earliest = Date.now() + wait;
    if (!(error instanceof Problem)) reportError(error);
    if (!this.loaded) {
      if (!this.articles.size) this.list.replaceChildren(); // the message takes the skeletons' place
      this.says(`${message} Trying again ${fromNow(wait / 1000)}.`);
      this.again.hidden = false;
    }
    return wait;
  }

  /** Reads a page of posts, the newest without before. */
  async read(before = '', limit = 0) {
    const query = new URLSearchParams();
    if (this.kind === 'user') query.set('userId', this.id);
    if (before) query.set('before', before);
    if (limit) query.set('limit', String(limit));
    let body;
    try {
      body = await request(`/api/posts${this.single ? `/${this.id}` : query.size ? `?${query}` : ''}`);
    } catch (error) {
      if (!this.single || error.status !== 404) throw error;
      return { posts: [], next: '' };
    }
    const posts = this.single ? [body] : body?.posts;
    if (!Array.isArray(posts) || !posts.every(isPost)) throw new Problem(0, 'Warble did not answer as it should.');
    return { posts, next: posts.length ? body.next ?? '' : '' };
  }

  async load() {
    const { posts, next } = await this.read();
    const last = next && posts.at(-1);
    const all = await withOwn(posts, (post) => this.belongs(post) && (!last || newestFirst(post, last) < 0));
    const top = [...all];
    for (const child of [...this.list.children]) {
      const id = postOf(child)?.id;
      if (id < 0) continue; // on its way
      const post = !id && child.matches('article') && top.shift(); // index.html made it
      if (post) this.articles.set(post.id, createPost(post, child));
      else child.remove();
      this.articles.delete(id);
    }
    this.newest = posts[0];
    this.gap = false;
    this.extend(all, posts, next);
    this.loaded = true;
    this.wait([]);
    for (let i = 0; i < 20 && this.at && !this.restore(this.at) && this.next; i++) await this.readOlder(most);
    this.settle();
    this.at = null;
  }

  extend(posts, page, next) {
    this.oldest = page.at(-1);
    this.next = next;
    this.add(posts);
    this.observe();
  }

  async readOlder(limit) {
    const { posts, next } = await this.read(this.next, limit);
    this.extend(await withOwn(posts, () => false), posts, next);
  }

  async loadOlder() {
    if (!this.next || this.older.ariaDisabled === 'true') return;
    this.list.ariaBusy = this.older.ariaDisabled = 'true';
    this.reach.disconnect();
    const last = this.list.lastElementChild;
    const focused = document.activeElement === this.older;
    try {
      await this.queue(async () => this.next && this.readOlder());
      this.settle();
      if (this.next) this.says('Older posts are below.', true);
      if (focused && !this.next) focusOn(last?.nextElementSibling);
    } catch (error) {
      this.reach.disconnect(); // only the button asks now, or coming back online
      this.says(error.message);
      if (!(error instanceof Problem)) reportError(error);
    }
    this.older.ariaDisabled = 'false';
    this.number();
  }

  observe() {
    this.reach.disconnect();
    this.older.hidden = !this.next;
    if (this.next) this.reach.observe(this.older);
  }

  /** Reads again what is shown, and what is new. */
  async check() {
    const shown = this.posts();
    let page = await this.read();
    const [first] = page.posts;
    const unseen = await this.compare(shown, page);
    this.gap = false;
    for (let after; (after = page.next && page.posts.at(-1));) {
      const below = this.posts().find((post) => newestFirst(after, post) < 0);
      const whole = this.newest && newestFirst(after, this.newest) >= 0; // nothing is unseen from here on
      this.gap ||= !whole && unseen.length > 0;
      if (!below && (whole || this.gap)) break;
      if (!whole && this.gap) after = { ...below, id: below.id + 1 };
      // A cursor is the time and the id of a post, as lib/post/page.go has it.
      page = await this.read(`${Date.parse(after.createdAt)}-${after.id}`, most);
      unseen.push(...await this.compare(shown, page, after));
    }
    this.pause = unseen.length > this.waiting.length ? soonest : Math.min(this.pause * 1.5, latest);
    this.wait(unseen);
    if (!unseen.length) this.newest = first;
    if (this.articles.size) this.head();
    else this.settle();
  }

  /** Makes what is shown as the page says. Returns its other posts. */
  async compare(shown, { posts, next }, after) {
    const last = next && posts.at(-1);
    const inside = (post) => (!after || newestFirst(after, post) < 0) && (!last || newestFirst(post, last) <= 0);
    const all = await withOwn(posts, (post) => this.belongs(post) && inside(post));
    for (const { id } of shown) {
      const article = this.articles.get(id);
      const post = article && postOf(article); // as it is now
      const now = all.find((one) => one.id === id);
      if (!post) continue;
      if (!now) inside(post) && !article.matches('.editing') && this.remove(id);
      // An edit that is on its way is newer.
      else if (now.updatedAt >= post.updatedAt && JSON.stringify(now) !== JSON.stringify(post)) fillPost(article, now);
    }
    return all.filter((post) => !this.articles.has(post.id) && !this.gone.has(post.id) && this.covers(post));
  }

  wait(posts) {
    const { length } = (this.waiting = posts);
    this.fresh.hidden = !length;
    this.fresh.textContent = `${length}${this.gap ? '+' : ''} new post${length === 1 ? '' : 's'}`;
  }

  async showFresh() {
    const [first] = this.waiting;
    if (this.gap) {
      this.loaded = false; // more came than one page: begin again
      await this.asking;
      await this.sync();
    } else {
      this.add(this.waiting);
      this.newest = first;
      this.wait([]);
      this.settle();
    }
    if (!this.loaded) return;
    scrollTo({ top: 0 });
    focusOn(this.articles.get(first.id) ?? this.list.firstElementChild);
  }

  posts() {
    return [...this.list.children].map(postOf).filter((post) => post?.id > 0);
  }

  belongs(post) {
    return this.kind === 'all' || this.id === (this.single ? String(post.id) : post.userId);
  }

  /** Whether a post is not among those that "Older" brings. */
  covers(post) {
    return !this.next || !this.oldest || newestFirst(post, this.oldest) < 0;
  }

  /** Shows each post once, in its place. */
  add(posts) {
    for (const post of posts) {
      let article = this.articles.get(post.id);
      if (article) fillPost(article, post);
      else this.articles.set(post.id, article = createPost(post));
      let before = null;
      for (let at = this.list.lastElementChild; at; at = at.previousElementSibling) {
        const other = postOf(at);
        if (at === article) continue;
        if (other && (other.id < 0 || newestFirst(other, post) < 0)) break;
        before = at;
      }
      if (!article.parentNode || article.nextElementSibling !== before) this.list.insertBefore(article, before);
    }
    this.number();
  }

  /** As ARIA asks; a feed without articles counts as busy. */
  number() {
    const { children } = this.list;
    this.list.ariaBusy = String(!this.single && !this.articles.size);
    for (let i = 0; !this.single && i < children.length; i++) {
      children[i].ariaPosInSet = String(i + 1);
      children[i].ariaSetSize = '-1';
    }
  }

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

  /** Follows one's own changes, also while it is only kept for Back. */
  follow() {
    // article.js changes the buttons in what is shown.
    document.addEventListener('session', () => !this.shown ? this.add(this.posts()) : this.loaded ? this.settle() : this.head(), this.end);
    const on = (type, act) => news.addEventListener(type, (/** @type {any} */ { detail }) => {
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
    on('gone', ({ id }) => {
      this.gone.add(id);
      this.wait(this.waiting.filter((one) => one.id !== id));
      this.remove(id);
    });
    on('cleared', ({ userId }) => {
      const others = (post) => post.userId !== userId;
      this.wait(this.waiting.filter(others));
      for (const post of this.posts()) {
        if (others(post)) continue;
        this.gone.add(post.id);
        this.remove(post.id);
      }
    });
    on('post', ({ post, replaces, says, mood }) => {
      const pending = this.articles.get(replaces);
      if (pending && !this.articles.has(post.id)) { // else a check brought it first
        this.articles.delete(replaces);
        this.articles.set(post.id, pending);
      }
      this.remove(replaces);
      this.gone.delete(post.id);
      this.wait(this.waiting.filter((one) => one.id !== post.id));
      if (this.articles.has(post.id) || (this.belongs(post) && this.covers(post))) this.add([post]);
      const article = this.articles.get(post.id);
      if (article && says) say(part(article, 'says'), says, mood);
    });
  }

  topOf(post) {
    return this.articles.get(post.id).getBoundingClientRect().top;
  }

  /** The last post that begins above the window; null at the top. @returns {Position} */
  position() {
    const post = scrollY > 0 && (this.posts().findLast((post) => this.topOf(post) <= 0) ?? this.posts()[0]);
    return post ? { id: post.id, createdAt: post.createdAt, top: this.topOf(post) } : null;
  }

  /** Scrolls to where a position's post is now, or the next one. Returns whether enough is shown. */
  restore(at) {
    const post = at && this.posts().find((post) => newestFirst(post, at) >= 0);
    if (!at || post) scrollTo({ top: at ? scrollY + this.topOf(post) - at.top : 0 });
    return !at || (post && Math.abs(this.topOf(post) - at.top) < 1);
  }

  step(event) {
    const at = this.list.querySelector(':scope > :focus-within:not(.editing)');
    const next = event.key === 'PageDown' ? at?.nextElementSibling : event.key === 'PageUp' && at?.previousElementSibling;
    if (!next) return;
    event.preventDefault();
    focusOn(next);
  }

  /** aloud is for screen readers only. */
  says(text, aloud = false) {
    this.line.classList.toggle('vh', aloud);
    if (this.line.textContent !== text) this.line.textContent = text; // else it would be announced again
  }

  settle() {
    this.again.hidden = true;
    this.number();
    const name = people.get(this.id)?.name;
    this.says(this.articles.size ? this.next || this.single ? '' : 'This is the end.'
      : this.single ? 'It was deleted, or it never was.'
      : !this.id ? 'Nobody has written yet. Be the first!'
      : this.id === me ? 'You have not written yet.'
      : name ? `${name} has not written yet.` : 'There is nobody, or they have not written yet.');
    this.head();
  }

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
      showHandle(this.element, author, userId);
      drawFace(part(this.element, 'face'), userId, author);
    }
    const by = part(this.element, 'by');
    by.parentElement.hidden = !this.single || !this.loaded;
    by.hidden = !post;
    by.href = `/u/${userId}`;
    by.textContent = `More by ${nameOf(author)}`;
    part(this.element, 'all').hidden = this.kind !== 'user' || (userId !== me && !moderator);
    if (!this.shown) return;
    part(document, 'composer').hidden = this.id && this.id !== me;
    if (this.single && post) title += `: ${excerpt(post.content, 60)}`;
    part(document, 'atom').href = `${this.kind === 'user' ? `/u/${this.id}` : ''}/feed.xml`;
    document.title = this.kind === 'all' ? 'Warble' : `${title} · Warble`;
  }
}

/** As in vercel.json. @type {any} */
const places = [
  [/^\/()$/, 'all'],
  [/^\/u\/(user_[A-Za-z0-9]{1,59})$/, 'user'],
  [/^\/p\/([1-9][0-9]{0,18})$/, 'post'],
];

/** Kept for Back, the last ten. @type {Map<string, {feed: Feed, focus?: any}>} */
const kept = new Map();
let key = '';

/** @returns {Place} */
function placeOf(path) {
  for (const [pattern, kind] of places) {
    const id = pattern.exec(path)?.[1];
    if (id !== undefined) return { kind, id };
  }
}

/** Where the reader is, for a reload and for Back. */
function remember() {
  const feed = kept.get(key)?.feed;
  if (feed?.loaded) writeStorage('sessionStorage', `warble.at.${key}`, feed.position());
}

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
  const at = readStorage('sessionStorage', `warble.at.${key}`);
  const now = kept.get(key) ?? { feed: new Feed(place, at) };
  const { feed } = now;
  kept.set(key, now);
  const [oldest] = kept;
  if (kept.size > 10) {
    oldest[1].feed.drop();
    kept.delete(oldest[0]);
  }
  if (!feed.element.isConnected) part(document, 'place').replaceChildren(feed.element);
  const shown = feed.show();
  if (left) {
    feed.restore(at);
    (now.focus?.isConnected ? now.focus : part(feed.element, 'title')).focus({ preventScroll: true });
  }
  return shown;
}

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
  const link = event.target.closest('a');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin || !placeOf(link.pathname)) return;
  event.preventDefault();
  const target = document.getElementById(link.hash.slice(1)); // "Skip" and "Write"
  if (target && link.pathname === location.pathname) history.pushState(history.state, '', link.href);
  else go(link.href);
  target?.focus();
});

show();
// Without await: the build makes that module import this one, and each would wait for the other.
import('./person.js').then((person) => person.connect(go)).catch(() => {
  part(document, 'toast-says').textContent = 'Signing in could not be loaded. Reading works; reload the page to try again.';
  part(document, 'toast').hidden = false;
});
