// Editing and deleting one's own posts: at once, and taken back when refused.

import { Problem } from './api.js';
import { copy, fillPost, part, postOf } from './post.js';
import { session, userId, write } from './session.js';
import { emit, readStorage, remember, writeStorage } from './storage.js';
import { attachCounter, validate, tidy } from './text.js';

const dialog = part(document, 'ask');

/** Where a text is kept until it is saved. Only the post's author can see it. @param {Post} post */
const unsaved = ({ id, userId }) => `warble.edit.${userId}.${id}`;

document.addEventListener('click', ({ target }) => {
  const button = /** @type {Element} */ (target).closest('[data-edit], [data-delete]');
  const article = button?.closest('article');
  const post = article && postOf(article);
  if (!post || post.userId !== userId) return;
  if (button?.matches('[data-edit]')) edit(article, post);
  else confirmDelete(post);
});

/** @param {HTMLElement} article @param {Post} post */
function edit(article, post) {
  const { signal } = session;
  const form = copy('edit');
  const field = part(form, 'draft');
  field.value = readStorage('localStorage', unsaved(post)) || post.content;
  if (field.value !== post.content) part(form, 'says').textContent = 'You had not saved this.';
  attachCounter(form);
  field.addEventListener('input', () => writeStorage('localStorage', unsaved(post), field.value));
  const close = () => {
    if (!form.parentNode) return; // closed before the session ended
    form.remove();
    article.classList.remove('editing');
    part(article, 'edit').focus();
  };
  const cancel = () => {
    writeStorage('localStorage', unsaved(post), null);
    close();
  };
  signal.addEventListener('abort', close);
  form.onkeydown = ({ key, isComposing }) => {
    if (key === 'Escape' && !isComposing) cancel();
  };
  part(form, 'cancel').onclick = cancel;
  form.onsubmit = (event) => {
    event.preventDefault();
    const content = tidy(field.value);
    const wrong = validate(content);
    part(form, 'says').textContent = wrong;
    if (wrong) return field.focus();
    if (content === post.content) return cancel();
    close();
    save(article, post, content, signal);
  };
  article.classList.add('editing'); // the post is hidden, not taken away
  article.lastElementChild?.append(form);
  field.focus();
  field.setSelectionRange(999, 999);
}

/**
 * @param {HTMLElement} article @param {Post} post as it was
 * @param {string} content @param {AbortSignal} signal
 */
async function save(article, post, content, signal) {
  const { id } = post;
  writeStorage('localStorage', unsaved(post), content);
  fillPost(article, { ...post, content, updatedAt: new Date().toISOString() });
  part(article, 'says').textContent = 'Saving…';
  try {
    const { updatedAt } = (await write(`/api/posts/${id}`, { method: 'PATCH', content }, signal)).body;
    saved({ ...post, content, updatedAt });
  } catch (error) {
    const now = await current(post, error, signal);
    if (now?.content === content) return saved(now);
    emit('post', { post: now ?? post, says: signal.aborted ? '' : `Not saved: ${reason(error)} “Edit” has your text.` });
  }
}

/** @param {Post} post */
function saved(post) {
  if (readStorage('localStorage', unsaved(post)) === post.content) writeStorage('localStorage', unsaved(post), null);
  remember(post.id, post);
  emit('post', { post, says: 'Saved.' });
}

/** @param {Post} post */
function confirmDelete(post) {
  const { signal } = session;
  part(dialog, 'ask-text').textContent = post.content;
  dialog.returnValue = ''; // Escape would leave the last one
  dialog.onclose = () => dialog.returnValue && remove(post, signal);
  dialog.showModal();
}

document.addEventListener('session', () => dialog.close());

/** @param {Post} post @param {AbortSignal} signal */
async function remove(post, signal) {
  const { id } = post;
  emit('gone', { id, aloud: 'Post deleted.' });
  try {
    await write(`/api/posts/${id}`, { method: 'DELETE' }, signal);
  } catch (error) {
    const now = await current(post, error, signal);
    if (now) return emit('post', { post: now, says: signal.aborted ? '' : `Not deleted: ${reason(error)}` });
  }
  writeStorage('localStorage', unsaved(post), null);
  remember(id, null);
}

/**
 * The post after a change whose answer may be lost; null when it is gone.
 * @param {Post} post @param {unknown} error @param {AbortSignal} signal
 */
async function current(post, error, signal) {
  try {
    const { status } = /** @type {Problem} */ (error);
    if (status === 404) return null;
    return status && status < 500 ? post : (await write(`/api/posts/${post.id}`, {}, signal)).body;
  } catch (again) {
    return /** @type {Problem} */ (again).status === 404 ? null : post;
  }
}

/** @param {unknown} error */
const reason = (error) => (error instanceof Problem ? error.message : 'something broke.');
