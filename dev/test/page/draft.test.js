// Drafts (public/js/draft.js), for `node --test`: two tabs of one browser, with a storage and locks that the test holds,
// do at random what people, networks and servers do. WARBLE_SEED takes the same steps again, WARBLE_STEPS more of them.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Draft } from '../../../public/js/draft.js';
import { randomFrom, seed } from './random.js';

const steps = Number(process.env.WARBLE_STEPS ?? 100_000);
const stepsOfOne = 200;
const people = ['user_ada', 'user_grace'];

/** The locks of a browser. A request that waits is given up by giveUp, as after lockTimeout. */
class Locks {
  holders = new Map();
  waiting = [];
  ended = new Set(); // tabs: what their scripts still ask here, in a browser nobody asks

  /** What a tab asks. */
  of(tab) {
    return { request: (name, { signal }, held) => new Promise((done, refuse) => {
      assert(signal, 'a tab waits for a lock for ever');
      if (this.ended.has(tab)) return;
      this.waiting.push({ tab, name, held, done, refuse });
      queueMicrotask(() => this.grant());
    }) };
  }

  grant() {
    for (const one of [...this.waiting]) {
      if (this.holders.has(one.name)) continue;
      this.waiting.splice(this.waiting.indexOf(one), 1);
      this.holders.set(one.name, one.tab);
      one.held().then((result) => {
        if (this.holders.get(one.name) === one.tab) this.holders.delete(one.name);
        one.done(result);
        this.grant();
      });
    }
  }

  giveUp() {
    for (const { refuse } of this.waiting.splice(0)) refuse(new Error('TimeoutError'));
  }

  /** A tab is gone, with its locks. */
  end(tab) {
    this.ended.add(tab);
    this.waiting = this.waiting.filter((one) => one.tab !== tab);
    for (const [name, holder] of this.holders) if (holder === tab) this.holders.delete(name);
    this.grant();
  }
}

/** A browser with its tabs, a server, and what must be true of them. */
class World {
  local = new Map();
  locks = new Locks();
  user = ''; // who is signed in
  /** @type {Map<number, { id: number, by: string, text: string, first: string, key: string, gone: boolean }>} */
  posts = new Map();
  /** All that was typed: by whom, whether its author gave it up, and whether the server ever had it. */
  texts = new Map();
  /** What was typed last into a form, of the person who still is there. @type {Map<Draft, string>} */
  typed = new Map();
  trace = [];

  constructor({ below }) {
    this.upTo = below;
    this.tabs = [this.#open(new Map()), this.#open(new Map())];
    this.local.set('warble.draft.old', JSON.stringify({ by: '', text: this.#text('') }));
  }

  #open(session) {
    const tab = { session, user: '', live: true, sending: false, forms: [], inFlight: [] };
    const at = (where) => where === 'localStorage' ? this.local : session;
    tab.desk = { locks: this.locks.of(tab), storage: {
      readStorage: (where, name) => JSON.parse(at(where).get(name) ?? 'null'),
      storedNames: (prefix) => [...this.local.keys()].filter((name) => name.startsWith(prefix)),
      writeStorage: (where, name, value) => {
        if (!tab.live) return; // its scripts do not run any more
        if (value === null) at(where).delete(name);
        else at(where).set(name, JSON.stringify(value));
      },
    } };
    tab.draft = new Draft(tab.desk);
    tab.draft.open(''); // until Clerk says who it is
    return tab;
  }

  #text(by) {
    const text = `text ${this.texts.size + 1}`;
    this.texts.set(text, { by, over: false, stored: false });
    return text;
  }

  #insert(by, text, key) {
    const post = { id: this.posts.size + 1, by, text, first: text, key, gone: false };
    this.posts.set(post.id, post);
    this.texts.get(text).stored = true;
    return post;
  }

  /** A form's draft takes a text; what it had is given up. */
  #type(draft, text) {
    if (draft.text) this.texts.get(draft.text).over = true;
    draft.change(text);
    this.typed.set(draft, text);
  }

