// Signing in, by ClerkJS, which is never in the page's way: its scripts are
// injected, and whatever is asked of it has an end.

import { Problem, request } from './api.js';
import { clerkHost, proxyUrl, publishableKey } from '../config.js';
import { part, people, setMe } from './post.js';

/** When Clerk counts as slow, and as down, in ms; it may still come. */
const slowAfter = 4_000;
const downAfter = 20_000;

/** Longest wait for a token, in ms; ClerkJS tries for minutes. */
const tokenTimeout = 8_000;

const signIn = part(document, 'sign-in');
const signUp = part(document, 'sign-up');
const me = part(document, 'me');
const toast = part(document, 'toast');
const again = part(toast, 'again');
const source = proxyUrl || `https://${clerkHost}`;

/** @type {ClerkState} */
let state = 'starting';

/** What was asked for while Clerk was not there yet. @type {Modal | undefined} */
let wanted;
let opened = false;

let loading = false;
/** @type {number[]} */
let timers = [];

/** @type {string | false | undefined} */
let told;

/** Who is signed in; '' for nobody. Changes are announced as `session` on document. */
export let userId = '';

/**
 * Its signal is aborted when this person signs out or another one signs in.
 * What somebody begins takes the signal and ends with it.
 */
export let session = new AbortController();

// Narrows vercel.json's policy, which cannot know the host, to exactly this one.
const { origin } = new URL(source, location.href);
const shield = 'https://*.protect.clerk.com';
const policy = document.createElement('meta');
policy.httpEquiv = 'Content-Security-Policy';
policy.content = `script-src 'self' ${origin} https://challenges.cloudflare.com ${shield}; worker-src 'self' blob:; connect-src 'self' ${origin} ${shield}:*`;
document.head.append(policy);

/** @param {(to: string) => void} go where Clerk wants to go */
export async function connect(go) {
  again.onclick = () => connect(go);
  signIn.disabled = signUp.disabled = false;
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
    if (!clerk || !ClerkUI) throw Error('not loaded');
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
          colorNeutral: 'var(--ink)',
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
    if (wanted && !userId) open(wanted);
    wanted = undefined;
  } catch {
    become('down');
  }
  timers.forEach(clearTimeout);
  loading = false;
}

/** Ends with success or without: a second try must not load what still comes. @param {string} path */
const inject = (path) => new Promise((done) => {
  const script = document.createElement('script');
  script.async = false; // in order, ui first
  script.crossOrigin = 'anonymous';
  script.dataset.clerkPublishableKey = publishableKey;
  if (proxyUrl) script.dataset.clerkProxyUrl = proxyUrl;
  script.onload = script.onerror = done;
  script.src = `${source}/npm/${path}`;
  document.head.append(script);
});

/** @param {ClerkState} now */
function become(now) {
  if (state === 'ready') return;
  state = now;
  show();
}

/** Clerk calls it often. */
function show() {
  const user = window.Clerk?.user;
  const before = userId;
  userId = user?.id ?? '';
  if (user) people.set(userId, { id: userId, name: user.fullName, username: user.username, imageUrl: user.imageUrl });
  signIn.hidden = signUp.hidden = Boolean(user);
  me.hidden = !user;
  again.hidden = state !== 'down';
  const trouble = state === 'down' ? 'Signing in cannot be reached just now. Reading works; your draft is kept.'
    : state === 'slow' ? 'Signing in is slow just now. Reading works.'
    : state === 'starting' ? wanted && 'Signing in is on its way…'
    : window.Clerk?.status === 'degraded' && 'Signing in has trouble just now. Reading works.';
  const same = userId === before;
  if (!same || trouble !== told) say(trouble || (same || user ? '' : 'You are signed out. Reading goes on.'));
  told = trouble;
  if (same) return;
  session.abort();
  session = new AbortController();
  window.Clerk?.[user ? 'mountUserButton' : 'unmountUserButton'](me);
  setMe(userId);
  // The modal goes, and the focus with it.
  if (opened) setTimeout(() => document.activeElement === document.body && me.querySelector('button')?.focus(), 500);
  opened = false;
  document.dispatchEvent(new Event('session'));
}

/** @param {string} text */
function say(text) {
  part(toast, 'toast-says').textContent = text;
  toast.hidden = !text;
}

/** Opens Clerk's modal as soon as Clerk is there. @param {Modal} modal */
export function open(modal) {
  opened = true;
  if (state === 'ready') return window.Clerk?.[modal]({ fallbackRedirectUrl: location.href });
  wanted = modal;
  if (state === 'down') again.click();
  else show();
}

/**
 * Asks the API as the person whose session has this signal, never as another one.
 * A request that was sent goes to its end. A refused token is renewed once.
 * @param {string} path @param {How} how @param {AbortSignal} signal @returns {Promise<Answer>}
 */
export async function write(path, how, signal, renew = false) {
  const token = await Promise.race([
    signal.aborted || window.Clerk?.session?.getToken({ skipCache: renew }).catch(() => null),
    new Promise((done) => setTimeout(done, tokenTimeout)),
  ]);
  show(); // ClerkJS may know of another person before it tells
  if (signal.aborted || !userId) throw new Problem(401, 'You are signed out. Sign in to go on.');
  if (!token) throw new Problem(401, 'Signing in does not answer just now. Try again in a moment.');
  try {
    return await request(path, { ...how, token });
  } catch (error) {
    if (renew || !(error instanceof Problem) || error.status !== 401) throw error;
    return write(path, how, signal, true);
  }
}

addEventListener('online', () => state === 'down' && again.click());
signIn.onclick = () => open('openSignIn');
signUp.onclick = () => open('openSignUp');
part(toast, 'toast-close').onclick = () => (toast.hidden = true);
