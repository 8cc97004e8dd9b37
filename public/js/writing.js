// Writing: the rules of a text, the composer with its drafts, editing and deleting.

import { backoff, emit, Problem, readStorage, remember, storedNames, writeStorage } from './api.js';
import { copy, fillPost, fromNow, part, postOf } from './post.js';
import { open, session, userId, write } from './session.js';

/** Most code points of a post (contract.md). */
const limit = 200;

/** As the server keeps it. @param {string} text */
export const tidy = (text) => text.toWellFormed().replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');

/** @param {string} text */
const length = (text) => [...tidy(text)].length;

/** A character that a reader can see, as package post of the server has it. */
const visible = /[^\p{White_Space}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** What is wrong with a text; '' when nothing is. @param {string} text */
export function validate(text) {
  const over = length(text) - limit;
  if (over > 0) return `Too long by ${over}.`;
  if (/[^\P{Cc}\n\t]/u.test(text)) return 'Control characters cannot be published.';
  return visible.test(text) ? '' : 'Write something first.';
}

/**
 * Makes a form's counter follow its text, and Ctrl/Cmd+Enter send it.
 * @param {HTMLFormElement} form @returns what shows the count after a change by script
 */
function attachCounter(form) {
  const draft = part(form, 'draft');
  const show = () => {
    const used = length(draft.value);
    part(form, 'count').textContent = `${used} / ${limit}`;
    part(form, 'meter').style.setProperty('--used', String(Math.min(used / limit, 1)));
    form.classList.toggle('over', used > limit);
    draft.ariaInvalid = String(used > limit);
  };
  draft.addEventListener('input', show);
  draft.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault(); // the focus may move to a button, which would be pressed
    form.requestSubmit();
  });
  show();
  return show;
}

// Publishing. A draft has one idempotency key until it is published, also after
// a reload or a change: no lost answer and no second click publishes it twice.
//
// A draft belongs to the person who wrote it. One that was begun signed out belongs
// to nobody, and becomes that of the next person to sign in. Each draft is stored
// under its own name, and the tab that shows it holds a lock of that name. So two
// tabs never write to one draft. The browser releases the lock when the tab is
// gone; then the next tab finds the draft.

/** Longest Retry-After to wait out, in seconds. */
const longestWait = 60;

/** Longest wait for a draft's lock, in ms: this tab may have held it until its reload. */
const lockTimeout = 500;

/** Begins the drafts' names. In sessionStorage it is the name of this tab's last draft. */
const prefix = 'warble.draft';

const form = part(document, 'composer');
const field = part(form, 'draft');
const send = part(form, 'send');
const showCount = attachCounter(form);

/** The one in the field; without a name while that is empty. @type {Draft} */
let draft = { name: '', by: '', text: '' };
/** Releases the draft's lock. @type {Promise<(() => void) | null>} */
let held = Promise.resolve(null);
let sending = false;

/** @param {string} text */
const showMessage = (text) => (part(form, 'says').textContent = text);

/** @param {Draft} draft without a text it is removed */
function store({ name, ...rest }) {
  writeStorage('localStorage', name, rest.text ? rest : null);
}

/** Makes a draft, of which this tab has the lock, the one of this tab. @param {Draft} now @param {typeof held} lock */
function begin(now, lock) {
  draft = now;
  held = lock;
  writeStorage('sessionStorage', prefix, draft.name);
}

/** Empties the field; a stored draft stays stored. */
function empty() {
  held.then((release) => release?.());
  draft = { name: '', by: '', text: '' };
  field.value = '';
  showCount();
}

/** @param {string} name @returns {typeof held} null when another tab has it */
const lock = (name) => new Promise((done) => {
  if (!navigator.locks) return done(() => {});
  const held = () => new Promise((release) => done(() => release(null)));
  navigator.locks.request(name, { signal: AbortSignal.timeout(lockTimeout) }, held).catch(() => done(null));
});

/** Shows a draft of this person, or of nobody, that no tab has; this tab's last one first. */
async function findDraft() {
  const { signal } = session;
  const last = readStorage('sessionStorage', prefix);
  for (const name of storedNames(prefix).sort((a, b) => Number(b === last) - Number(a === last))) {
    if ((readStorage('localStorage', name)?.by || userId) !== userId) continue;
    const release = await lock(name);
    if (!release) continue;
    const found = readStorage('localStorage', name); // the tab that had it may have published it
    if (draft.name || signal.aborted) return release();
    if (!found?.text) {
      release();
      continue;
    }
    begin({ ...found, name, by: userId }, Promise.resolve(release));
    field.value = found.text;
    showCount();
    store(draft);
    return true;
  }
}