  /** A request, which the server may get later, or never, and whose answer may be lost. */
  #ask(tab, serve) {
    return new Promise((done, refuse) => tab.inFlight.push({ serve, done, refuse }));
  }

  /** A tab learns who is signed in: what was on its way is not waited for, and forms end. */
  learn(tab) {
    if (tab.user === this.user) return;
    tab.user = this.user;
    tab.sending = false;
    this.typed.clear();
    tab.forms.splice(0).forEach((form) => form.release());
    if (tab.draft.text) this.texts.get(tab.draft.text).by ||= tab.user;
    tab.draft.open(tab.user);
    this.#findOrphans(tab);
  }

  async #findOrphans(tab) {
    const { user } = tab;
    for (const id of new Draft(tab.desk).edited(user)) {
      if (!this.posts.get(id).gone) continue;
      const draft = new Draft(tab.desk, id);
      if (await draft.open(user)) draft.becomeNew();
    }
  }

  async publish(tab) {
    this.learn(tab);
    const { draft, user } = tab;
    const { text } = draft;
    if (tab.sending || !text || !user) return;
    tab.sending = true;
    try {
      const post = await draft.publish((key) => this.#ask(tab, () => this.#create(user, text, key)));
      assert.equal(post.first, text, 'another text is said to be published');
      if (!tab.live) return;
      // Another tab that has it on its way under the same key still stores it.
      const elsewhere = this.tabs.some((other) => other !== tab && other.draft.text === text);
      assert.ok(elsewhere || ![...this.local.values()].some((value) => JSON.parse(value).text === text), `${text} is published and still a draft`);
      draft.open(tab.user);
    } catch (error) {
      if (error.status === undefined) throw error;
    }
    if (tab.user === user) tab.sending = false;
  }

  #create(by, text, key) {
    const old = [...this.posts.values()].find((post) => post.by === by && post.key === key && !post.gone);
    if (old && old.first !== text) throw { status: 422 };
    return old ?? this.#insert(by, text, key);
  }

  edit(tab) {
    const own = [...this.posts.values()].filter((post) => post.by === tab.user);
    if (!own.length) return;
    const post = own[this.upTo(own.length)];
    if (post.gone || tab.forms.some((form) => form.post === post.id)) return;
    const form = new Draft(tab.desk, post.id);
    tab.forms.push(form);
    form.open(tab.user);
  }

  async save(tab, form) {
    const { text, post: id } = form;
    const { user } = tab;
    this.learn(tab);
    if (!text || tab.user !== user) return;
    this.#close(tab, form);
    try {
      await form.publish(() => this.#ask(tab, () => {
        const post = this.posts.get(id);
        if (post.gone) throw { status: 404 };
        post.text = text;
        this.texts.get(text).stored = true;
      }));
    } catch ({ status }) {
      if (status === 404 && tab.user === user) form.becomeNew();
      else form.release();
    }
  }

  async delete(tab) {
    const own = [...this.posts.values()].filter((post) => post.by === tab.user && !post.gone);
    if (!own.length) return;
    const { id } = own[this.upTo(own.length)];
    this.posts.get(id).gone = true;
    if (this.upTo(2)) return; // on another device
    const draft = new Draft(tab.desk, id);
    const { user } = tab;
    if (await draft.open(user)) this.#cancel(draft);
  }

  #close(tab, form) {
    tab.forms = tab.forms.filter((one) => one !== form);
    this.typed.delete(form);
    return form;
  }

  #cancel(draft) {
    if (draft.text) this.texts.get(draft.text).over = true;
    draft.discard();
  }

  /** The server gets a request, and its answer arrives or not. */
  answer(tab, lose = this.upTo(5)) {
    if (!tab.inFlight.length) return;
    const [{ serve, done, refuse }] = tab.inFlight.splice(this.upTo(tab.inFlight.length), 1);
    if (lose === 1) return refuse({ status: 0 });
    let result;
    try {
      result = serve();
    } catch (problem) {
      return lose === 2 ? refuse({ status: 0 }) : refuse(problem);
    }
    if (lose === 2) refuse({ status: 0 });
    else done(result);
  }

  /** Its requests may still reach the server; nobody hears the answers. */
  reload(i) {
    const tab = this.tabs[i];
    tab.live = false;
    this.typed.clear();
    for (const { serve } of tab.inFlight) {
      try {
        if (this.upTo(2)) serve();
      } catch {
        // A refusal that nobody hears.
      }
    }
    this.locks.end(tab);
    this.tabs[i] = this.#open(this.upTo(3) ? tab.session : new Map()); // or closed, and another one opened
  }

  step() {
    const i = this.upTo(this.tabs.length);
    const tab = this.tabs[i];
    const form = tab.forms[this.upTo(tab.forms.length)];
    const acts = {
      type: () => (tab.sending && this.upTo(4)) || this.#type(tab.draft, this.#text(tab.user)),
      empty: () => tab.sending || this.upTo(4) || this.#type(tab.draft, ''),
      publish: () => this.publish(tab),
      edit: () => this.edit(tab),
      change: () => form && this.#type(form, this.#text(tab.user)),
      save: () => form && this.save(tab, form),
      escape: () => form && this.#close(tab, form).release(),
      cancel: () => form && this.#cancel(this.#close(tab, form)),
      delete: () => this.upTo(3) || this.delete(tab),
      answer: () => this.answer(tab),
      answerToo: () => this.answer(tab),
      session: () => this.upTo(3) || (this.user = this.user ? '' : people[this.upTo(2)]),
      learn: () => this.learn(tab),
      reload: () => this.upTo(4) || this.reload(i),
      giveUp: () => this.locks.giveUp(),
    };
    const names = Object.keys(acts);
    const name = names[this.upTo(names.length)];
    this.trace.push(`tab ${i} of ${tab.user || 'nobody'}: ${name}`);
    this.#watch(acts[name]());
  }

  /** What goes wrong in something that was begun is found by the next check. */
  #watch(begun) {
    Promise.resolve(begun).catch((error) => this.wrong ??= error);
  }

  /** Checks what must be true at any time. */
  check() {
    if (this.wrong) throw this.wrong;
    const kept = new Set();
    const find = (text, by, where) => {
      const known = this.texts.get(text);
      known.by ||= by;
      assert.equal(by || known.by, known.by, `${text} of ${known.by} is found by ${by} in ${where}`);
      kept.add(text);
    };
    for (const [name, value] of this.local) {
      const stored = JSON.parse(value);
      find(stored.text, stored.by, name);
    }
    const held = new Set();
    for (const tab of this.tabs) {
      for (const { text } of [tab.draft, ...tab.forms]) {
        if (!text) continue;
        const { by } = this.texts.get(text);
        assert.ok(!by || by === tab.user, `${text} of ${by} is shown to ${tab.user || 'nobody'}`);
        assert.ok(!held.has(text), `${text} is held twice`);
        held.add(text);
      }
    }
    for (const [draft, text] of this.typed) {
      const { over, stored } = this.texts.get(text) ?? { over: true };
      assert.ok(over || stored || draft.text === text, `${text} is replaced by ${draft.text} under its writer's hands`);
    }
    const standing = new Set();
    for (const { by, first, gone } of this.posts.values()) {
      const known = this.texts.get(first);
      known.by ||= by;
      assert.equal(by, known.by, `${first} of ${known.by} is published by ${by}`);
      assert.ok(gone || !standing.has(first), `${first} is published twice`);
      if (!gone) standing.add(first);
    }
    for (const [text, { by, over, stored }] of this.texts) {
      assert.ok(over || stored || kept.has(text), `${text} of ${by || 'nobody'} is lost`);
    }
  }

  /** Each finds all that is left of theirs, and nothing stays in storage. */
  async end() {
    for (const by of people) {
      for (const i of this.tabs.keys()) this.reload(i);
      this.user = by;
      const [tab] = this.tabs;
      this.locks.end(this.tabs[1]);
      this.learn(tab);
      await turns(400);
      for (let i = 0; i < 400 && [...this.local.values()].some((value) => JSON.parse(value).by === by || !JSON.parse(value).post); i++) {
        for (const id of tab.draft.edited(by)) {
          const form = new Draft(tab.desk, id);
          if (await form.open(by)) this.#watch(this.save(tab, form));
        }
        if (!tab.draft.text) await tab.draft.open(by);
        this.#watch(this.publish(tab));
        while (tab.inFlight.length) this.answer(tab, 0);
        await turns(20);
        this.check();
      }
    }
    assert.deepEqual([...this.local], [], 'texts are left in storage where nobody finds them');
  }
}

