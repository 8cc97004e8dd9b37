// What needs a person: signing in, the composer with its drafts, editing and deleting.

import { clerkHost, proxyUrl, publishableKey } from '../config.js';
import { backoff, Problem, request } from './api.js';
import { fillPost, postOf } from './article.js';
import { remember, tell } from './changes.js';
import { copy, part, say } from './elements.js';
import { moderator, people, setMe } from './people.js';
import { readStorage, storedNames, writeStorage } from './storage.js';
import { length, limit, tidy, validate } from './text.js';
import { fromNow } from './time.js';

// Signing in, by ClerkJS, which is never in the page's way: every wait for it ends.

/** When Clerk counts as slow, and as down, in ms; it may still come. */
const slowAfter = 4_000;
const downAfter = 20_000;
/** Longest waits, in ms: for a token, and for a draft's lock, which this tab may have held until its reload. */
const tokenTimeout = 8_000;
const lockTimeout = 500;
/** Longest Retry-After to wait out, in seconds. */
const longestWait = 60;

const signIn = part(document, 'sign-in');
const account = part(document, 'me');
const toast = part(document, 'toast');
const again = part(toast, 'again');
const source = proxyUrl || `https://${clerkHost}`;

let state = 'starting';
let wanted = false; // while Clerk was not there yet
let opened = false;
let loading = false;
let timers = [];
let told;

/** Who is signed in; '' for nobody. Changes are announced as `session` on document. */
let userId = '';
/** Until Clerk knows better, as it was at the last visit. */
let signedIn = Boolean(readStorage('localStorage', 'warble.signed-in'));

/** What somebody begins takes its signal, and ends when they sign out or another one signs in. */
let session = new AbortController();

// Narrows vercel.json's policy, which cannot know Clerk's host.
const { origin } = new URL(source, location.href);
const shield = 'https://*.protect.clerk.com';
document.head.append(Object.assign(document.createElement('meta'), {
  httpEquiv: 'Content-Security-Policy',
  content: `script-src 'self' ${origin} https://challenges.cloudflare.com ${shield}; worker-src 'self' blob:; connect-src 'self' ${origin} ${shield}:*`,
}));

export async function connect(go) {
  again.onclick = () => connect(go);
  signIn.disabled = false;
  become('starting');
  timers.forEach(clearTimeout);
  timers = [setTimeout(become, slowAfter, 'slow'), setTimeout(become, downAfter, 'down')];
  if (loading) return; // never twice; it may still come
  loading = true;
  try {
    await Promise.all([
      window.__internal_ClerkUICtor || inject('@clerk/ui@1/dist/ui.browser.js'),
      window.Clerk || inject('@clerk/clerk-js@6/dist/clerk.browser.js'),
    ]);
    const { Clerk: clerk, __internal_ClerkUICtor: ClerkUI } = window;
    if (!ClerkUI) throw Error('not loaded');
    await clerk.load({
      ui: { ClerkUI },
      routerPush: go,
      routerReplace: go,
      telemetry: false, // our policy does not allow its host
      appearance: {
        variables: {
          colorPrimary: 'var(--robin)', // --accent would be Clerk's own
          colorPrimaryForeground: 'var(--on-robin)',
          colorBackground: 'var(--card)',
          colorForeground: 'var(--ink)',
          colorNeutral: 'CanvasText',
          colorMutedForeground: 'var(--soft)',
          colorInput: 'var(--paper)',
          colorInputForeground: 'var(--ink)',
          borderRadius: '.75rem',
        },
      },
    });
    clerk.addListener(show);
    clerk.on('status', show);
    become('ready');
    if (wanted && !userId) openSignIn();
    wanted = false;
  } catch {
    become('down');
  }
  timers.forEach(clearTimeout);
  loading = false;
}

/** Ends without success too: a second try must not load what still comes. */
const inject = (path) => new Promise((done) => {
  const script = document.createElement('script');
  script.dataset.clerkPublishableKey = publishableKey;
  if (proxyUrl) script.dataset.clerkProxyUrl = proxyUrl;
  Object.assign(script, { async: false /* in order, ui first */, crossOrigin: 'anonymous', onload: done, onerror: done, src: `${source}/npm/${path}` });
  document.head.append(script);
});

function become(now) {
  if (state === 'ready') return;
  state = now;
  show();
}