function changed() {
  const text = field.value;
  if (!draft.name) {
    const name = `${prefix}.${crypto.randomUUID()}`;
    begin({ name, by: userId, text }, lock(name));
  }
  draft.text = text;
  store(draft);
  if (!text) empty();
  send.textContent = 'Publish';
  showMessage('');
}

field.addEventListener('input', changed);

form.onsubmit = (event) => {
  event.preventDefault();
  publish();
};

async function publish() {
  if (sending) return;
  const text = field.value;
  if (text !== draft.text) changed(); // a browser's extension may fill the field without an event
  const content = tidy(text);
  const wrong = validate(text);
  showMessage(wrong || 'Sign in to publish; your draft is kept.');
  if (wrong) return field.focus();
  if (!userId) return open('openSignIn');
  const { signal } = session;
  const { name, key = crypto.randomUUID() } = draft;
  const again = Boolean(draft.key);
  draft.key = key;
  store(draft);
  busy(true);
  const id = -Date.now(); // until the server gives it one
  const createdAt = new Date().toISOString();
  emit('sending', { post: { id, userId, content, createdAt, updatedAt: createdAt } });
  signal.addEventListener('abort', () => emit('unsent', { id }));
  try {
    const post = await deliver(content, key, signal);
    // Of an earlier text, of which the answer was lost.
    if (post.content !== content) throw new Problem(422, 'Another text has been published.');
    remember(post.id, post, true);
    emit('post', { post, replaces: id });
    published(name, text);
  } catch (error) {
    emit('unsent', { id });
    if (signal.aborted) return; // the draft keeps its key for when its author is back
    const { status, retryAfter, message } = /** @type {Problem} */ (error);
    const second = again && status === 422; // the first text has been published
    if (second) {
      delete draft.key;
      store(draft);
    }
    send.textContent = second ? 'Publish' : 'Send again';
    showMessage(second ? 'What you sent first had been published. This would be a second post.'
      : status === 429 ? `Too soon after your last post. Send this one ${retryAfter ? fromNow(retryAfter) : 'later'}; your text is kept.`
      : status ? message
      : 'No answer came. Your text is kept; sending it again cannot publish it twice.');
  }
  if (!signal.aborted) busy(false);
}

/** Ends a draft, wherever it is now, unless it was changed meanwhile. @param {string} name @param {string} text */
function published(name, text) {
  const shown = draft.name === name;
  if ((shown ? draft : readStorage('localStorage', name))?.text !== text) return;
  store({ name, by: '', text: '' });
  if (!shown) return;
  empty();
  send.textContent = 'Publish';
  showMessage('Published.');
  findDraft().then((found) => found && showMessage('Published. Here is another draft of yours.'));
}

/** @param {boolean} is */
function busy(is) {
  sending = is;
  field.readOnly = is; // not disabled: it keeps the focus
  send.ariaDisabled = String(is);
  if (is) showMessage('');
}

/**
 * Waits out every "too soon", as long as the session goes on.
 * @param {string} content @param {string} key @param {AbortSignal} signal @returns {Promise<Post>}
 */
async function deliver(content, key, signal) {
  for (let tries = 0; ; tries++) {
    try {
      return (await write('/api/posts', { method: 'POST', key, content }, signal)).body;
    } catch (error) {
      const { status, retryAfter } = /** @type {Problem} */ (error);
      if (status !== 429 || !retryAfter || retryAfter > longestWait || signal.aborted) throw error;
      showMessage('A moment after your last post; it is sent by itself.');
      for (let left = Math.ceil(backoff(tries, retryAfter) / 1000); left > 0; left--) {
        showCountdown(`${left} s`);
        await new Promise((done) => setTimeout(done, 1_000));
        if (signal.aborted) throw error;
      }
      showCountdown('');
      showMessage('');
    }
  }
}

/** @param {string} text */
const showCountdown = (text) => (part(form, 'tick').textContent = text);

// What is on its way has ended with the session, and so does a message about it.
document.addEventListener('session', () => {
  busy(false);
  showCountdown('');
  showMessage('');
  send.textContent = 'Publish';
  if (draft.by && draft.by !== userId) {
    empty();
    if (!userId) showMessage('Your draft is kept until you sign in again.');
  } else if (draft.name) {
    draft.by = userId;
    store(draft);
  }
  findDraft();
});

// Editing and deleting one's own posts: at once, and taken back when refused.

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

if (field.value) changed(); // somebody was faster than this module
findDraft();
send.disabled = false;
