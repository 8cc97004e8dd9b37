// One post as an <article>. People's text only ever goes in by textContent.

/** @type {WeakMap<Element, Post>} */
const posts = new WeakMap();

/** Met so far, for answers that come without. @type {Map<string, Author>} */
export const people = new Map();

let count = 0;
let me = '';

/** @type {PartOf} */
export const part = (root, name) => /** @type {any} */ (root.querySelector(`[data-${name}]`));

/** @type {CopyOf} */
export const copy = (id) => /** @type {any} */ (document.getElementById(id)).content.firstElementChild.cloneNode(true);

/** @param {Element} article */
export const postOf = (article) => posts.get(article);

/** @param {Author} [author] */
export const nameOf = (author) => author?.name || author?.username || 'Somebody';

/** @param {Post} post */
export function createPost(post) {
  const article = copy('post');
  part(article, 'name').id = `by${++count}`;
  part(article, 'text').id = `text${count}`;
  article.setAttribute('aria-labelledby', `by${count}`);
  article.setAttribute('aria-describedby', `text${count}`);
  fillPost(article, post);
  return article;
}

/** Shows post in its article; what has the focus keeps it. @param {HTMLElement} article @param {Post} post */
export function fillPost(article, post) {
  const { id, userId, createdAt, updatedAt } = post;
  const sending = id < 0;
  posts.set(article, post);
  if (post.author) people.set(userId, post.author);
  const author = people.get(userId);
  const face = part(article, 'face');
  const edited = part(article, 'edited');
  article.classList.toggle('sending', sending);
  part(article, 'name').textContent = nameOf(author);
  showHandle(article, author);
  part(article, 'who').href = face.href = `/u/${userId}`;
  drawFace(face, userId, author);
  linkify(part(article, 'text'), post.content);
  showTime(part(article, 'time'), createdAt);
  if (!sending) part(article, 'link').href = `/p/${id}`;
  edited.hidden = updatedAt === createdAt;
  edited.title = exactly(updatedAt);
  part(article, 'says').textContent = sending ? 'On its way…' : '';
  part(article, 'own').hidden = sending || userId !== me;
}

/** @param {HTMLElement} root @param {Author} [author] */
export const showHandle = (root, author) => (part(root, 'handle').textContent = author?.username ? `@${author.username}` : '');

/** Whose posts have Edit and Delete from now on; '' for nobody's. @param {string} id */
export function setMe(id) {
  me = id;
  for (const article of document.querySelectorAll('article')) {
    const post = posts.get(article);
    if (post) part(article, 'own').hidden = post.id < 0 || post.userId !== me;
  }
}

/** The picture, over a call of their own in app.css. @param {HTMLElement} face @param {string} id @param {Author} [author] */
export function drawFace(face, id, author) {
  const source = author?.imageUrl ?? '';
  if (face.dataset.face === id + source) return;
  face.dataset.face = id + source;
  let hash = 0;
  for (const char of id) hash = (hash * 31 + char.charCodeAt(0)) % 360;
  face.style.setProperty('--hue', String(hash));
  face.replaceChildren();
  if (!/^https?:/.test(source)) return;
  const url = new URL(source);
  if (url.host === 'img.clerk.com') url.searchParams.set('width', '160'); // it scales
  const picture = new Image();
  picture.alt = '';
  picture.onerror = () => picture.remove();
  picture.src = url.href;
  face.append(picture);
}

/**
 * Shows text with http(s) links. Invisible characters end an address: they could
 * make it read as another one.
 * @param {HTMLElement} element @param {string} text
 */
function linkify(element, text) {
  element.textContent = '';
  let from = 0;
  for (const { 0: found, index } of text.matchAll(/https?:\/\/[^\s<>"\p{Cc}\p{Cf}]+/giu)) {
    let address = found;
    // Punctuation is the sentence's, and so is a bracket that the address did not open.
    while (/[.,;:!?'”’…]$/.test(address) || (address.endsWith(')') && address.split(')').length > address.split('(').length)) address = address.slice(0, -1);
    if (!URL.canParse(address)) continue;
    const link = document.createElement('a');
    link.href = link.textContent = address;
    link.rel = 'nofollow noopener ugc';
    element.append(text.slice(from, index), link);
    from = index + address.length;
  }
  element.append(text.slice(from));
}

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
const exactly = (iso) => full.format(new Date(iso));

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
function showTime(time, iso) {
  time.dateTime = iso;
  time.title = exactly(iso);
  time.children[0].textContent = relative(iso);
  time.children[1].textContent = time.title;
}

setInterval(() => {
  for (const time of document.querySelectorAll('time')) time.children[0].textContent = relative(time.dateTime);
}, 20_000);
