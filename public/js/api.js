// The API, what this browser remembers, and the events of one's own posts.

/** Longest wait, in ms: twice what the API allows itself. */
const timeout = 10_000;

/** A refusal in words for people; or no answer (status 0), and a write may have happened. */
export class Problem extends Error {
  /** @param {number} status @param {string} detail @param {number} retryAfter in seconds */
  constructor(status, detail, retryAfter = 0) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * Asks the API; throws a Problem for all but 2xx.
 * @param {string} path @param {How} how @returns {Promise<Answer>}
 */
export async function request(path, { method = 'GET', token, key, content } = {}) {
  // A read must be able to fill the CDN's cache. With no-store the browser sends no If-None-Match, whose 304 the
  // CDN would not keep. The empty headers keep it from sending no-cache instead, which makes readers wait for the origin.
  const headers = new Headers({ Pragma: '', 'Cache-Control': '' });
  if (token) headers.set('Authorization', `Bearer ${token}`);
  if (key) headers.set('Idempotency-Key', key);
  if (content) headers.set('Content-Type', 'application/json');
  const early = !token && window.early?.path === path && window.early.answer;
  if (early) window.early = undefined;
  let answer, text;
  try {
    answer = await (early || fetch(path, {
      method,
      headers,
      cache: 'no-store',
      body: content && JSON.stringify({ content }),
      signal: AbortSignal.timeout(timeout),
    }));
    text = await answer.text();
  } catch {
    throw new Problem(0, navigator.onLine ? 'Warble did not answer.' : 'You are offline.');
  }
  const { ok, status } = answer;
  let body;
  try {
    body = text && JSON.parse(text);
  } catch {
    // Not ours: a proxy's page.
  }
  if (ok && body !== undefined) return { body };
  throw new Problem(ok ? 0 : status, body?.detail ?? 'Warble cannot do that just now.', retryAfter(answer.headers));
}

/** Seconds to wait, which may come as a number or as a date; 0 when unknown. @param {Headers} headers */
function retryAfter(headers) {
  const value = headers.get('Retry-After') ?? '';
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return Math.max(seconds || 0, 0);
}

/**
 * The wait before the next try, in ms: what Retry-After says (in seconds) and, on top of it, one
 * that doubles with each try so far, up to a minute. Up to half of that is taken off at random,
 * so that many pages do not ask at once.
 * @param {number} tries so far, from 0 @param {number} retryAfter
 */
export const backoff = (tries, retryAfter = 0) => retryAfter * 1000 + Math.min(2 ** tries, 60) * (1 - Math.random() / 2) * 1000;

/** @param {Where} where @param {string} name @returns {any} null when there is none, or storage is off */
export function readStorage(where, name) {
  try {
    return JSON.parse(window[where].getItem(name) ?? 'null');
  } catch {
    return null;
  }
}

/** @param {Where} where @param {string} name @param {unknown} value null removes it */
export function writeStorage(where, name, value) {
  try {
    if (value === null) window[where].removeItem(name);
    else window[where].setItem(name, JSON.stringify(value));
  } catch {
    // Full or off: the page works without.
  }
}

/** The names in localStorage that begin with prefix. @param {string} prefix */
export function storedNames(prefix) {
  try {
    return Object.keys(localStorage).filter((name) => name.startsWith(prefix));
  } catch {
    return [];
  }
}

export const events = new EventTarget();

/** @param {NewsType} type @param {Partial<News>} detail */
export const emit = (type, detail) => events.dispatchEvent(new CustomEvent(type, { detail }));

// A CDN may answer from before one's own change for a while: it is laid over
// such answers, so that a reload never seems to have lost it.
const own = 'warble.own';
const lifetime = 60_000;

/** @returns {OwnChange[]} */
const recent = () => (readStorage('sessionStorage', own) ?? []).filter((/** @type {OwnChange} */ one) => Date.now() - one.at < lifetime);

/** @param {number} id @param {Post | null} post null when deleted @param {boolean} created */
export function remember(id, post, created = false) {
  const all = recent();
  const old = all.find((one) => one.id === id);
  writeStorage('sessionStorage', own, [...all.filter((one) => one !== old), { id, post, created: created || old?.created, at: Date.now() }]);
}

/**
 * Lays one's own changes over an answer that may be from before them. A post that it lacks may have been deleted
 * on another device meanwhile: an address that is new to the CDN tells.
 * @param {Post[]} posts from the API @param {(post: Post) => boolean} belongs whether one that is missing belongs here
 */
export async function withOwn(posts, belongs) {
  const all = new Map(posts.map((post) => [post.id, post]));
  for (const { id, post, created } of recent()) {
    const had = all.get(id);
    if (!post) all.delete(id);
    else if (had) all.set(id, had.updatedAt < post.updatedAt ? post : had);
    else if (created && belongs(post) && await stands(id)) all.set(id, post);
  }
  return [...all.values()].sort(newestFirst);
}

/** @param {number} id */
async function stands(id) {
  try {
    await request(`/api/posts/${id}?at=${Date.now()}`);
  } catch (error) {
    return /** @type {Problem} */ (error).status !== 404;
  }
  return true;
}

/** The feed's order: by time, then by id. @param {Position} a @param {Position} b */
export const newestFirst = (a, b) => (a.createdAt === b.createdAt ? b.id - a.id : a.createdAt < b.createdAt ? 1 : -1);
