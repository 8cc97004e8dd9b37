// Publishing. A draft has one idempotency key until it is published, also after
// a reload or a change: no lost answer and no second click publishes it twice.
//
// A draft belongs to the person who wrote it. One that was begun signed out belongs
// to nobody, and becomes that of the next person to sign in. Each draft is stored
// under its own name, and the tab that shows it holds a lock of that name. So two
// tabs never write to one draft. The browser releases the lock when the tab is
// gone; then the next tab finds the draft.

import { backoff, Problem } from './api.js';
import { part } from './post.js';
import { open, session, userId, write } from './session.js';
import { emit, readStorage, remember, storedNames, writeStorage } from './storage.js';
import { attachCounter, validate, tidy } from './text.js';
import { fromNow } from './time.js';

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

if (field.value) changed(); // somebody was faster than this module
findDraft();
send.disabled = false;
