// What somebody does with posts that are there: editing and deleting their own, and all posts of a person. A moderator
// may delete anybody's. A change is shown at once, and taken back when it is refused. It may end in another place than
// it began in: what is told names posts and people, never what is on the screen.

import { postOf } from './article.js';
import { remember, rememberDeleted, tell } from './changes.js';
import { findDraft } from './composer.js';
import { Draft } from './draft.js';
import { copy, part, say, targetOf } from './elements.js';
import { me, moderator } from './people.js';
import { requestAsMe, sessionSignal } from './session.js';
import { desk, TextForm } from './textform.js';
import { tidy, validate } from './text.js';
import { now } from './time.js';

/** @typedef {import('./changes.js').Post} Post */

const dialog = part(document, 'ask');

document.addEventListener('click', (event) => {
  const button = targetOf(event).closest('[data-edit], [data-delete]');
  const article = button?.closest('article');
  const post = article && postOf(article);
  if (!post) return;
  const own = post.userId === me;
  if (button.matches('[data-edit]')) {
    if (own) edit(article, post);
  } else if (own || moderator) {
    deletePost(post);
  }
});

/** Opens the form of an edit in its article. @param {HTMLElement} article @param {Post} post */
function edit(article, post) {
  const signal = sessionSignal();
  const element = copy('edit');
  const form = new TextForm(element, { post: post.id, text: post.content });
  const { draft, field } = form;
  const close = () => {
    if (!element.parentNode) return;
    element.remove();
    article.classList.remove('editing');
    part(article, 'edit').focus();
  };
  /** The text stays for the next "Edit": neither a key nor the end of a session loses one. */
  const leave = () => {
    draft.release();
    close();
  };
  const cancel = () => {
    draft.discard();
    close();
  };
  signal.addEventListener('abort', leave);
  form.onescape = leave;
  part(element, 'cancel').onclick = cancel;
  element.onsubmit = (event) => {
    event.preventDefault();
    form.read();
    const content = tidy(field.value);
    const wrong = validate(content);
    say(part(element, 'says'), wrong, 'wrong');
    if (wrong) return field.focus();
    if (content === post.content) return cancel();
    close();
    save({ ...post, content }, post, draft, signal);
  };
  article.classList.add('editing');
  article.lastElementChild.append(element);
  field.focus();
  const toEnd = () => field.setSelectionRange(field.value.length, field.value.length);
  toEnd();
  form.open(me).then((found) => {
    if (!found) return;
    toEnd();
    if (field.value !== post.content) say(part(element, 'says'), 'You had not saved this.');
  });
}

/** @param {Post} post as it is to be @param {Post} before @param {Draft} draft @param {AbortSignal} signal */
async function save(post, before, draft, signal) {
  const { id, content } = post;
  tell('post', { post: { ...post, updatedAt: new Date(now()).toISOString() }, says: 'Saving…' });
  try {
    const { updatedAt } = await draft.publish(() => requestAsMe(`/api/posts/${id}`, { method: 'PATCH', content }, signal));
    showSaved({ ...post, updatedAt });
  } catch (error) {
    const stored = await storedPost(before, error, signal);
    if (stored?.content === content) {
      draft.discard();
      showSaved(stored);
    } else if (stored) {
      draft.release();
      tell('post', { post: stored, says: signal.aborted ? '' : `Not saved: ${error.message} “Edit” has your text.`, mood: 'wrong' });
    } else {
      draft.becomeNew();
      tell('post', { post: before, says: signal.aborted ? '' : 'Not saved: the post was deleted. Your text is a draft now.', mood: 'wrong' });
      findDraft(ofDeleted);
    }
  }
}

/** Said in the composer. */
const ofDeleted = 'The post was deleted. Here is the text that you had not saved.';

/** @param {Post} post */
function showSaved(post) {
  remember(post);
  tell('post', { post, says: 'Saved.', mood: 'done' });
}

/** Asks before something that cannot be undone, and ends only with a yes. @param {string} title @param {string} text @param {string} action */
const ask = (title, text, action) => new Promise((done) => {
  const yes = part(dialog, 'ask-yes');
  part(dialog, 'ask-title').textContent = title;
  part(dialog, 'ask-text').textContent = text;
  yes.textContent = action;
  yes.onclick = () => setTimeout(done); // when the dialog has given the focus back
  dialog.showModal();
});