function show() {
  const { user, session: now, status } = window.Clerk ?? {};
  const before = userId;
  const wasSignedIn = signedIn;
  userId = user?.id ?? '';
  signedIn = Boolean(user) || (signedIn && state !== 'ready' && state !== 'down');
  if (state === 'ready') writeStorage('localStorage', 'warble.signed-in', signedIn || null);
  if (user) people.set(userId, { id: userId, name: user.fullName, username: user.username, imageUrl: user.imageUrl });
  signIn.hidden = signedIn;
  account.hidden = !signedIn;
  again.hidden = state !== 'down';
  const trouble = state === 'down' ? 'Signing in cannot be reached just now. Reading works; your draft is kept.'
    : state === 'slow' ? 'Signing in is slow just now. Reading works.'
    : state === 'starting' ? wanted && 'Signing in is on its way…'
    : status === 'degraded' && 'Signing in has trouble just now. Reading works.';
  const ended = wasSignedIn && !signedIn && 'You are signed out. What you were writing is kept.';
  if (signedIn !== wasSignedIn || trouble !== told) {
    say(part(toast, 'toast-says'), trouble || ended || '', trouble ? '' : 'done');
    toast.hidden = !(trouble || ended);
  }
  told = trouble;
  // For the buttons; the server decides. The token can come later than the user.
  setMe(userId, /^(moderator|admin)$/.test(now?.lastActiveToken?.jwt?.claims.metadata?.role));
  if (userId === before && signedIn === wasSignedIn) return;
  if (userId !== before) {
    session.abort();
    session = new AbortController();
    if (user) {
      const yours = { label: 'Your posts', href: `/u/${userId}`, mountIcon: (at) => (at.textContent = '♪'), unmountIcon() {} };
      window.Clerk.mountUserButton(account, { customMenuItems: [yours] });
    } else window.Clerk.unmountUserButton(account);
    // Clerk's modal gives the focus back to what had it, but "Sign in" is gone.
    if (opened) setTimeout(() => document.activeElement === document.body && account.querySelector('button')?.focus(), 500);
    opened = false;
  }
  document.dispatchEvent(new Event('session'));
}

/** Opens Clerk's modal as soon as Clerk is there. */
function openSignIn() {
  opened = true;
  if (state === 'ready') return window.Clerk.openSignIn({ fallbackRedirectUrl: location.href });
  wanted = true;
  if (state === 'down') again.click();
  else show();
}

/** Asks the API as the person whose signal this is, never as another one. A refused token is renewed once. */
async function write(path, how, signal, renew = false) {
  const token = await Promise.race([
    signal.aborted || window.Clerk?.session?.getToken({ skipCache: renew }).catch(() => null),
    new Promise((done) => setTimeout(done, tokenTimeout)),
  ]);
  show(); // ClerkJS may know of another person before it tells
  if (signal.aborted || !userId) throw new Problem(401, 'You are signed out.');
  if (!token) throw new Problem(401, 'Signing in does not answer just now.');
  try {
    return await request(path, { ...how, token });
  } catch (error) {
    if (renew || error.status !== 401) throw error;
    return write(path, how, signal, true);
  }
}

addEventListener('online', () => state === 'down' && again.click());
signIn.onclick = openSignIn;
part(toast, 'toast-close').onclick = () => (toast.hidden = true);

/** Returns what shows the count. */
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
    event.preventDefault(); // or the button that gets the focus is pressed
    form.requestSubmit();
  });
  show();
  return show;
}

// Publishing. A draft has one idempotency key until it is published, so that it is never published twice.
// It belongs to its writer. One begun signed out becomes that of the next person to sign in.
// The tab that shows a draft holds a lock of its name, until it is gone: two tabs never write to one draft.

/** Begins the drafts' names. In sessionStorage it is that of this tab's last draft. */
const prefix = 'warble.draft';

const form = part(document, 'composer');
const field = part(form, 'draft');
const send = part(form, 'send');
const showCount = attachCounter(form);

/** Without a name while the field is empty. @type {Draft} */
let draft = { name: '', by: '', text: '' };
/** Releases its lock. */
let held = Promise.resolve(null);
let sending = false;
let promised = ''; // sent while signed out or offline

const showMessage = (text, mood) => say(part(form, 'says'), text, mood);

const showAction = (action = 'Publish') => (send.textContent = signedIn ? action : 'Sign in to write');

function store({ name, ...rest }) {
  writeStorage('localStorage', name, rest.text ? rest : null);
}

function begin(now, lock) {
  draft = now;
  held = lock;
  writeStorage('sessionStorage', prefix, draft.name);
}

function empty() {
  held.then((release) => release?.());
  draft = { name: '', by: '', text: '' };
  field.value = '';
  showCount();
}

/** Null when another tab has it. */
const lock = (name) => new Promise((done) => {
  const held = () => new Promise((release) => done(() => release(null)));
  navigator.locks.request(name, { signal: AbortSignal.timeout(lockTimeout) }, held).catch(() => done(null));
});

