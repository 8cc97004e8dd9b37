// Posts: from the API, as this browser remembers one's own, and as an <article>. People's text only ever goes in by textContent.

/** Longest wait, in ms: twice what the API allows itself. */
const timeout = 10_000;

/** A refusal in words for people; status 0 is no answer, and a write may have happened. retryAfter is in seconds. */
export class Problem extends Error {
  constructor(status, detail, retryAfter = 0) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** The API's answer; throws a Problem for all but 2xx. @param {How} how @returns {Promise<any>} */
export async function request(path, how = {}) {
  const { method, token, key, content } = how;
  // Reads must be able to fill the CDN's cache: with no-store the browser sends no If-None-Match, whose 304 the CDN
  // would not keep. Without the empty headers it would send no-cache, and readers would wait for the function.
  const headers = new Headers({ Pragma: '', 'Cache-Control': '' });
  if (token) headers.set('Authorization', `Bearer ${token}`);
  if (key) headers.set('Idempotency-Key', key);
  if (content) headers.set('Content-Type', 'application/json');
  const early = !token && window.early?.path === path && window.early.answer;
  if (early) window.early = undefined;
  let answer, text;
  try {
    [answer, text] = await (early || fetch(path, {
      method,
      headers,
      cache: 'no-store',
      body: content && JSON.stringify({ content }),
      signal: AbortSignal.timeout(timeout),
    }).then(async (it) => [it, await it.text()]));
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
  if (ok && body !== undefined) return body;
  throw new Problem(ok ? 0 : status, body?.detail ?? 'Warble cannot do that just now.', retryAfter(answer.headers));
}

/** Seconds to wait, which come as a number or as a date; 0 when unknown. */
function retryAfter(headers) {
  const value = headers.get('Retry-After') ?? '';
  return Math.max(0, Math.ceil(Number(value) || (Date.parse(value) - Date.now()) / 1000) || 0);
}

/**
 * The wait before the next try, in ms: what Retry-After says and, on top of it, one that doubles with each try so far,
 * up to a minute. Up to half of that is taken off at random, so that many pages do not ask at once.
 */
export const backoff = (tries, retryAfter = 0) => retryAfter * 1000 + Math.min(2 ** tries, 60) * (1 - Math.random() / 2) * 1000;

/** null when there is none, or storage is off. @param {Where} where @returns {any} */
export function readStorage(where, name) {
  try {
    return JSON.parse(window[where].getItem(name) ?? 'null');
  } catch {
    return null;
  }
}

/** null removes it. @param {Where} where */
export function writeStorage(where, name, value) {
  try {
    if (value === null) window[where].removeItem(name);
    else window[where].setItem(name, JSON.stringify(value));
  } catch {
    // Full or off: the page works without.
  }
}

/** The names in localStorage that begin with prefix. */
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

/** One's own changes, laid over what a CDN answers from before them; and for how long, in ms. */
const own = 'warble.own';
const lifetime = 60_000;

/** @returns {OwnChange[]} */
const recent = () => (readStorage('sessionStorage', own) ?? []).filter((one) => Date.now() - one.at < lifetime);

/** post is null when deleted. */
export function remember(id, post, created = false) {
  const all = recent();
  const old = all.find((one) => one.id === id);
  writeStorage('sessionStorage', own, [...all.filter((one) => one !== old), { id, post, created: created || old?.created, at: Date.now() }]);
}

/**
 * Lays one's own changes over an answer. A new post that it lacks, and that belongs there, may have been deleted on
 * another device: an address that is new to the CDN tells.
 * @param {Post[]} posts
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

async function stands(id) {
  try {
    await request(`/api/posts/${id}?at=${Date.now()}`);
  } catch (error) {
    return error.status !== 404;
  }
  return true;
}

/** The feed's order: by time, then by id. */
export const newestFirst = (a, b) => (a.createdAt === b.createdAt ? b.id - a.id : a.createdAt < b.createdAt ? 1 : -1);

const posts = new WeakMap();

/** Those met so far, for posts that come without. @type {Map<string, Author>} */
export const people = new Map();

let count = 0;
export let me = '';
export let moderator = false;

/** @type {PartOf} */
export const part = (root, name) => root.querySelector(`[data-${name}]`);

/** @type {CopyOf} */
export const copy = (id) => /** @type {any} */ (document.getElementById(id)).content.firstElementChild.cloneNode(true);

export const postOf = (article) => posts.get(article);

export const nameOf = (author) => author?.name || author?.username || 'Somebody';

/** What is done is said for a while; what went wrong stands out. @param {Mood} mood */
export function say(line, text, mood = '') {
  line.textContent = text;
  line.dataset.mood = mood;
  if (mood === 'done') setTimeout(() => line.textContent === text && (line.textContent = ''), 8_000);
}

export function createPost(post, article = copy('post')) {
  part(article, 'name').id = `by${++count}`;
  part(article, 'text').id = `text${count}`;
  article.setAttribute('aria-labelledby', `by${count}`);
  article.setAttribute('aria-describedby', `text${count}`);
  fillPost(article, post);
  cut.observe(part(article, 'text'));
  return article;
}

/** What has the focus keeps it. */
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
  showHandle(article, author, userId);
  part(article, 'who').href = face.href = `/u/${userId}`;
  drawFace(face, userId, author);
  linkify(part(article, 'text'), post.content);
  showTime(part(article, 'time'), createdAt);
  if (!sending) part(article, 'link').href = `/p/${id}`;
  edited.hidden = updatedAt === createdAt;
  edited.title = exactly(updatedAt);
  say(part(article, 'says'), sending ? 'On its way…' : '');
  showButtons(article);
}

/** The end of the id tells two people without names apart. */
export function showHandle(root, author, id = '') {
  part(root, 'handle').textContent = author?.username ? `@${author.username}` : author?.name ? '' : id.slice(-6);
}

function showButtons(article) {
  const { id, userId } = postOf(article);
  part(article, 'share').hidden = id < 0;
  part(article, 'edit').hidden = id < 0 || userId !== me;
  part(article, 'delete').hidden = id < 0 || (userId !== me && !moderator);
}

/** Whose posts have Edit and Delete from now on; a moderator may delete all. */
export function setMe(id, isModerator) {
  me = id;
  moderator = isModerator;
  document.querySelectorAll('article').forEach(showButtons);
}

/** A tall text is cut off, and "Show more" shows all of it. */
const cut = new ResizeObserver((texts) => {
  for (const { target } of texts) part(target.parentNode, 'more').hidden = target.scrollHeight - target.clientHeight < 9;
});

const openPost = (article) => article.closest('[data-kind=post]') || part(article, 'link').click();

async function share({ href }, line) {
  try {
    if (navigator.share) return await navigator.share({ url: href });
    await navigator.clipboard.writeText(href);
    say(line, 'Link copied.', 'done');
  } catch ({ name }) {
    if (name !== 'AbortError') say(line, href); // to copy by hand
  }
}

document.addEventListener('click', ({ target }) => {
  const article = target.closest('article');
  if (!article) return;
  if (target.matches('[data-share]')) share(part(article, 'link'), part(article, 'says'));
  else if (target.matches('[data-more]')) {
    article.classList.add('whole');
    article.focus();
  } else if (!target.closest('a, button, form, .says') && getSelection().isCollapsed) openPost(article);
});

document.addEventListener('keydown', ({ key, target }) => {
  if (key === 'Enter' && target.matches('article')) openPost(target);
});

/** The picture, over one drawn by app.css. */
export function drawFace(face, id, author) {
  const source = author?.imageUrl ?? '';
  if (face.dataset.face === id + source) return;
  face.dataset.face = id + source;
  face.style.setProperty('--hue', [...id].reduce((hash, char) => (hash * 31 + char.charCodeAt(0)) % 360, 0));
  face.replaceChildren();
  if (!/^https?:/.test(source)) return;
  const url = new URL(source);
  if (url.host === 'img.clerk.com') url.searchParams.set('width', '160'); // it scales
  const picture = new Image();
  face.append(Object.assign(picture, { alt: '', onerror: () => picture.remove(), src: url.href }));
}

/**
 * Shows text with http(s) links. Where the written host is not the one that is opened, a link shows the browser's
 * form of its address. An address with a user part is no link. Invisible characters end one.
 */
function linkify(element, content) {
  const text = content.replace(/\n([^\S\n]*\n){2,}/g, '\n\n');
  element.textContent = '';
  let from = 0;
  for (const { 0: found, index } of text.matchAll(/https?:\/\/[^\s<>"\p{Cc}\p{Cf}]+/giu)) {
    let address = found;
    // Punctuation is the sentence's, and so is a bracket that the address did not open.
    while (/[.,;:!?'”’…]$/.test(address) || (address.endsWith(')') && address.split(')').length > address.split('(').length)) address = address.slice(0, -1);
    if (!URL.canParse(address) || /^\w+:[/\\]*[^/\\?#]*@/.test(address)) continue;
    const { href, origin } = new URL(address);
    const honest = address.toLowerCase().startsWith(origin) && !/^[^/?#]/.test(address.slice(origin.length));
    const link = document.createElement('a');
    Object.assign(link, { href, textContent: honest ? address : href, dir: 'ltr' /* also in a text from the right */, rel: 'nofollow noopener ugc' });
    element.append(text.slice(from, index), link);
    from = index + address.length;
  }
  element.append(text.slice(from));
}

// The rules of a text, as package post has them.

export const limit = 200;

export const tidy = (text) => text.toWellFormed().replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');

export const length = (text) => [...tidy(text)].length;

const visible = /[^\p{White_Space}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;

export function validate(text) {
  const over = length(text) - limit;
  if (over > 0) return `Too long by ${over}.`;
  if (/[^\P{Cc}\n\t]/u.test(text)) return 'Control characters cannot be published.';
  return visible.test(text) ? '' : 'Write something first.';
}

// Times, in the browser's language.

const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const ago = new Intl.RelativeTimeFormat(undefined, { style: 'narrow', numeric: 'auto' });
const ahead = new Intl.RelativeTimeFormat('en'); // within our sentences
const { locale } = full.resolvedOptions();

/** Most of a unit, and one of it, in seconds. @type {any} */
const units = [[90, 1, 'second'], [5_400, 60, 'minute'], [129_600, 3_600, 'hour'], [Infinity, 86_400, 'day']];

function inWords(seconds, format) {
  const [, one, unit] = units.find(([most]) => Math.abs(seconds) <= most);
  return format.format(Math.ceil(seconds / one), unit);
}

export const fromNow = (seconds) => inWords(seconds, ahead);

const exactly = (iso) => full.format(Date.parse(iso));

function relative(iso) {
  const time = Date.parse(iso);
  const seconds = (time - Date.now()) / 1000;
  return seconds < -604_800 ? day.format(time) : inWords(seconds > -60 ? 0 : seconds, ago); // 0 is "now"
}

/** time has two spans, one for each kind of reader. */
function showTime(time, iso) {
  time.dateTime = iso;
  time.lang = locale;
  time.title = exactly(iso);
  time.children[0].textContent = relative(iso);
  time.children[1].textContent = time.title;
}

setInterval(() => {
  for (const time of document.querySelectorAll('time')) time.children[0].textContent = relative(time.dateTime);
}, 20_000);
