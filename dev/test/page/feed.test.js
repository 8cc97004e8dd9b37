// Which posts a place shows (public/js/feed.js, with pages.js, changes.js and api.js below it), for `node --test`: people
// publish, edit and delete at random, here and elsewhere, while answers come late, from before, or never. The test has
// the clock, the storage and the server. WARBLE_SEED takes the same steps again, WARBLE_STEPS more of them.

import assert from 'node:assert/strict';
import test from 'node:test';

import { randomFrom, seed } from './random.js';

const steps = Number(process.env.WARBLE_STEPS ?? 100_000);
const stepsOfOne = 150;
const [me, ...others] = ['user_ada', 'user_grace', 'user_alan'];

let now = 0;
let { below: upTo, pick } = randomFrom();

const newestFirst = (a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : b.id - a.id);
const settled = () => new Promise(setImmediate);

/** What is stored, and answers as list.go and get.go do, with pages of three posts and of five. */
class Server {
  stored = [];
  last = 0;
  before = []; // [time, what was stored then]

  keep() {
    this.before = [...this.before.filter(([at]) => now - at < 20_000), [now, this.stored]];
  }

  /** late is how far the clock of the function that stores it is behind, in ms. */
  add(userId, late = upTo(pick([2, 2, 400]))) {
    this.keep();
    const at = new Date(now - late).toISOString();
    const post = { id: ++this.last, userId, content: `text ${this.last}`, createdAt: at, updatedAt: at };
    this.stored = [...this.stored, post].sort(newestFirst);
    return post;
  }

  edit(id, content) {
    this.keep();
    const post = this.stored.find((one) => one.id === id);
    const edited = post && { ...post, content, updatedAt: new Date(now).toISOString() };
    this.stored = this.stored.map((one) => (one === post ? edited : one));
    return edited;
  }

  delete(which) {
    this.keep();
    this.stored = this.stored.filter((one) => !which(one));
  }

  answer(path, stored) {
    const url = new URL(path, 'https://warble.example');
    const id = Number(url.pathname.slice('/api/posts/'.length));
    if (id) {
      const post = stored.find((one) => one.id === id);
      return post ? [200, post] : [404, { detail: 'No such post.' }];
    }
    const { userId, before, limit } = Object.fromEntries(url.searchParams);
    const size = limit ? 5 : 3;
    let posts = stored.filter((post) => !userId || post.userId === userId);
    if (before) {
      const [time, than] = before.split('-').map(Number);
      posts = posts.filter((post) => newestFirst({ createdAt: new Date(time).toISOString(), id: than }, post) < 0);
    }
    const page = posts.slice(0, size);
    const last = page.at(-1);
    return [200, { posts: page, next: posts.length > size ? `${Date.parse(last.createdAt)}-${last.id}` : undefined }];
  }
}

let server = new Server();
/** Requests without an answer. */
let asked = [];
let requests = 0; // so far

const kept = new Map();
Object.assign(globalThis, {
  window: globalThis,
  sessionStorage: { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value), removeItem: (name) => kept.delete(name) },
  fetch: (path) => new Promise((done, fail) => ++requests && asked.push({ path, at: now, answer: server.answer(path, server.stored), done, fail })),
});
Object.defineProperty(globalThis, 'navigator', { value: { onLine: true }, configurable: true });
AbortSignal.timeout = () => undefined; // the test loses what is late
Date.now = () => now;

const { Feed } = await import('../../../public/js/feed.js');
const { remember, rememberDeleted } = await import('../../../public/js/changes.js');

function deliver(request, [status, body] = request.answer) {
  asked = asked.filter((one) => one !== request);
  request.done({ ok: status < 300, status, headers: new Headers(), text: async () => JSON.stringify(body) });
}

function lose(request) {
  asked = asked.filter((one) => one !== request);
  request.fail(new TypeError('Failed to fetch'));
}

/** One open place, and what its person does in it and knows. */
class Reader {
  trace = [];
  drawn = []; // what articles.js would show, by what it is told alone
  edited = new Set();
  reading = new Set(); // looks and older posts: one of each at a time
  deleted = new Set(); // by its person, for good or on its way
  mine = new Map(); // texts of one's own posts, as their author last saw them; null where that is not known
  under = new Set(); // ids with a write on its way
  writes = []; // on their way: each a list of how it may end

  constructor(place) {
    this.place = place;
    this.feed = new Feed(place, this);
  }

