// Drafts: texts that their writers have not published yet, and edits that they have not saved. This module knows no
// document, no form and no API, so that Node's test runner can try it with storage and locks of its own.
//
// Each draft is stored under a name of its own, as { by, text, post, key }. The tab that shows a draft holds a lock of
// that name until it lets go of it or is gone: two tabs never write to one draft.

/** Begins the names of what is stored. In sessionStorage it is where the name of this tab's last draft of a new post is. */
const prefix = 'warble.draft';

/** Longest wait for a lock, in ms: a tab may have held it itself until its reload. */
const lockTimeout = 500;

/**
 * What drafts stand on, so that tests can hand in their own.
 * @typedef {object} Desk
 * @property {Pick<typeof import('./storage.js'), 'readStorage' | 'writeStorage' | 'storedNames'>} storage
 * @property {Pick<LockManager, 'request'>} locks
 */

/**
 * @typedef {object} Stored A draft as it is stored.
 * @property {string} by whose it is; '' for nobody's
 * @property {string} text
 * @property {number} [post] the id of the post that it is an edit of; absent or 0 for a new post
 * @property {string} [key] the Idempotency-Key that it was sent under
 */

/** The draft of one form. It begins with the first character, and ends when it is published, emptied or let go of. */
export class Draft {
  /** Whose it is; '' for nobody's, before the first sign-in. */
  #owner = '';
  /** '' while there is none. */
  text = '';
  /** The Idempotency-Key that it was sent under; '' if it never was. */
  key = '';
  /** Where it is stored; '' while there is none. */
  #name = '';
  /** Gives the lock back. @type {Promise<(() => void) | null>} */
  #lock = Promise.resolve(null);
  #storage;
  #locks;

  /** @param {Desk} desk @param {number} [post] the id of the post that it is an edit of */
  constructor({ storage, locks }, post = 0) {
    this.#storage = storage;
    this.#locks = locks;
    this.post = post;
  }

  /**
   * Opens it for who is signed in now. What nobody owned becomes theirs, and what is somebody else's is let go of.
   * If there is nothing then, takes up a stored draft of theirs, or of nobody, that no tab holds. What is typed while it
   * looks for one stays, and the stored one is for the next form: neither of two texts can take the other's place.
   * @param {string} owner '' for nobody
   * @returns {Promise<boolean>} whether a stored draft was taken up
   */
  async open(owner) {
    if (this.#owner && this.#owner !== owner) this.release();
    this.#owner = owner;
    this.#store();
    for (const name of this.#names()) {
      if (this.#name) break;
      if (!this.#fits(this.#read(name), owner)) continue;
      const lock = this.#hold(name);
      const giveBack = await lock;
      if (!giveBack) continue;
      const found = this.#read(name); // as it is now: another tab may have published it
      const wanted = !this.#name && this.#owner === owner; // else they began another one meanwhile, or left
      if (wanted && this.#fits(found, owner)) {
        this.text = found.text;
        this.key = found.key ?? '';
        this.#begin(name, lock);
        return true;
      }
      giveBack();
      if (!wanted) break;
    }
    return false;
  }

  /** Takes its text, and stores it. An empty text ends the draft. @param {string} text */
  change(text) {
    if (!text) return this.discard();
    this.text = text;
    if (this.#name) return this.#store();
    const name = `${prefix}.${crypto.randomUUID()}`;
    this.#begin(name, this.#hold(name));
  }

  /**
   * Has it sent, and ends it when it was, unless it was changed meanwhile. A new post has one key until then, so that
   * it is never published twice, whatever becomes of an answer.
   * @template Answer
   * @param {(key: string) => Promise<Answer>} send key is '' for an edit
   * @returns {Promise<Answer>} what send gives
   * @throws {unknown} what send throws. Its `earlierText` is set when an earlier text was published under the key:
   *   the next try has a new key, and makes a second post.
   */
  async publish(send) {
    const { text } = this;
    const name = this.#name;
    const sentBefore = this.key !== '';
    if (!this.post) this.key ||= crypto.randomUUID();
    this.#store();
    let answer;
    try {
      answer = await send(this.key);
    } catch (error) {
      // Only the form that still has the draft can tell its author.
      if (sentBefore && error.status === 422 && this.#name === name) {
        this.key = '';
        this.#store();
        error.earlierText = true;
      }
      throw error;
    }
    // It may have left this form, when its owner did.
    if (this.#name === name) {
      if (this.text === text) this.discard();
    } else if (this.#read(name)?.text === text) this.#storage.writeStorage('localStorage', name, null);
    return answer;
  }

  /** Makes an edit whose post is gone the draft of a new post, for the next form that looks for one. */
  becomeNew() {
    this.post = 0;
    this.#store();
    this.release();
  }

  /** Ends it, stored text and all. */
  discard() {
    if (this.#name) this.#storage.writeStorage('localStorage', this.#name, null);
    this.release();
  }

  /** Lets go of it: it stays stored, for the next form of its owner that looks for one. */
  release() {
    this.#lock.then((giveBack) => giveBack?.());
    this.#lock = Promise.resolve(null);
    this.#name = this.text = this.key = '';
  }

  /** The posts that have an unsaved edit of this person. @param {string} owner @returns {number[]} */
  edited(owner) {
    const edits = this.#names().map((name) => this.#read(name)).filter((stored) => stored.by === owner && stored.post);
    return [...new Set(edits.map(({ post }) => post))];
  }

  /** @param {string} name @param {Promise<(() => void) | null>} lock */
  #begin(name, lock) {
    this.#name = name;
    this.#lock = lock;
    if (!this.post) this.#storage.writeStorage('sessionStorage', prefix, name);
    this.#store();
  }

  #store() {
    if (!this.#name) return;
    const { text, post, key } = this;
    /** @type {Stored} */
    const stored = { by: this.#owner, text, post: post || undefined, key: key || undefined };
    this.#storage.writeStorage('localStorage', this.#name, stored);
  }

  /** All stored ones, this tab's last one first. */
  #names() {
    const last = this.#storage.readStorage('sessionStorage', prefix);
    return this.#storage.storedNames(prefix).sort((a, b) => Number(b === last) - Number(a === last));
  }

  /** @param {string} name @returns {Stored} null when there is none */
  #read(name) {
    return this.#storage.readStorage('localStorage', name);
  }

  /** @param {Stored} stored @param {string} owner */
  #fits(stored, owner) {
    return Boolean(stored?.text) && (!stored.by || stored.by === owner) && (stored.post ?? 0) === this.post;
  }

  /** Its lock; null when another tab has it. @param {string} name @returns {Promise<(() => void) | null>} */
  #hold(name) {
    return new Promise((done) => {
      const untilGivenBack = () => new Promise((giveBack) => done(() => giveBack(null)));
      this.#locks.request(name, { signal: AbortSignal.timeout(lockTimeout) }, untilGivenBack).catch(() => done(null));
    });
  }
}
