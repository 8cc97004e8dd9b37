// The form that publishes a draft. draft.js keeps the text; this module sends it, waits where it has to, and says what
// became of it. A text is published by its writer only: what is on its way ends when they leave.

import { backoff, Problem } from './api.js';
import { remember, tell } from './changes.js';
import { part, say } from './elements.js';
import { me } from './people.js';
import { openSignIn, requestAsMe, sessionSignal, signedIn } from './session.js';
import { TextForm } from './textform.js';
import { tidy, validate } from './text.js';
import { fromNow, now } from './time.js';

/** Longest Retry-After to wait out, in seconds. */
const longestWait = 60;

const composer = new TextForm(part(document, 'composer'));
const { element, field } = composer;
const button = part(element, 'send');
let sending = false;
/** A text that was to be published while its writer was signed out or offline. */
let promised = '';

/** @param {string} text @param {import('./elements.js').Mood} [mood] */
const showMessage = (text, mood) => say(part(element, 'says'), text, mood);

const showAction = (action = 'Publish') => (button.textContent = signedIn ? action : 'Sign in to write');

/** Takes up a stored draft, if there is one and the field is empty. @param {string} [words] what is said then */
export async function findDraft(words = '') {
  if (await composer.open(me) && words) showMessage(words, 'done');
}

composer.onchange = () => {
  promised = '';
  showAction();
  showMessage('');
};

element.onsubmit = (event) => {
  event.preventDefault();
  publish();
};

async function publish() {
  if (sending) return;
  composer.read();
  const { value: text } = field;
  const content = tidy(text);
  const wrong = validate(content);
  if (wrong && (text || signedIn)) {
    showMessage(wrong, 'wrong');
    return field.focus();
  }
  if (!me) {
    promised = text;
    showMessage(text && 'Sign in to publish; your text is kept.');
    return openSignIn();
  }
  const signal = sessionSignal();
  showBusy(true);
  const id = -Date.now(); // until the server gives it one
  const createdAt = new Date(now()).toISOString();
  tell('sending', { post: { id, userId: me, content, createdAt, updatedAt: createdAt } });
  signal.addEventListener('abort', () => tell('unsent', { id }));
  try {
    const post = await composer.publish((key) => deliver(content, key, signal));
    remember(post, true);
    tell('post', { post, replaces: id });
    if (!signal.aborted) showPublished();
  } catch (error) {
    tell('unsent', { id });
    if (!signal.aborted) showFailure(error, text);
  }
  if (!signal.aborted) showBusy(false);
}

function showPublished() {
  showAction();
  showMessage('Published.', 'done');
  findDraft('Published. Here is another draft of yours.');
}

/** @param {any} error @param {string} text */
function showFailure(error, text) {
  const { earlierText } = error;
  const offline = !earlierText && !navigator.onLine;
  if (offline) promised = text;
  showAction(earlierText ? 'Publish' : 'Send again');
  showMessage(offline ? 'You are offline. Your text is kept, and sent when you are online again.' : explain(error), 'wrong');
}

/** Why a text was not published, and what to do. @param {any} error */
function explain({ earlierText, status, retryAfter, message }) {
  if (earlierText) return 'The first text was published. This would be a second post.';
  if (status === 429) return `Too soon after your last post. Send this one ${retryAfter ? fromNow(retryAfter) : 'later'}; your text is kept.`;
  return status ? message : 'No answer came. Your text is kept; sending it again cannot publish it twice.';
}

/** @param {boolean} busy */
function showBusy(busy) {
  sending = busy;
  field.readOnly = busy; // not disabled: it keeps the focus
  button.ariaDisabled = String(busy);
  if (busy) showMessage('');
}

/**
 * Sends a text, and waits out every "too soon", as long as the session goes on. Gives the post.
 * @param {string} content @param {string} key @param {AbortSignal} signal
 */
async function deliver(content, key, signal) {
  for (let tries = 0; ; tries++) {
    try {
      const post = await requestAsMe('/api/posts', { method: 'POST', key, content }, signal);
      // An earlier text, whose answer was lost, and whose edit is what came back.
      if (post.content !== content) throw new Problem(422, 'Another text has been published.');
      return post;
    } catch (error) {
      const { status, retryAfter } = error;
      if (status !== 429 || !retryAfter || retryAfter > longestWait || signal.aborted) throw error;
      const wait = backoff(tries, retryAfter);
      showMessage(`Too soon after your last post; it is sent by itself ${fromNow(wait / 1000)}.`);
      await new Promise((done) => setTimeout(done, wait));
      if (signal.aborted) throw error;
      showMessage('');
    }
  }
}

function keepPromise() {
  if (promised && promised === field.value) publish();
}

// What was on its way has ended with the session.
document.addEventListener('session', () => {
  showBusy(false);
  showMessage('');
  showAction();
  findDraft();
  if (document.querySelector('[aria-modal=true]')) keepPromise(); // else they thought better of it
  promised = '';
});

addEventListener('online', () => {
  if (me) keepPromise();
});

findDraft();
showAction();
button.disabled = false;
