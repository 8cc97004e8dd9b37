// Words for times, in the browser's language. It knows no element; article.js shows a post's time.

const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const ago = new Intl.RelativeTimeFormat(undefined, { style: 'narrow', numeric: 'auto' });
const ahead = new Intl.RelativeTimeFormat('en'); // within our sentences

/** The language that the words are in. */
export const { locale } = full.resolvedOptions();

/** Most of a unit, and one of it, in seconds. @type {[number, number, Intl.RelativeTimeFormatUnit][]} */
const units = [[90, 1, 'second'], [5_400, 60, 'minute'], [129_600, 3_600, 'hour'], [Infinity, 86_400, 'day']];

/** @param {number} seconds @param {Intl.RelativeTimeFormat} format */
function inWords(seconds, format) {
  const [, one, unit] = units.find(([most]) => Math.abs(seconds) <= most);
  return format.format(Math.ceil(seconds / one), unit);
}

/** So many seconds from now, in English: "in 5 seconds". @param {number} seconds */
export const fromNow = (seconds) => inWords(seconds, ahead);

/** A time in full. @param {string} iso */
export const exactly = (iso) => full.format(Date.parse(iso));

/** How long ago a time was, and its day from a week on. @param {string} iso */
export function relative(iso) {
  const time = Date.parse(iso);
  const seconds = (time - Date.now()) / 1000;
  return seconds < -604_800 ? day.format(time) : inWords(seconds > -60 ? 0 : seconds, ago); // 0 is "now"
}
