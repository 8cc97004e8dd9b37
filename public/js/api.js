// The API client: one function that asks, and one kind of error.

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
  let answer, text;
  try {
    answer = await fetch(path, {
      method,
      headers,
      cache: 'no-store',
      body: content && JSON.stringify({ content }),
      signal: AbortSignal.timeout(timeout),
    });
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