/** One of this person, or of nobody, that no tab has. */
async function findDraft() {
  const { signal } = session;
  const last = readStorage('sessionStorage', prefix);
  for (const name of storedNames(prefix).sort((a, b) => Number(b === last) - Number(a === last))) {
    if ((readStorage('localStorage', name)?.by || userId) !== userId) continue;
    const release = await lock(name);
    if (!release) continue;
    const found = readStorage('localStorage', name); // that tab may have published it
    if (draft.name || signal.aborted) return release();
    if (!found?.text) {
      release();
      continue;
    }
    begin({ ...found, name, by: userId }, Promise.resolve(release));
    field.value = found.text;
    showCount();
    store(draft);
    if (part(form, 'says').textContent) showMessage('Published. Here is another draft of yours.', 'done');
    return;
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
  promised = '';
  showAction();
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
  if (text !== draft.text) changed(); // by a browser's extension
  const content = tidy(text);
  const wrong = validate(text);
  if (wrong && (text || signedIn)) {
    showMessage(wrong, 'wrong');
    return field.focus();
  }
  if (!userId) {
    promised = text;
    showMessage(text && 'Sign in to publish; your text is kept.');
    return openSignIn();
  }
  const { signal } = session;
  const { name, key = crypto.randomUUID() } = draft;
  const again = Boolean(draft.key);
  draft.key = key;
  store(draft);
  busy(true);
  const id = -Date.now(); // until the server gives it one
  const createdAt = new Date().toISOString();
  tell('sending', { post: { id, userId, content, createdAt, updatedAt: createdAt } });
  signal.addEventListener('abort', () => tell('unsent', { id }));
  try {
    const post = await deliver(content, key, signal);
    // An earlier text, whose answer was lost.
    if (post.content !== content) throw new Problem(422, 'Another text has been published.');
    remember(post.id, post, true);
    tell('post', { post, replaces: id });
    published(name, text);
  } catch (error) {
    tell('unsent', { id });
    if (signal.aborted) return; // the draft keeps its key
    const { status, retryAfter, message } = error;
    const second = again && status === 422; // the first text has been published
    if (second) {
      delete draft.key;
      store(draft);
    }
    showAction(second ? 'Publish' : 'Send again');
    const offline = !second && !navigator.onLine;
    if (offline) promised = text;
    showMessage(second ? 'The first text was published. This would be a second post.'
      : offline ? 'You are offline. Your text is kept, and sent when you are online again.'
      : status === 429 ? `Too soon after your last post. Send this one ${retryAfter ? fromNow(retryAfter) : 'later'}; your text is kept.`
      : status ? message
      : 'No answer came. Your text is kept; sending it again cannot publish it twice.', 'wrong');
  }
  if (!signal.aborted) busy(false);
}

/** Unless it was changed meanwhile. */
function published(name, text) {
  const shown = draft.name === name;
  if ((shown ? draft : readStorage('localStorage', name))?.text !== text) return;
  store({ name, by: '', text: '' });
  if (!shown) return;
  empty();
  showAction();
  showMessage('Published.', 'done');
  findDraft();
}

function busy(is) {
  sending = is;
  field.readOnly = is; // not disabled: it keeps the focus
  send.ariaDisabled = String(is);
  if (is) showMessage('');
}

/** Waits out every "too soon", as long as the session goes on. */
async function deliver(content, key, signal) {
  for (let tries = 0; ; tries++) {
    try {
      return await write('/api/posts', { method: 'POST', key, content }, signal);
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

// What was on its way has ended with the session.
document.addEventListener('session', () => {
  dialog.close();
  busy(false);
  showMessage('');
  showAction();
  if (draft.by && draft.by !== userId) empty();
  else if (draft.name) {
    draft.by = userId;
    store(draft);
  }
  if (document.querySelector('[aria-modal=true]')) keepPromise(); // else they thought better of it
  promised = '';
  findDraft();
});

const keepPromise = () => promised && promised === field.value && publish();

addEventListener('online', () => userId && keepPromise());

// Editing and deleting are shown at once, and taken back when refused.

const dialog = part(document, 'ask');

const unsaved = ({ id, userId }) => `warble.edit.${userId}.${id}`;

document.addEventListener('click', ({ target }) => {
  const button = target.closest('[data-edit], [data-delete]');
  const article = button?.closest('article');
  const post = article && postOf(article);
  if (!post) return;
  const own = post.userId === userId;
  if (button.matches('[data-delete]')) (own || moderator) && remove(post);
  else if (own) edit(article, post);
});

function edit(article, post) {
  const { signal } = session;
  const form = copy('edit');
  const field = part(form, 'draft');
  field.value = readStorage('localStorage', unsaved(post)) || post.content;
  if (field.value !== post.content) part(form, 'says').textContent = 'You had not saved this.';
  attachCounter(form);
  field.addEventListener('input', () => writeStorage('localStorage', unsaved(post), field.value));
  const close = () => {
    if (!form.parentNode) return;
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
    say(part(form, 'says'), wrong, 'wrong');
    if (wrong) return field.focus();
    if (content === post.content) return cancel();
    close();
    save(article, post, content, signal);
  };
  article.classList.add('editing');
  article.lastElementChild?.append(form);
  field.focus();
  field.setSelectionRange(999, 999);
}

async function save(article, post, content, signal) {
  const { id } = post;
  writeStorage('localStorage', unsaved(post), content);
  fillPost(article, { ...post, content, updatedAt: new Date().toISOString() });
  say(part(article, 'says'), 'Saving…');
  try {
    const { updatedAt } = await write(`/api/posts/${id}`, { method: 'PATCH', content }, signal);
    saved({ ...post, content, updatedAt });
  } catch (error) {
    const now = await current(post, error, signal);
    if (now?.content === content) return saved(now);
    tell('post', { post: now ?? post, says: signal.aborted ? '' : `Not saved: ${error.message} “Edit” has your text.`, mood: 'wrong' });
  }
}

function saved(post) {
  if (readStorage('localStorage', unsaved(post)) === post.content) writeStorage('localStorage', unsaved(post), null);
  remember(post.id, post);
  tell('post', { post, says: 'Saved.', mood: 'done' });
}

/** Asks before something that cannot be undone, and ends only with a yes. */
const ask = (title, text, action) => new Promise((done) => {
  const yes = part(dialog, 'ask-yes');
  part(dialog, 'ask-title').textContent = title;
  part(dialog, 'ask-text').textContent = text;
  yes.textContent = action;
  yes.onclick = () => setTimeout(done); // when the dialog has given the focus back
  dialog.showModal();
});

async function remove(post) {
  const { id } = post;
  const { signal } = session;
  await ask('Delete this post?', post.content, 'Delete');
  tell('gone', { id, aloud: 'Post deleted.' });
  try {
    await write(`/api/posts/${id}`, { method: 'DELETE' }, signal);
  } catch (error) {
    const now = await current(post, error, signal);
    if (now) return tell('post', { post: now, says: signal.aborted ? '' : `Not deleted: ${error.message}`, mood: 'wrong' });
  }
  writeStorage('localStorage', unsaved(post), null);
  remember(id, null);
}

/** The post after a change whose answer may be lost: null when it is gone. */
async function current(post, error, signal) {
  try {
    const { status } = error;
    if (status === 404) return null;
    return status && status < 500 ? post : await write(`/api/posts/${post.id}`, {}, signal);
  } catch (again) {
    return again.status === 404 ? null : post;
  }
}

// All posts of the person whose page is shown.

let clearing = false;

const onAll = (name, act) => document.addEventListener('click', async ({ target }) => {
  if (!target.matches(`[data-${name}]`)) return;
  const line = part(target.parentNode, 'progress');
  try {
    await act(`/api/posts?userId=${location.pathname.slice(3)}`, session.signal, line, target);
  } catch (error) {
    say(line, error.message, 'wrong');
  }
});

onAll('download', async (path, signal, line) => {
  const posts = [];
  for (let next = ''; next != null;) {
    const page = await write(`${path}&limit=100${next && `&before=${next}`}`, {}, signal);
    posts.push(...page.posts);
    next = page.next;
    say(line, `${posts.length} posts…`);
  }
  const href = URL.createObjectURL(new Blob([JSON.stringify(posts, null, 2)], { type: 'application/json' }));
  Object.assign(document.createElement('a'), { href, download: 'warble-posts.json' }).click();
  say(line, `${posts.length} posts downloaded.`, 'done');
});

onAll('clear', async (path, signal, line, button) => {
  if (clearing) return clearing = false; // it says "Stop"
  const name = document.querySelector('h1').textContent;
  await ask(`Delete all posts of ${name}?`, 'They cannot be brought back.', 'Delete');
  const label = button.textContent;
  button.textContent = 'Stop';
  clearing = true;
  let count = 0;
  let more = true;
  try {
    while (more && clearing) {
      const answer = await write(path, { method: 'DELETE' }, signal);
      count += answer.deleted;
      more = answer.more;
      say(line, `${count} posts deleted${more ? clearing ? '…' : '. There are more.' : '.'}`);
    }
  } finally {
    clearing = false;
    button.textContent = label;
  }
  if (more) return;
  for (const { id } of [...document.querySelectorAll('article')].map(postOf)) {
    tell('gone', { id });
    remember(id, null);
  }
});

// Keys do nothing in fields, and while a dialog is open.
document.addEventListener('keydown', (event) => {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  if (ctrlKey || metaKey || altKey || target.closest('input, textarea, select') || document.querySelector('[open], [role=dialog], [role=menu]')) return;
  if (key === 'n') part(document, 'write').click();
  else if (key === '?') part(document, 'keys').showModal();
  else return;
  event.preventDefault();
});

if (field.value) changed(); // somebody was faster than this module
findDraft();
showAction();
send.disabled = false;
