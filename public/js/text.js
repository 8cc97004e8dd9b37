// The rules of a text: what may be published, as package post has them in Go, and which parts of it are links. It knows
// no element; article.js shows a text.

/** Most characters of a post. */
export const limit = 200;

/**
 * A text as it is published: line ends of other systems, and the vertical tab, form feed and next-line character that
 * word processors put for a line's end, are line feeds. The API takes none of the others.
 * @param {string} text
 */
export const tidy = (text) => text.toWellFormed().replace(/\r\n?|[\v\f\x85]/g, '\n').replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');

/** How many characters a text has, counted as the server counts them: in code points. @param {string} text */
export const length = (text) => [...tidy(text)].length;

const visible = /[^\p{White_Space}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Why a text cannot be published, in words for its writer; '' when it can. @param {string} text */
export function validate(text) {
  const tidied = tidy(text);
  const over = length(text) - limit;
  if (over > 0) return `Too long by ${over}.`;
  const control = /[^\P{Cc}\n\t]/u.exec(tidied);
  if (control) return `It has a control character, ${codeOf(control[0])}${after(tidied.slice(0, control.index))}. Take it out to publish.`;
  return visible.test(tidied) ? '' : 'Write something first.';
}

/** A character as Unicode writes it, for those that cannot be seen. @param {string} character */
const codeOf = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;

/** Where a character is, by the word before it. @param {string} before the text before it */
function after(before) {
  const word = before.match(/\S+/gu)?.at(-1);
  return word ? `, after “${[...word].slice(-20).join('')}”` : '';
}

/**
 * @typedef {object} Link
 * @property {number} from where its address begins in the text
 * @property {number} to where it ends
 * @property {string} href what is opened
 * @property {string} label what is shown
 */

// Where an address ends, by Unicode's properties; UTS #58 is of the same kind, but lets a whole Japanese sentence follow.

/**
 * A scheme, a host and a port. A host is labels of letters, digits, hyphens and the underscores of DNS, as UTS #46
 * maps them. The last one has Latin letters or others, as all top-level domains have: after https://example.com a
 * sentence in another script can go on without a space. A dot at the end is the host's before a slash only.
 */
const beginning = (() => {
  const one = (/** @type {string} */ chars) => String.raw`(?!\p{Default_Ignorable_Code_Point})[${chars}]`;
  const labelOf = (/** @type {string} */ chars) => `(?:${one(chars)}(?:[_-]*${one(`${chars}\\p{M}`)})*)`;
  const label = labelOf('\\p{L}\\p{Nd}');
  const latin = labelOf('\\p{Script=Latin}\\p{Nd}');
  return new RegExp(String.raw`https?:\/\/((?:\[[\da-f:.]+\]|(?:${label}\.)*(?:${latin}|${label})(?:\.(?=\/))?)(?::\d+)?)`, 'giu');
})();

/** With this after it, what looks like a host is a user's name for the host that follows. */
const userPart = /^[\p{L}\p{M}\p{N}\w.~!$&'()*+,;=:%-]*@/u;

/** White space, characters that cannot be seen, and the signs that no address has. */
const never = /[\s\p{Cc}\p{Cf}<>"\\`]|(?!\p{Variation_Selector})\p{Default_Ignorable_Code_Point}/u;

/** Stops, quotation marks and the like of all scripts but ASCII's. Those inside words, as in “col·lecció”, are no ends. */
const foreignMark = /[^\P{P}\p{ASCII}\p{Ps}\p{Pe}\p{Pd}\p{Pc}\p{ID_Continue}]/u;

/** Marks that an address may have inside; at its end they are the sentence's. */
const endMark = /[.,;:!?'*|^]|(?!\p{ASCII}|\p{Pe})[\p{P}\p{Sm}]/u;

/** What stands before an address inside another one, as in https://web.archive.org/web/2020/https://example.com/. */
const nests = /[/=?#:+]/;

/** Where the address ends whose host ends at hostEnd. */
/** @param {string} text @param {number} from @param {number} hostEnd */
function endOf(text, from, hostEnd) {
  if (!'/?#'.includes(text[hostEnd] ?? ' ')) return hostEnd;
  // **address**, _address_: what stands directly before it ends it, if no word goes on.
  const wrap = /([*_~'|])\1*$/.exec(text.slice(0, from))?.[0];
  const brackets = []; // those that are open
  let end = hostEnd;
  let at = hostEnd;
  for (const char of text.slice(hostEnd)) {
    if (never.test(char) || foreignMark.test(char)) break;
    if (/^https?:\/\//i.test(text.slice(at)) && !nests.test(text[at - 1])) break;
    if (wrap && text.startsWith(wrap, at) && !/^[a-z\d]/i.test(text.slice(at + wrap.length))) break;
    const code = char.codePointAt(0);
    if (/\p{Ps}/u.test(char)) brackets.push(code);
    // A pair's code points are neighbours; [ ] and { } have one between them.
    else if (/\p{Pe}/u.test(char) && ![1, 2].includes(code - brackets.pop())) break;
    at += char.length;
    if (!brackets.length && !endMark.test(char)) end = at;
  }
  return end;
}

/**
 * The http(s) links of a text, in order. An address with a user part is no link. Where the written host is not the one
 * that is opened, a link shows the browser's form of its address: the letters of look-alikes become punycode.
 * @param {string} text @returns {Link[]}
 */
export function findLinks(text) {
  const links = [];
  for (const { 0: start, 1: host, index: from } of text.matchAll(beginning)) {
    const hostEnd = from + start.length;
    if (from < (links.at(-1)?.to ?? 0) || userPart.test(text.slice(hostEnd))) continue;
    const to = endOf(text, from, hostEnd);
    const address = text.slice(from, to);
    if (!URL.canParse(address)) continue;
    const { href, host: opened } = new URL(address);
    links.push({ from, to, href, label: host.toLowerCase() === opened ? address : href });
  }
  return links;
}
