// Editing and deleting one's own posts: at once, and taken back when refused.

import { Problem } from './api.js';
import { copy, fillPost, part, postOf } from './post.js';
import { write } from './session.js';
import { emit, remember } from './storage.js';
import { attachCounter, validate, tidy } from './text.js';

const dialog = part(document, 'ask');

/** Texts of refused edits. @type {Map<number, string>} */
const unsaved = new Map();

document.addEventListener('click', ({ target }) => {
  const button = /** @type {Element} */ (target).closest('[data-edit], [data-delete]');
  const article = button?.closest('article');
  const post = article && postOf(article);
  if (!post) return;
  if (button?.matches('[data-edit]')) edit(article, post);
  else confirmDelete(post);
});

/** @param {HTMLElement} article @param {Post} post */
function edit(article, post) {
  const form = copy('edit');
  const field = part(form, 'draft');
  field.value = unsaved.get(post.id) ?? post.content;
  attachCounter(form);
  const close = () => {
    form.remove();
    article.classList.remove('editing');
    part(article, 'edit').focus();
  };
  form.onkeydown = ({ key, isComposing }) => {
    if (key === 'Escape' && !isComposing) close();
  };
  part(form, 'cancel').onclick = close;
  form.onsubmit = (event) => {
    event.preventDefault();
    const content = tidy(field.value);
    const wrong = validate(content);
    part(form, 'says').textContent = wrong;
    if (wrong) return field.focus();
    close();
    if (content !== post.content) save(article, post, content);
  };
  article.classList.add('editing'); // the post is hidden, not taken away
  article.lastElementChild?.append(form);
  field.focus();
  field.setSelectionRange(999, 999);
}

/** @param {HTMLElement} article @param {Post} post as it was @param {string} content */
async function save(article, post, content) {
  const { id } = post;
  fillPost(article, { ...post, content, updatedAt: new Date().toISOString() });
  part(article, 'says').textContent = 'Saving…';
  unsaved.delete(id);
  try {
    const { updatedAt } = (await write(`/api/posts/${id}`, { method: 'PATCH', content })).body;
    saved({ ...post, content, updatedAt });
  } catch (error) {
    const now = await current(post, error);
    if (now?.content === content) return saved(now);
    unsaved.set(id, content);
    emit('post', { post: now ?? post, says: `Not saved: ${reason(error)} “Edit” has your text.` });
  }
}

/** @param {Post} post */
function saved(post) {
  remember(post.id, post);
  emit('post', { post, says: 'Saved.' });
}

/** @param {Post} post */
function confirmDelete(post) {
  part(dialog, 'ask-text').textContent = post.content;
  dialog.returnValue = ''; // Escape would leave the last one
  dialog.onclose = () => dialog.returnValue && remove(post);
  dialog.showModal();
}

/** @param {Post} post */
async function remove(post) {
  const { id } = post;
  emit('gone', { id, aloud: 'Post deleted.' });
  try {
    await write(`/api/posts/${id}`, { method: 'DELETE' });
  } catch (error) {
    const now = await current(post, error);
    if (now) return emit('post', { post: now, says: `Not deleted: ${reason(error)}` });
  }
  remember(id, null);
}

/** The post after a change of whom the answer may be lost; null when it is gone. @param {Post} post @param {unknown} error */
async function current(post, error) {
  try {
    const { status } = /** @type {Problem} */ (error);
    if (status === 404) return null;
    return status && status < 500 ? post : (await write(`/api/posts/${post.id}`, {})).body;
  } catch (again) {
    return /** @type {Problem} */ (again).status === 404 ? null : post;
  }
}

/** @param {unknown} error */
const reason = (error) => (error instanceof Problem ? error.message : 'something broke.');