/** Lets promises go on, so many turns. */
async function turns(count) {
  for (let i = 0; i < count; i++) await null;
}

/** @returns {Promise<Error | undefined>} what went wrong */
async function mixAll() {
  for (let run = 0; run < steps / stepsOfOne; run++) {
    const world = new World(randomFrom(seed + run));
    try {
      for (let i = 0; i < stepsOfOne; i++) {
        world.step();
        await turns(world.upTo(12));
        world.check();
      }
      await world.end();
    } catch (error) {
      error.message += `\nWARBLE_SEED=${seed + run} WARBLE_STEPS=${stepsOfOne}, the last steps of ${world.trace.length}:\n${world.trace.slice(-25).join('\n')}`;
      return error;
    }
  }
}

const wrong = await mixAll(); // not in the test: the runner follows each promise there, and takes three times as long

test('no draft is lost, shown to another person or published twice', () => {
  if (wrong) throw wrong;
});

test('only a text that was sent before can have been published before', async () => {
  const [{ draft }] = new World(randomFrom()).tabs;
  draft.change('a text');
  const isEarlier = () => draft.publish(async () => { throw { status: 422 }; }).catch(({ earlierText }) => Boolean(earlierText));
  assert.deepEqual([await isEarlier(), await isEarlier(), await isEarlier()], [false, true, false]);
});

test('a reload finds the draft that was there, and not another one', async () => {
  const [{ desk }] = new World(randomFrom()).tabs;
  for (const text of ['one', 'two']) {
    const draft = new Draft(desk);
    draft.change(text);
    draft.release();
  }
  const draft = new Draft(desk);
  await draft.open('');
  assert.equal(draft.text, 'two');
});
