// When a place is read, and which answers count (public/js/poll.js, pages.js and api.js). The test has the clock and the
// answers.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

globalThis.window = globalThis;
globalThis.document = { hidden: false };
const { Problem, request } = await import('../../../public/js/api.js');
const { readPage } = await import('../../../public/js/pages.js');
const { Poll } = await import('../../../public/js/poll.js');

mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1.8e12 });
const second = 1000;

/** Lets time pass, a tenth of a second at once, with what is done then. @param {number} seconds */
async function pass(seconds) {
  for (let i = 0; i < seconds * 10; i++) {
    mock.timers.tick(second / 10);
    await new Promise(setImmediate);
  }
}

/** A place that is read. answer says what comes of it: whether something is new, or an error. */
function open(answer) {
  const times = [];
  const waits = []; // that it tells of
  const poll = new Poll(async () => {
    times.push(Date.now() / second);
    return answer();
  }, (error, wait) => waits.push(wait / second));
  poll.start();
  return { poll, times, waits, gaps: () => times.slice(1).map((time, i) => time - times[i]) };
}

const turn = () => new Promise(setImmediate);

/** @param {number} [retryAfter] in seconds */
const failing = (retryAfter) => () => { throw new Problem(503, 'Resting.', retryAfter); };

test('a page that cannot read does not hammer, Retry-After is its least wait, and it reads at once when that is over', async () => {
  for (const retryAfter of [0, 1, 90]) {
    let answer = failing(retryAfter);
    const { poll, gaps, times, waits } = open(() => answer());
    await pass(8 * (retryAfter + 60));
    gaps().forEach((gap, i) => {
      const most = Math.min(2 ** (i + 1), 60);
      assert(gap >= retryAfter + most / 2 && gap <= retryAfter + most + 0.2, `wait ${i} after Retry-After: ${retryAfter} is ${gap} s`);
      assert(Math.abs(gap - waits[i]) < 0.2, 'people are told of another wait');
    });
    assert(gaps().length >= 8);
    assert(waits.some((wait, i) => wait < retryAfter + 0.97 * Math.min(2 ** (i + 1), 60)), 'many pages ask at once');
    const failed = times.length;
    for (let i = 0; i < 5; i++) poll.wake(); // somebody looks for the right window
    await turn();
    assert.equal(times.length, failed, 'it asks before its time');
    poll.online();
    await turn();
    assert.equal(times.length, failed + 1, 'it does not ask when the network is back');
    answer = () => false;
    poll.ask(); // by "Try again"
    await turn();
    poll.wake();
    await turn();
    assert.equal(times.length, failed + 3, 'it waits for what is over');
    await pass(400);
    const read = times.length;
    answer = failing(retryAfter);
    await pass(70 + retryAfter);
    assert(times[read + 1] - times[read] <= retryAfter + 2.2, 'it does not forget the failures that are over');
    poll.stop();
  }
});

test('a place is read less and less often while nothing is new, and not while it is hidden', async () => {
  let isNew = false;
  const { poll, gaps, times } = open(() => isNew);
  await pass(600);
  assert.deepEqual(gaps().map(Math.round).slice(0, 8), [8, 11, 17, 25, 38, 57, 60, 60]);
  poll.wake();
  await pass(62);
  assert.deepEqual(gaps().map(Math.round).slice(-4), [8, 11, 17, 25], 'what somebody looks at is not read sooner');
  isNew = true;
  await pass(65);
  assert(gaps().at(-1) < 6, 'news does not make it look sooner');
  document.hidden = true;
  await pass(6);
  const seen = times.length;
  await pass(600);
  assert.equal(times.length, seen, 'a hidden page asks');
  document.hidden = false;
  for (let i = 0; i < 5; i++) poll.wake();
  await turn();
  assert.equal(times.length, seen + 1, 'a page that is shown again does not ask once');
  await pass(6);
  assert.equal(times.length, seen + 2, 'it does not go on');
  poll.stop();
  await pass(600);
  assert.equal(times.length, seen + 2, 'a place that was left is read');

  document.hidden = true;
  const behind = open(() => false);
  await pass(60);
  assert.equal(behind.times.length, 1, 'a page that was opened behind another one is not read, or again and again');
  document.hidden = false;
});

test('what is asked while a read is on its way comes after it, and nothing when the place was left', async () => {
  for (const [ask, reads] of [['askAnew', 2], ['wake', 1], ['stop', 1]]) {
    let answer;
    const { poll, times } = open(() => new Promise((done) => { answer = done; }));
    poll[ask]();
    await turn();
    assert.equal(times.length, 1, ask);
    answer(false);
    await turn();
    assert.equal(times.length, reads, ask);
    poll.stop();
    answer(false);
    await pass(60);
    assert.equal(times.length, reads, ask);
  }
});

test('an answer that is no page of posts is a refusal, and a post that is gone is an empty page', async () => {
  const [all, one] = [{ kind: 'all', id: '' }, { kind: 'post', id: '7' }];
  const post = { id: 7, userId: 'user_ada', content: 'text', createdAt: '2026-11-25T12:00:00Z' };
  for (const body of ['<title>Wi-Fi</title>Log in', '', 'null', '"posts"', '[]', '{}', '{"posts":null}', '{"posts":{}}', '{"posts":[null]}',
    ...Object.keys(post).map((missing) => JSON.stringify({ posts: [{ ...post, [missing]: undefined }] }))]) {
    globalThis.fetch = async () => new Response(body);
    for (const place of [all, one]) await assert.rejects(readPage(place), Problem, body);
  }
  globalThis.fetch = async () => Response.json({ detail: 'No such post.' }, { status: 404 });
  assert.deepEqual(await readPage(one), { posts: [], next: '' });
  await assert.rejects(readPage(all), Problem);
  globalThis.fetch = async () => Response.json({ posts: [], next: '1-1' });
  assert.deepEqual(await readPage(all), { posts: [], next: '' });
  let asked;
  globalThis.fetch = async (path) => Response.json((asked = path, { posts: [post] }));
  assert.deepEqual(await readPage({ kind: 'user', id: 'user_ada' }, '5-7', 100), { posts: [post], next: '' });
  assert.equal(asked, '/api/posts?userId=user_ada&before=5-7&limit=100');
});

test('a write that another than the API answers, or nobody, may have happened', async () => {
  Object.defineProperty(globalThis, 'navigator', { value: { onLine: false }, configurable: true });
  for (const [fetch, message] of [[async () => new Response('<title>Wi-Fi</title>Log in'), /cannot do that/], [() => Promise.reject(new TypeError('Failed')), /You are offline/]]) {
    globalThis.fetch = fetch;
    await assert.rejects(request('/api/posts/7', { method: 'DELETE' }), { status: 0, message });
  }
});

test('Retry-After is seconds or a date', async () => {
  for (const [value, want] of [['61', 61], ['604800', 604_800], ['', 0], ['soon', 0], ['-5', 0], [new Date(Date.now() + 42 * 60 * second).toUTCString(), 42 * 60]]) {
    globalThis.fetch = async () => Response.json({ detail: 'Wait.' }, { status: 429, headers: { 'Retry-After': value } });
    await assert.rejects(request('/api/posts'), { status: 429, message: 'Wait.', retryAfter: want });
  }
});
