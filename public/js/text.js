// The rules of a text: what may be published, as package post has them in Go, and which parts of it are links. It
// knows no element; article.js shows a text.

/** Most characters of a post. */
export const limit = 200;

/** A text as it is published. @param {string} text */
export const tidy = (text) => text.toWellFormed().replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');

/** How many characters a text has, counted as the server counts them: in code points. @param {string} text */
export const length = (text) => [...tidy(text)].length;

const visible = /[^\p{White_Space}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Why a text cannot be published, in words for its writer; '' when it can. @param {string} text */
export function validate(text) {
  const over = length(text) - limit;
  if (over > 0) return `Too long by ${over}.`;
  const control = /[^\P{Cc}\n\t]/u.exec(text);
  if (control) return `It has a control character, ${codeOf(control[0])}${after(text.slice(0, control.index))}. Take it out to publish.`;
  return visible.test(text) ? '' : 'Write something first.';
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

/**
 * The http(s) links of a text, in order. Where the written host is not the one that is opened, a link shows the
 * browser's form of its address. An address with a user part is no link. Invisible characters end one.
 * @param {string} text @returns {Link[]}
 */
export function findLinks(text) {
  const links = [];
  for (const { 0: found, index } of text.matchAll(/https?:\/\/[^\s<>"\p{Cc}\p{Cf}]+/giu)) {
    let address = found;
    // Punctuation is the sentence's, and so is a bracket that the address did not open.
    while (/[.,;:!?'”’…]$/.test(address) || (address.endsWith(')') && address.split(')').length > address.split('(').length)) address = address.slice(0, -1);
    if (!URL.canParse(address) || /^\w+:[/\\]*[^/\\?#]*@/.test(address)) continue;
    const { href, origin } = new URL(address);
    const honest = address.toLowerCase().startsWith(origin) && !/^[^/?#]/.test(address.slice(origin.length));
    links.push({ from: index, to: index + address.length, href, label: honest ? address : href });
  }
  return links;
}