  isEdited(id) {
    return this.edited.has(id);
  }

  begin() {}

  remove(id) {
    assert(this.drawn.some((one) => one.id === id), `what is not drawn, ${id}, is removed`);
    this.drawn = this.drawn.filter((one) => one.id !== id);
  }

  put(post, above, was) {
    this.drawn = this.drawn.filter((one) => one.id !== (was ?? post.id));
    const at = above === null ? 0 : this.drawn.findIndex((one) => one.id === above) + 1;
    assert(above === null || at > 0, `${post.id} is put below ${above}, which is not drawn`);
    this.drawn.splice(at, 0, post);
  }

  belongs({ id, userId }) {
    const { kind } = this.place;
    return kind === 'all' || this.place.id === (kind === 'user' ? userId : String(id));
  }

  wanted() {
    return server.stored.filter((post) => this.belongs(post));
  }

  /** Does what reads; a failure is left to the next read, as list.js and poll.js leave it. */
  async read(what, act) {
    if (this.reading.has(what)) return;
    this.reading.add(what);
    try {
      await act();
    } catch (error) {
      assert.equal(error.constructor.name, 'Problem', error.stack);
    } finally {
      this.reading.delete(what);
    }
  }

  look() {
    this.read('look', () => (this.feed.loaded ? this.feed.check() : this.feed.load()));
  }

  pressNew() {
    if (!this.feed.loaded || !this.feed.waiting.length) return;
    if (this.feed.gap) {
      this.feed.loaded = false;
      this.look();
    } else this.feed.showWaiting();
  }

  publish() {
    const was = -++server.last;
    const at = new Date(now).toISOString();
    this.feed.sending({ id: was, userId: me, content: 'on its way', createdAt: at, updatedAt: at });
    const accept = () => {
      const post = server.add(me);
      this.mine.set(post.id, post.content);
      return () => {
        if (this.mine.get(post.id) !== post.content || this.deleted.has(post.id)) return this.feed.unsent(was);
        remember(post, true);
        this.feed.accepted(post, was);
      };
    };
    this.writes.push(pick([() => this.writes.push(accept()), () => this.writes.push(accept()), () => this.feed.unsent(was)]));
  }

  own() {
    return pick(this.feed.stored().filter((post) => post.userId === me && !this.under.has(post.id) && !this.deleted.has(post.id)));
  }

  edit() {
    const post = this.own();
    if (!post) return;
    const content = `edit ${++server.last}`;
    this.under.add(post.id);
    this.mine.set(post.id, content);
    this.feed.accepted({ ...post, content, updatedAt: new Date(now).toISOString() });
    const end = (result) => {
      this.under.delete(post.id);
      this.mine.set(post.id, result.content);
      if (result !== post) remember(result);
      if (!this.deleted.has(post.id)) this.feed.accepted(result);
    };
    this.writes.push(() => {
      const edited = upTo(3) && server.edit(post.id, content);
      this.writes.push(() => end(edited || post));
    });
  }

  delete() {
    const post = this.own();
    if (!post) return;
    this.under.add(post.id);
    this.deleted.add(post.id);
    this.feed.deleting(post.id);
    this.writes.push(() => {
      if (upTo(3)) {
        server.delete(({ id }) => id === post.id);
        this.writes.push(() => rememberDeleted([post.id]));
        return;
      }
      this.writes.push(() => {
        this.under.delete(post.id);
        this.deleted.delete(post.id);
        this.feed.accepted(post);
      });
    });
  }

  clear() {
    const user = pick([me, ...others]);
    if (user === me && this.under.size) return;
    server.delete(({ userId }) => userId === user);
    for (const post of [...this.feed.stored(), ...this.feed.waiting]) if (post.userId === user) this.deleted.add(post.id);
    rememberDeleted(this.feed.cleared(user));
  }

  elsewhere() {
    const post = pick(server.stored.filter(({ id, userId }) => userId !== me && !this.deleted.has(id)));
    if (!post) return;
    if (upTo(2)) server.edit(post.id, `edit ${++server.last}`);
    else server.delete(({ id }) => id === post.id);
  }

  answer() {
    const request = pick(asked);
    if (!request) return;
    const kind = upTo(10);
    const [, old] = pick(server.before) ?? [];
    if (kind === 0) lose(request);
    else if (kind === 1) deliver(request, [503, { detail: 'Resting.' }]);
    else if (kind === 2 && old && !request.path.includes('?at=')) deliver(request, server.answer(request.path, old)); // a CDN's
    else deliver(request);
  }

