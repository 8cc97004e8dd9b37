import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { fromNow, now, relative, setClock } from '../../../public/js/time.js';
import { randomFrom } from './random.js';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** The words for a time, read at another one, in a time zone. Both are local times, as in 2026-03-08T01:30. */
function words(zone, then, at) {
  process.env.TZ = zone;
  return relative(new Date(then).toISOString(), Date.parse(at));
}

test('"yesterday" is the day before on the reader\'s calendar', () => {
  for (const [zone, then, at, want] of [
    ['Europe/Berlin', '2026-11-23T10:00', '2026-11-25T09:59', '2 days ago'], // 47:59: Monday's post, read on Wednesday
    ['Europe/Berlin', '2026-11-23T10:00', '2026-11-24T23:59', 'yesterday'],
    ['Europe/Berlin', '2026-11-23T23:50', '2026-11-24T00:10', '20m ago'],
    ['Europe/Berlin', '2026-11-23T10:00', '2026-11-24T09:59', '23h ago'],
    ['Europe/Berlin', '2026-11-23T00:01', '2026-11-25T00:01', '2 days ago'],
    ['Europe/Berlin', '2026-11-24T23:59', '2026-11-26T00:01', '2 days ago'],
    // The day has 25 hours, and 23.
    ['Europe/Berlin', '2026-10-25T00:05', '2026-10-25T23:55', '24h ago'],
    ['America/New_York', '2026-03-07T23:30', '2026-03-09T00:10', '23h ago'],
    ['America/New_York', '2026-03-07T23:30', '2026-03-09T00:40', '2 days ago'],
    ['America/New_York', '2026-10-31T12:00', '2026-11-01T23:59', 'yesterday'],
    ['Pacific/Auckland', '2026-04-04T12:00', '2026-04-05T23:59', 'yesterday'],
    ['Pacific/Auckland', '2026-09-26T23:59', '2026-09-28T01:30', '2 days ago'],
    ['Pacific/Auckland', '2026-01-01T12:00', '2026-01-07T12:00', '6 days ago'],
    ['Pacific/Auckland', '2026-01-01T23:00', '2026-01-08T01:00', 'Jan 1, 2026'],
  ]) assert.equal(words(zone, then, at).replace('d ago', ' days ago'), want, `${zone}: ${then}, read at ${at}`);
});

test('a day is named by the calendar, at any minute of any year, in any zone', () => {
  const { below, pick } = randomFrom();
  for (let i = 0; i < 5_000; i++) {
    const zone = process.env.TZ = pick(['Europe/Berlin', 'America/New_York', 'Pacific/Auckland', 'Asia/Kolkata', 'Australia/Lord_Howe', 'UTC']);
    const at = new Date(Date.UTC(2015 + below(20), 0, 1) + below(366 * 24 * 60) * minute);
    const then = new Date(at.getTime() - below(8 * 24 * 60) * minute);
    const dayBefore = new Date(at.getFullYear(), at.getMonth(), at.getDate() - 1);
    const yesterday = then.toDateString() === dayBefore.toDateString() && at.getTime() - then.getTime() >= 24 * hour;
    assert.equal(relative(then.toISOString(), at.getTime()) === 'yesterday', yesterday, `${zone}: ${then}, read at ${at}`);
  }
});

test('a time is told in words, and from a week on as a date', () => {
  const at = Date.parse('2026-11-25T12:00:00Z');
  process.env.TZ = 'UTC';
  for (const [before, want] of [[-5 * minute, 'now'], [0, 'now'], [59.9 * second, 'now'], [minute, '1m ago'], [59.9 * minute, '59m ago'], [hour, '1h ago'], [23.9 * hour, '23h ago'], [24 * hour, 'yesterday'], [9 * 24 * hour, 'Nov 16, 2026']]) {
    assert.equal(relative(new Date(at - before).toISOString(), at), want);
  }
  assert.deepEqual([1, 1.2, 90, 91, 600].map(fromNow), ['in 1 second', 'in 2 seconds', 'in 90 seconds', 'in 2 minutes', 'in 10 minutes']);
});

test('a wrong clock is put right by what answers say, and a right one is left alone by caches and slow networks', () => {
  const truth = Date.parse('2026-11-25T12:00:00.700Z');
  mock.timers.enable({ apis: ['Date'] });
  const answer = (sentAgo, age, took) => setClock(new Headers({ Date: new Date(truth - sentAgo).toUTCString(), ...(age === undefined ? {} : { Age: String(age) }) }), took);
  const device = (wrong) => mock.timers.setTime(truth + wrong);
  const error = () => Math.abs(now() - truth);
  for (const wrong of [0, 20 * second, -20 * second]) {
    device(wrong);
    for (const [sentAgo, age, took] of [[0, undefined, 0], [90 * second, undefined, 90 * second], [hour, 3600, 0], [0, 3600, 0], [90 * second, 90, 10]]) {
      answer(sentAgo, age, took);
      assert.equal(now(), truth + wrong, 'a right clock was changed');
    }
  }
  setClock(new Headers(), 0);
  setClock(new Headers({ Date: 'yesterday' }), 0);
  assert.equal(now(), truth - 20 * second, 'changed without a date');
  for (const wrong of [24 * hour, -24 * hour, 0, 5 * minute, 365 * 24 * hour, 0]) {
    device(wrong);
    answer(0, undefined, 50);
    assert.ok(error() < 62 * second, `${wrong}: ${error()} ms wrong`);
  }
  device(24 * hour);
  answer(30 * second, 30, 50);
  assert.equal(relative(new Date(truth - second).toISOString()), 'now', 'said of what was published just now');
});
