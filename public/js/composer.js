// Publishing. A draft has one idempotency key until it is published, also after
// a reload or a change: no lost answer and no second click publishes it twice.

import { part } from './post.js';
import { open, userId, write } from './session.js';
import { emit, readStorage, remember, writeStorage } from './storage.js';
import { attachCounter, validate, tidy } from './text.js';

/** Longest Retry-After to wait out, in seconds. */
const longestWait = 60;

const form = part(document, 'composer');
const field = part(form, 'draft');
const send = part(form, 'send');
const showCount = attachCounter(form);
const name = 'warble.draft';

/** @returns {Draft} */
const stored = () => readStorage('localStorage', name) ?? { text: '' };
let draft = stored();
let sending = false;

if (field.value) changed(); // somebody was faster than this module
else restore();
send.disabled = false;

function restore() {
  field.value = draft.text;
  showCount();
}

/** @param {string} text */
const say = (text) => (part(form, 'says').textContent = text);

/** @param {Draft} now */
function save(now) {
  draft = now;
  writeStorage('localStorage', name, now.text ? now : null);
}

function changed() {
  const text = field.value;
  save(text ? { ...draft, text } : { text });
  send.textContent = 'Publish';
  say('');
}

field.addEventListener('input', changed);

// Another tab has published this very draft.
addEventListener('storage', ({ key, oldValue }) => {
  if (key !== name || sending || stored().text || field.value !== JSON.parse(oldValue ?? 'null')?.text) return;
  draft = stored();
  restore();
});

form.onsubmit = (event) => {
  event.preventDefault();
  publish();
};

async function publish() {
  if (sending) return;
  const text = field.value;
  const content = tidy(text);
  const wrong = validate(text);
  say(wrong || 'Sign in to publish; your draft is kept.');
  if (wrong) return field.focus();
  if (!userId) return open('openSignIn');
  // Another tab may have sent this very text: then it is one post.
  const before = [draft, stored()].find((one) => one.by === userId && (one === draft || one.sent === content));
  const key = before?.key ?? crypto.randomUUID();
  const id = -Date.now(); // until the server gives it one
  const createdAt = new Date().toISOString();
  save({ text, sent: content, key, by: userId });
  busy(true);
  emit('sending', { post: { id, userId, content, createdAt, updatedAt: createdAt } });
  try {
    const post = await deliver(content, key);
    remember(post.id, post, true);
    emit('post', { post, replaces: id });
    field.value = '';
    showCount();
    changed();
    say('Published.');
  } catch (error) {
    emit('unsent', { id });
    const { status, message } = /** @type {Problem} */ (error);
    const second = before && status === 422; // the first text has been published
    if (second) save({ text });
    send.textContent = second ? 'Publish' : 'Send again';
    say(second ? 'What you sent first had been published. This would be a second post.'
      : status ? message
      : 'No answer came. Your text is kept; sending it again cannot publish it twice.');
  }
  busy(false);
}

/** @param {boolean} is */
function busy(is) {
  sending = is;
  field.readOnly = is; // not disabled: it keeps the focus
  send.ariaDisabled = String(is);
  if (is) say('');
}

/**
 * Waits out every "too soon".
 * @param {string} content @param {string} key
 */
async function deliver(content, key) {
  for (;;) {
    try {
      return (await write('/api/posts', { method: 'POST', key, content })).body;
    } catch (error) {
      const { status, retryAfter } = /** @type {Problem} */ (error);
      if (status !== 429 || !retryAfter || retryAfter > longestWait) throw error;
      say('A moment after your last post; it is sent by itself.');
      for (let left = retryAfter; left > 0; left--) {
        part(form, 'tick').textContent = `${left} s`;
        await new Promise((done) => setTimeout(done, 1_000));
      }
      part(form, 'tick').textContent = '';
      say('');
    }
  }
}

document.addEventListener('session', () => sending || say(''));
