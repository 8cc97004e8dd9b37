// Times: relative for the eye, exact on hover and for screen readers.

const full = new Intl.DateTimeFormat('en', { dateStyle: 'full', timeStyle: 'short' });
const day = new Intl.DateTimeFormat('en', { dateStyle: 'medium' });

const ahead = new Intl.RelativeTimeFormat('en');

/** Most of a unit, in seconds, and what one of it has. @type {[number, number, Intl.RelativeTimeFormatUnit][]} */
const units = [[90, 1, 'second'], [5_400, 60, 'minute'], [129_600, 3_600, 'hour'], [Infinity, 86_400, 'day']];

/** A wait in words, such as "in 42 minutes". @param {number} seconds */
export function fromNow(seconds) {
  const [, one, unit] = units.find(([most]) => seconds <= most) ?? units[0];
  return ahead.format(Math.ceil(seconds / one), unit);
}

/** @param {string} iso */
export const exactly = (iso) => full.format(new Date(iso));

/** @param {string} iso */
function relative(iso) {
  const date = new Date(iso);
  const minutes = (Date.now() - date.getTime()) / 60_000;
  if (minutes < 1) return 'now'; // also where the clocks differ
  if (minutes < 60) return `${Math.floor(minutes)} min`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h`;
  if (minutes < 10080) return `${Math.floor(minutes / 1440)} d`;
  return day.format(date);
}

/** @param {HTMLTimeElement} time with two spans, one for each kind of reader @param {string} iso */
export function showTime(time, iso) {
  time.dateTime = iso;
  time.title = exactly(iso);
  time.children[0].textContent = relative(iso);
  time.children[1].textContent = time.title;
}

setInterval(() => {
  for (const time of document.querySelectorAll('time')) time.children[0].textContent = relative(time.dateTime);
}, 20_000);
