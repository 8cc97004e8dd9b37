// When a place is read again: soon at first, less and less often while nothing is new, and after a wait that grows when
// reading fails. A hidden page is read once, and not again before it is shown. What is read is not its business.

import { backoff } from './api.js';

/** How often, while nothing is new: in ms, first and last. */
const soonest = 5_000;
const latest = 60_000;

export class Poll {
  #read;
  #failed;
  #running = false;
  /** It was read, or reading it failed. */
  #begun = false;
  /** @type {Promise<void> | undefined} */
  #asking;
  #timer = 0;
  #pause = soonest;
  /** Reads that failed one after another. */
  #tries = 0;
  /** The time before which the API is not asked again, in ms. */
  #earliest = 0;

  /**
   * @param {() => Promise<boolean>} read tells whether something was new
   * @param {(error: any, wait: number) => void} failed is told of the wait before the next read, in ms
   */
  constructor(read, failed) {
    this.#read = read;
    this.#failed = failed;
  }

  /** Reads now, and from then on. */
  start() {
    this.#running = true;
    return this.ask();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** Somebody looks at the page again. */
  wake() {
    this.#pause = soonest;
    this.ask(this.#earliest - Date.now());
  }

  /** The network is back: what it refused to do says nothing any more. */
  online() {
    this.#earliest = 0;
    this.wake();
  }

  /** Reads in so many ms, unless it does already. @param {number} [wait] @returns {Promise<void> | undefined} */
  ask(wait = 0) {
    clearTimeout(this.#timer);
    if (!this.#running || (document.hidden && this.#begun)) return undefined;
    if (wait <= 0) return this.#asking ??= this.#ask();
    this.#timer = setTimeout(() => this.ask(), wait);
    return undefined;
  }

  /** Waits for the read that is on its way, and reads once more. */
  async askAnew() {
    await this.#asking;
    await this.ask();
  }

  async #ask() {
    let wait;
    try {
      const isNew = await this.#read();
      this.#tries = 0;
      this.#earliest = 0;
      this.#pause = isNew ? soonest : Math.min(this.#pause * 1.5, latest);
      wait = this.#pause;
    } catch (error) {
      this.#tries++;
      wait = backoff(this.#tries, error.retryAfter);
      this.#earliest = Date.now() + wait;
      this.#failed(error, wait);
    }
    this.#begun = true;
    this.#asking = undefined;
    this.ask(wait);
  }
}
