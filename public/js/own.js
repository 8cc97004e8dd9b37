// What somebody does with a post that is there: editing and deleting their own. A moderator may delete anybody's. A
// change is shown at once, and taken back when it is refused. It may end in another place than it began in: what is told
// names posts, never what is on the screen. For all posts of a person at once there is allposts.js.

import { postOf } from './article.js';
import { ask } from './ask.js';
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

/** @param {Post} post */
async function deletePost(post) {
  const { id } = post;
  const signal = sessionSignal();
  await ask('Delete this post?', post.content, 'Delete');
  tell('gone', { id });
  try {
    await requestAsMe(`/api/posts/${id}`, { method: 'DELETE' }, signal);
  } catch (error) {
    const stored = await storedPost(post, error, signal);
    if (stored) return tell('post', { post: stored, says: signal.aborted ? '' : `Not deleted: ${error.message}`, mood: 'wrong' });
  }
  rememberDeleted([id]);
  tell('gone', { id, aloud: 'Post deleted.' }); // what was opened meanwhile has it still
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
  if (me) findOrphans();
});