  /** What a step does, and how often. @type {[number, string, () => void][]} */
  acts = [
    [6, 'arrive', () => { for (let n = 1 + upTo(pick([2, 12])); n > 0; n--) server.add(pick(others)); }],
    [5, 'elsewhere', () => this.elsewhere()],
    [4, 'publish', () => this.publish()],
    [4, 'edit', () => this.edit()],
    [3, 'delete', () => this.delete()],
    [0.2, 'clear', () => this.clear()],
    [12, 'a write goes on', () => this.writes.splice(upTo(this.writes.length), 1).forEach((go) => go())],
    [10, 'look', () => this.look()],
    [6, 'older', () => this.feed.loaded && this.read('older', () => this.feed.older())],
    [5, 'new posts', () => this.pressNew()],
    [3, 'form', () => { const post = pick(this.feed.stored()); if (post && !this.edited.delete(post.id)) this.edited.add(post.id); }],
    [34, 'answer', () => this.answer()],
    [3, 'time', () => { now += upTo(15_000); }],
  ];

  async step() {
    now += 1 + upTo(300);
    for (const late of asked.filter(({ at }) => now - at > 10_000)) lose(late);
    let roll = upTo(this.acts.reduce((sum, [weight]) => sum + weight, 0) * 10) / 10;
    const [, name, act] = this.acts.find(([weight]) => (roll -= weight) < 0);
    this.trace.push(name);
    act();
    await settled();
    this.check();
  }

  /** What is true at any time. */
  check() {
    const { shown, waiting } = this.feed;
    assert(this.drawn.length === shown.length && shown.every((post, i) => post === this.drawn[i]), 'the changes do not lead to what is shown');
    const stored = this.feed.stored();
    assert(shown.every((post, i) => !i || post.id < 0 || shown[i - 1].id < 0 || newestFirst(shown[i - 1], post) < 0), 'not in order');
    assert(shown.slice(shown.length - stored.length).every(({ id }) => id > 0), 'what is on its way does not come first');
    for (const id of this.under) {
      if (!stored.some((post) => post.id === id)) this.mine.set(id, null); // it may come back as it was
    }
    const ids = [...shown, ...waiting].map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, `a post is there twice: ${ids}`);
    for (const post of [...stored, ...waiting]) {
      assert(this.belongs(post), `${post.id} of ${post.userId} does not belong here`);
      assert(!this.deleted.has(post.id), `${post.id}, which its person deleted, is back`);
      if (post.userId === me && stored.includes(post) && this.mine.get(post.id) !== null) {
        assert.equal(post.content, this.mine.get(post.id), `one's own post ${post.id} has not the text that its author gave it`);
      }
    }
  }

  /** Answers all, until nothing is on its way. */
  async calm() {
    await settled(); // what was begun just now has asked
    for (let i = 0; this.writes.length || asked.length; i++) {
      assert(i < 500, `it does not come to an end: ${asked.map(({ path }) => path)}`);
      for (const go of this.writes.splice(0)) go();
      for (const request of asked) deliver(request, server.answer(request.path, server.stored));
      await settled();
    }
    this.check();
  }

  /** After a look all is true, and each post can be reached. */
  async reach() {
    this.trace.push('reach');
    this.edited.clear();
    await this.calm();
    this.look(); // to be there at all
    await this.calm();
    this.look();
    await this.calm();
    const wanted = this.wanted();
    for (const post of this.feed.stored()) {
      assert.deepEqual(post, wanted.find(({ id }) => id === post.id), 'a look does not show what is true');
    }
    const newest = [...this.feed.waiting, ...this.feed.stored()].sort(newestFirst)[0];
    if (newest || !this.feed.next) assert.deepEqual(newest, wanted[0], 'the newest post is neither shown nor behind a button');
    assert.equal(this.feed.shown.length, this.feed.stored().length, 'what is published is still on its way');
    for (let i = 0; this.feed.waiting.length || this.feed.next; i++) {
      assert(i < 500, 'older posts have no end');
      if (this.feed.waiting.length) this.pressNew();
      else this.read('older', () => this.feed.older());
      await this.calm();
    }
    assert.deepEqual(this.feed.stored().map(({ id }) => id), wanted.map(({ id }) => id), 'not each post can be reached');
  }
}

function begin() {
  server = new Server();
  asked = [];
  kept.clear();
  now = 1.8e12; // in ms
}

