// Asks Warble's API: one request, its time limit, and its refusals in words for people. It does not sign anybody in
// (session.js has the tokens), and it repeats nothing: who asks knows whether it may be asked again.
//
// The inline script of index.html asks for the first posts before any module is there, with the same headers and the
// same time limit. It leaves the answer in window.early, and the first request for that path takes it over. Whoever
// changes how this module reads changes that script too.

import { now, setClock } from './time.js';

/** Longest wait for an answer, in ms: twice what the API allows itself. */
const timeout = 10_000;

/** A refusal in words for people. */
export class Problem extends Error {
  /**
   * @param {number} status 0 when there was no answer: a write may have happened
   * @param {string} detail
   * @param {number} [retryAfter] in seconds; 0 when unknown
   */
  constructor(status, detail, retryAfter = 0) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * @typedef {object} How
 * @property {string} [method]
 * @property {string} [token] the Clerk session's
 * @property {string} [key] the Idempotency-Key
 * @property {string} [content] the text of the post in the body
 */

/**
 * What index.html's script has begun: the path that it has asked for, the answer, and the place that it has drawn.
 * @typedef {{ path: string, answer: Promise<[Response, string]>, place?: HTMLElement }} Early
 */

/** @type {{ early?: Early }} */
export const { early } = /** @type {any} */ (window);

/** The API's answer; throws a Problem for all but 2xx. @param {string} path @param {How} [how] @returns {Promise<any>} */
export async function request(path, how = {}) {
  const taken = takeEarly(path, how);
  const sent = taken ? 0 : performance.now(); // the early one at some time after the page began to load
  let answer, text;
  try {
    [answer, text] = await (taken ?? send(path, how));
  } catch {
    throw new Problem(0, navigator.onLine ? 'Warble did not answer.' : 'You are offline.');
  }
  const { ok, status, headers } = answer;
  setClock(headers, performance.now() - sent);
  let body;
  try {
    body = text && JSON.parse(text);
  } catch {
    // Not ours: a proxy's page.
  }
  if (ok && body !== undefined) return body;
  throw new Problem(ok ? 0 : status, body?.detail ?? 'Warble cannot do that just now.', retryAfter(headers));
}

/** The answer that index.html's script has asked for, once. @param {string} path @param {How} how */
function takeEarly(path, { token }) {
  if (token || early?.path !== path) return undefined;
  early.path = '';
  return early.answer;
}

/** @param {string} path @param {How} how @returns {Promise<[Response, string]>} */
async function send(path, { method, token, key, content }) {
  // Reads must be able to fill the CDN's cache: with no-store the browser sends no If-None-Match, whose 304 the CDN
  // would not keep. Without the empty headers it would send no-cache, and readers would wait for the function.
  const headers = new Headers({ Pragma: '', 'Cache-Control': '' });
  if (token) headers.set('Authorization', `Bearer ${token}`);
  if (key) headers.set('Idempotency-Key', key);
  if (content) headers.set('Content-Type', 'application/json');
  const answer = await fetch(path, {
    method,
    headers,
    cache: 'no-store',
    body: content && JSON.stringify({ content }),
    signal: AbortSignal.timeout(timeout),
  });
  return [answer, await answer.text()];
}

/** Seconds to wait, which come as a number or as a date; 0 when unknown. @param {Headers} headers */
function retryAfter(headers) {
  const value = headers.get('Retry-After') ?? '';
  return Math.max(0, Math.ceil(Number(value) || (Date.parse(value) - now()) / 1000) || 0);
}

/**
 * The wait before the next try, in ms: what Retry-After says (in seconds) and, on top of it, a wait that doubles with
 * each try so far, up to a minute. Up to half of that is taken off at random, so that many pages do not ask at once.
 * @param {number} tries @param {number} [retryAfter]
 */
export function backoff(tries, retryAfter = 0) {
  return retryAfter * 1000 + Math.min(2 ** tries, 60) * (1 - Math.random() / 2) * 1000;
}
