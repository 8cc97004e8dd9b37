// What time it is, and words for times, in the browser's language. It knows no element; article.js shows a post's time.

/** Differences up to this are the network's, a cache's or of no account, in ms. */
const tolerance = 60_000;

/** What must be added to this device's clock, in ms: 0 unless it is wrong. */
let offset = 0;

/** The time, in ms since 1970, also on a device whose clock is wrong. */
export const now = () => Date.now() + offset;

/**
 * Corrects the clock by an answer that has just arrived and took so many ms. Its Date is when it was made, in whole
 * seconds. It may come from a cache, which says in Age how many seconds ago that was; some caches renew the Date, so
 * that the time lies between the two.
 * @param {Headers} headers @param {number} took
 */
export function setClock(headers, took) {
  const earliest = Date.parse(headers.get('Date') ?? '');
  const latest = earliest + 2_000 + (Number(headers.get('Age')) || 0) * 1000 + took; // both are cut to seconds
  if (now() < earliest - tolerance) offset = earliest - Date.now();
  else if (now() > latest + tolerance) offset = latest - Date.now();
}

const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const ago = new Intl.RelativeTimeFormat(undefined, { style: 'narrow', numeric: 'auto' });
const ahead = new Intl.RelativeTimeFormat('en'); // within our sentences

/** The language that the words are in. */
export const { locale } = full.resolvedOptions();

/** In seconds. */
const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** The longest first. @type {[number, 'day' | 'hour' | 'minute'][]} */
const units = [[day, 'day'], [hour, 'hour'], [minute, 'minute']];

/** So many seconds from now, in English: "in 5 seconds". Two or more of a unit, unless it is a second. @param {number} seconds */
export function fromNow(seconds) {
  const [size, unit] = units.find(([length]) => seconds > 1.5 * length) ?? [1, 'second'];
  return ahead.format(Math.ceil(seconds / size), /** @type {Intl.RelativeTimeFormatUnit} */ (unit));
}

/** A time in full. @param {string} iso */
export const exactly = (iso) => full.format(Date.parse(iso));

/**
 * The number of the day on the reader's calendar: one more for each midnight, however long the days are.
 * @param {number} time
 */
function dayOf(time) {
  const at = new Date(time);
  return Date.UTC(at.getFullYear(), at.getMonth(), at.getDate()) / 1000 / day;
}

/**
 * How long ago a time was: hours up to 24, then days of the reader's calendar, since "yesterday" is a word of it. From
 * a week on, the date.
 * @param {string} iso @param {number} [at] now, in ms since 1970
 */
export function relative(iso, at = now()) {
  const time = Date.parse(iso);
  const seconds = Math.floor((at - time) / 1000);
  const days = dayOf(at) - dayOf(time);
  if (seconds < minute) return ago.format(0, 'second'); // "now"
  if (seconds < hour) return ago.format(-Math.floor(seconds / minute), 'minute');
  if (seconds < day || days === 0) return ago.format(-Math.floor(seconds / hour), 'hour');
  return days < 7 ? ago.format(-days, 'day') : date.format(time);
}