/** @returns {Promise<Error | undefined>} what went wrong */
async function mixAll() {
  for (let run = 0; run < steps / stepsOfOne; run++) {
    ({ below: upTo, pick } = randomFrom(seed + run));
    begin();
    for (let n = upTo(12); n > 0; n--) {
      now += upTo(2);
      server.add(pick(others));
    }
    const reader = new Reader(pick([{ kind: 'all', id: '' }, { kind: 'all', id: '' }, { kind: 'user', id: me }, { kind: 'user', id: others[0] }, { kind: 'post', id: '3' }]));
    reader.look();
    try {
      for (let i = 0; i < stepsOfOne; i++) await reader.step();
      await reader.reach();
    } catch (error) {
      error.message += `\nWARBLE_SEED=${seed + run} WARBLE_STEPS=${stepsOfOne}, ${JSON.stringify(reader.place)}: ${reader.trace.slice(-60).join(', ')}`;
      return error;
    }
  }
  return undefined;
}

const wrong = await mixAll(); // not in the test: the runner follows each promise there, which takes much longer

test('a place shows what is true, whatever comes late, from before or never', () => {
  if (wrong) throw wrong;
});

test('a post of an earlier time than all that are shown can be reached, when it comes after them', async () => {
  begin();
  for (let n = 0; n < 3; n++) server.add(others[0], 0);
  const reader = new Reader({ kind: 'user', id: others[0] });
  reader.look();
  await reader.calm();
  server.add(others[0], 100);
  await reader.reach();
});

test('a reader who comes back after a thousand posts asks for two pages, and begins again with the newest', async () => {
  begin();
  for (let n = 0; n < 3; n++) server.add(others[0], 0);
  const reader = new Reader({ kind: 'all', id: '' });
  reader.look();
  await reader.calm();
  now += 1000;
  for (let n = 0; n < 1000; n++) server.add(others[0], 0);
  requests = 0;
  reader.look();
  await reader.calm();
  assert.equal(requests, 2);
  reader.pressNew();
  await reader.calm();
  assert.deepEqual(reader.feed.stored(), server.stored.slice(0, 3));
});

test('an edit that is open stays when its post is deleted elsewhere, until it is closed', async () => {
  begin();
  const { id } = server.add(others[0]);
  const reader = new Reader({ kind: 'all', id: '' });
  reader.look();
  await reader.calm();
  reader.edited.add(id);
  server.delete(() => true);
  for (const left of [[id], []]) {
    reader.look();
    await reader.calm();
    assert.deepEqual(reader.feed.stored().map((post) => post.id), left);
    reader.edited.clear();
  }
});

test('a CDN that answers from before takes none of one\'s own changes away, and hides none of another device\'s', async () => {
  begin();
  const before = server.stored;
  const post = server.add(others[0]);
  remember(post, true);
  now += 10_000;
  const edited = server.edit(post.id, 'edited here');
  remember(edited);
  now += 10_000;
  const again = server.edit(post.id, 'edited on another device');
  /** What a page that is opened now shows, where the feed is answered with what was stored at some time. */
  const shows = async (stored) => {
    const reader = new Reader({ kind: 'all', id: '' });
    reader.look();
    for (await settled(); asked.length; await settled()) {
      const [request] = asked;
      deliver(request, server.answer(request.path, request.path.includes('?at=') ? server.stored : stored)); // that address is new to it
    }
    return reader.feed.stored();
  };
  now += 39_000; // a CDN answers from before for less than a minute
  assert.deepEqual(await shows(before), [edited]);
  assert.deepEqual(await shows([post]), [edited]);
  assert.deepEqual(await shows([again]), [again]);
  server.delete(() => true);
  assert.deepEqual(await shows(before), []);
});

test('what is as it was is not drawn again, nor called new', async () => {
  begin();
  for (let n = 0; n < 5; n++, now++) server.add(others[0], 0);
  const reader = new Reader({ kind: 'all', id: '' });
  reader.look();
  await reader.calm();
  reader.feed.accepted(server.stored[4]); // an edit, in a place where it is shown
  assert.equal(reader.drawn.length, 3);
  server.add(others[0], 0);
  for (const isNew of [true, false]) {
    const { drawn } = reader;
    const look = reader.feed.check();
    await reader.calm();
    assert.equal(await look, isNew);
    assert.equal(reader.drawn, drawn);
  }
});