/** @param {Post} post */
async function deletePost(post) {
  const { id } = post;
  const signal = sessionSignal();
  await ask('Delete this post?', post.content, 'Delete');
  tell('gone', { id, aloud: 'Post deleted.' });
  try {
    await requestAsMe(`/api/posts/${id}`, { method: 'DELETE' }, signal);
  } catch (error) {
    const stored = await storedPost(post, error, signal);
    if (stored) return tell('post', { post: stored, says: signal.aborted ? '' : `Not deleted: ${error.message}`, mood: 'wrong' });
  }
  rememberDeleted([id]);
  // Its unsaved edits go with it, but for one that is open in another tab.
  const draft = new Draft(desk, id);
  while (post.userId === me && await draft.open(me)) draft.discard();
}

/** The post after a change whose answer may be lost: null when it is gone. @param {Post} post @param {any} error @param {AbortSignal} signal @returns {Promise<Post | null>} */
async function storedPost(post, error, signal) {
  const { status } = error;
  if (status === 404) return null;
  if (status && status < 500) return post;
  try {
    return await requestAsMe(`/api/posts/${post.id}`, {}, signal);
  } catch (second) {
    return second.status === 404 ? null : post;
  }
}

/** Finds unsaved edits of posts that were deleted elsewhere: no "Edit" leads to them, so that they become drafts. */
async function findOrphans() {
  const signal = sessionSignal();
  for (const id of new Draft(desk).edited(me)) {
    try {
      await requestAsMe(`/api/posts/${id}`, {}, signal);
    } catch (error) {
      if (error.status !== 404) continue;
      for (let draft; !signal.aborted && await (draft = new Draft(desk, id)).open(me);) draft.becomeNew();
      findDraft(ofDeleted);
    }
  }
}

document.addEventListener('session', () => {
  dialog.close();
  if (me) findOrphans();
});

// All posts of the person whose page is shown.

/** @param {string} name of the button @param {(path: string, signal: AbortSignal, line: HTMLElement, button: HTMLElement) => Promise<void>} act */
const onAll = (name, act) => document.addEventListener('click', async (event) => {
  const button = targetOf(event);
  if (!button.matches(`[data-${name}]`)) return;
  const line = part(button.closest('[data-all]'), 'progress');
  try {
    await act(location.pathname.slice(3), sessionSignal(), line, button);
  } catch (error) {
    say(line, error.message, 'wrong');
  }
});

onAll('download', async (userId, signal, line) => {
  /** @type {Post[]} */
  const posts = [];
  for (let next = ''; next != null;) {
    const page = await requestAsMe(`/api/posts?userId=${userId}&limit=100${next && `&before=${next}`}`, {}, signal);
    posts.push(...page.posts);
    next = page.next;
    say(line, `${posts.length} posts…`);
  }
  const href = URL.createObjectURL(new Blob([JSON.stringify(posts, null, 2)], { type: 'application/json' }));
  Object.assign(document.createElement('a'), { href, download: 'warble-posts.json' }).click();
  say(line, `${posts.length} posts downloaded.`, 'done');
});

/** The buttons that say "Stop" now. @type {Set<HTMLElement>} */
const clearing = new Set();

onAll('clear', async (userId, signal, line, button) => {
  if (clearing.delete(button)) return;
  const name = document.querySelector('h1').textContent;
  await ask(`Delete all posts of ${name}?`, 'They cannot be brought back.', 'Delete');
  const label = button.textContent;
  button.textContent = 'Stop';
  clearing.add(button);
  let count = 0;
  let more = true;
  try {
    while (more && clearing.has(button)) {
      const answer = await requestAsMe(`/api/posts?userId=${userId}`, { method: 'DELETE' }, signal);
      count += answer.deleted;
      more = answer.more;
      say(line, `${count} posts deleted${ending(more, clearing.has(button))}`);
    }
  } finally {
    clearing.delete(button);
    button.textContent = label;
  }
  if (!more) tell('cleared', { userId });
});

/** @param {boolean} more @param {boolean} goesOn */
function ending(more, goesOn) {
  if (!more) return '.';
  return goesOn ? '…' : '. There are more.';
}
