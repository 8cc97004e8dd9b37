// One post as an <article>: its text with links, time, picture and buttons. People's text only ever goes in by
// textContent. What the buttons Edit and Delete do is own.js's.

import { copy, part, say, targetOf } from './elements.js';
import { me, moderator, nameOf, people } from './people.js';
import { findLinks } from './text.js';
import { exactly, locale, relative } from './time.js';

/** @typedef {import('./changes.js').Post} Post */
/** @typedef {import('./people.js').Author} Author */

/** The post that an article shows. @type {WeakMap<Element, Post>} */
const posts = new WeakMap();

let count = 0;

/** @param {Element} article */
export const postOf = (article) => posts.get(article);

/** A new article, or the one that index.html made, for a post. @param {Post} post @param {HTMLElement} [article] */
export function createPost(post, article = copy('post')) {
  part(article, 'name').id = `by${++count}`;
  part(article, 'text').id = `text${count}`;
  article.setAttribute('aria-labelledby', `by${count}`);
  article.setAttribute('aria-describedby', `text${count}`);
  fillPost(article, post);
  cut.observe(part(article, 'text'));
  return article;
}

/** Shows a post in an article that shows it already, or the one before it. What has the focus keeps it. @param {HTMLElement} article @param {Post} post */
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
  showText(part(article, 'text'), post.content);
  showTime(part(article, 'time'), createdAt);
  if (!sending) part(article, 'link').href = `/p/${id}`;
  edited.hidden = updatedAt === createdAt;
  edited.title = exactly(updatedAt);
  say(part(article, 'says'), sending ? 'On its way…' : '');
  showButtons(article);
}

/** The end of the id tells two people without names apart. @param {HTMLElement} root @param {Author} [author] @param {string} [id] */
export function showHandle(root, author, id = '') {
  const idEnd = author?.name ? '' : id.slice(-6);
  part(root, 'handle').textContent = author?.username ? `@${author.username}` : idEnd;
}

/** Edit is for one's own posts, Delete for moderators too. The server decides. @param {HTMLElement} article */
export function showButtons(article) {
  const { id, userId } = postOf(article);
  part(article, 'share').hidden = id < 0;
  part(article, 'edit').hidden = id < 0 || userId !== me;
  part(article, 'delete').hidden = id < 0 || (userId !== me && !moderator);
}

/** A tall text is cut off, and "Show more" shows all of it. */
const cut = new ResizeObserver((texts) => {
  for (const { target } of texts) part(target.parentNode, 'more').hidden = target.scrollHeight - target.clientHeight < 9;
});

/** The picture, over one drawn by app.css. @param {HTMLElement} face @param {string} id @param {Author} [author] */
export function drawFace(face, id, author) {
  const source = author?.imageUrl ?? '';
  if (face.dataset.face === id + source) return;
  face.dataset.face = id + source;
  face.style.setProperty('--hue', String([...id].reduce((hash, char) => (hash * 31 + char.charCodeAt(0)) % 360, 0)));
  face.replaceChildren();
  if (!/^https?:/.test(source)) return;
  const url = new URL(source);
  if (url.host === 'img.clerk.com') url.searchParams.set('width', '160'); // it scales
  const picture = new Image();
  face.append(Object.assign(picture, { alt: '', onerror: () => picture.remove(), src: url.href }));
}

/** At most one empty line in a row is shown. @param {HTMLElement} element @param {string} content */
function showText(element, content) {
  const text = content.replace(/\n([^\S\n]*\n){2,}/g, '\n\n');
  element.textContent = '';
  let shown = 0;
  for (const { from, to, href, label } of findLinks(text)) {
    const link = document.createElement('a');
    Object.assign(link, { href, textContent: label, dir: 'ltr' /* also in a text from the right */, rel: 'nofollow noopener ugc' });
    element.append(text.slice(shown, from), link);
    shown = to;
  }
  element.append(text.slice(shown));
}

/** time has two spans, one for each kind of reader. @param {HTMLTimeElement} time @param {string} iso */
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

/** @param {Element} article */
function openPost(article) {
  if (!article.closest('[data-kind=post]')) part(article, 'link').click();
}

/** @param {HTMLAnchorElement} link @param {HTMLElement} line */
async function share({ href }, line) {
  try {
    if (navigator.share) return await navigator.share({ url: href });
    await navigator.clipboard.writeText(href);
    say(line, 'Link copied.', 'done');
  } catch ({ name }) {
    if (name !== 'AbortError') say(line, href); // to copy by hand
  }
}

document.addEventListener('click', (event) => {
  const target = targetOf(event);
  const article = target.closest('article');
  if (!article) return;
  if (target.matches('[data-share]')) share(part(article, 'link'), part(article, 'says'));
  else if (target.matches('[data-more]')) {
    article.classList.add('whole');
    article.focus();
  } else if (!target.closest('a, button, form, .says') && getSelection().isCollapsed) openPost(article);
});

document.addEventListener('keydown', (event) => {
  const target = targetOf(event);
  if (event.key === 'Enter' && target.matches('article')) openPost(target);
});
