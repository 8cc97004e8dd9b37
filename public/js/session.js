// Who is signed in, by ClerkJS: it is loaded out of the page's way, and every wait for it ends. people.js knows who
// the person is; this module has their token, and says when they come and go. It knows nothing of posts.

import { clerkHost, proxyUrl, publishableKey } from '../config.js';
import { Problem, request } from './api.js';
import { part, say } from './elements.js';
import { me, people, setMe } from './people.js';
import { readStorage, writeStorage } from './storage.js';

/** When Clerk counts as slow, and as down, in ms; it may still come. */
const slowAfter = 4_000;
const downAfter = 20_000;
/** Longest wait for a token, in ms. */
const tokenTimeout = 8_000;
/** How long Clerk's modal takes to go, in ms. */
const modalTime = 500;

/** In localStorage: whether somebody was signed in at the last visit. */
const lastVisit = 'warble.signed-in';

const signInButton = part(document, 'sign-in');
const account = part(document, 'me');
const toast = part(document, 'toast');
const tryAgain = part(toast, 'again');
const source = proxyUrl || `https://${clerkHost}`;

/** @typedef {'starting' | 'slow' | 'down' | 'ready'} ClerkState */

/**
 * What of ClerkJS 6 this page uses.
 * @typedef {object} ClerkJS
 * @property {(options: object) => Promise<void>} load
 * @property {string} status
 * @property {(event: 'status', listener: () => void) => void} on
 * @property {(listener: () => void) => void} addListener
 * @property {{ id: string, fullName?: string, username?: string, imageUrl?: string }} [user]
 * @property {ClerkSession} [session]
 * @property {(options: object) => void} openSignIn
 * @property {(element: HTMLElement, options: object) => void} mountUserButton
 * @property {(element: HTMLElement) => void} unmountUserButton
 *
 * @typedef {object} ClerkSession
 * @property {(options: { skipCache: boolean }) => Promise<string>} getToken
 * @property {{ jwt?: { claims: { metadata?: { role?: string } } } }} [lastActiveToken]
 */

/** The window, in which ClerkJS's two scripts leave it. @type {{ Clerk?: ClerkJS, __internal_ClerkUICtor?: unknown }} */
const scope = /** @type {any} */ (window);

/** @type {ClerkState} */
let state = 'starting';
/** Somebody asked to sign in before Clerk was there. */
let wanted = false;
/** What had the focus when Clerk's modal was opened. @type {Element | null} */
let opener = null;
let loading = false;
/** @type {number[]} */
let timers = [];
/** The trouble that the toast tells. */
let told = '';

/** Whether somebody is signed in. Until Clerk knows better, as it was at the last visit. Changes are announced as `session` on document. */
export let signedIn = Boolean(readStorage('localStorage', lastVisit));

let session = new AbortController();

/** Ends when who is signed in leaves. What somebody begins takes it, and ends with it. */
export const sessionSignal = () => session.signal;

// Narrows vercel.json's policy, which cannot know Clerk's host.
const { origin } = new URL(source, location.href);
const shield = 'https://*.protect.clerk.com';
document.head.append(Object.assign(document.createElement('meta'), {
  httpEquiv: 'Content-Security-Policy',
  content: `script-src 'self' ${origin} https://challenges.cloudflare.com ${shield}; worker-src 'self' blob:; connect-src 'self' ${origin} ${shield}:*`,
}));

/** Loads ClerkJS; it may be called again when that failed. @param {(to: string) => void} go leads to a place of this site */
export async function connect(go) {
  tryAgain.onclick = () => connect(go);
  signInButton.disabled = false;
  become('starting');
  timers.forEach(clearTimeout);
  timers = [setTimeout(become, slowAfter, 'slow'), setTimeout(become, downAfter, 'down')];
  if (loading) return; // never twice; it may still come
  loading = true;
  try {
    await load(go);
  } catch (error) {
    become('down');
    // ClerkJS marks its own errors, the network's among them. Another one is a mistake, which whoever edits this sees.
    if (!error.clerkError) reportError(error);
  }
  timers.forEach(clearTimeout);
  loading = false;
}

/** @param {(to: string) => void} go */
async function load(go) {
  await Promise.all([
    scope.__internal_ClerkUICtor || inject('@clerk/ui@1/dist/ui.browser.js'),
    scope.Clerk || inject('@clerk/clerk-js@6/dist/clerk.browser.js'),
  ]);
  const { Clerk: clerk, __internal_ClerkUICtor: ClerkUI } = scope;
  if (!clerk || !ClerkUI) return become('down');
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
  clerk.addListener(update);
  clerk.on('status', update);
  become('ready');
  if (wanted && !me) openSignIn();
  wanted = false;
}

/** Ends without success too: a second try must not load what still comes. @param {string} path */
const inject = (path) => new Promise((done) => {
  const script = document.createElement('script');
  script.dataset.clerkPublishableKey = publishableKey;
  if (proxyUrl) script.dataset.clerkProxyUrl = proxyUrl;
  Object.assign(script, { async: false /* in order, ui first */, crossOrigin: 'anonymous', onload: done, onerror: done, src: `${source}/npm/${path}` });
  document.head.append(script);
});

/** @param {ClerkState} now */
function become(now) {
  if (state === 'ready') return;
  state = now;
  update();
}

/** Takes over from ClerkJS who is signed in, and shows it. */
function update() {
  const { user, session: clerkSession } = scope.Clerk ?? {};
  const before = me;
  const wasSignedIn = signedIn;
  const known = state === 'ready' || state === 'down';
  signedIn = Boolean(user) || (signedIn && !known);
  if (state === 'ready') writeStorage('localStorage', lastVisit, signedIn || null);
  if (user) people.set(user.id, { id: user.id, name: user.fullName, username: user.username, imageUrl: user.imageUrl });
  // For the buttons; the server decides. The token can come later than the user.
  const { role } = clerkSession?.lastActiveToken?.jwt?.claims.metadata ?? {};
  setMe(user?.id ?? '', role === 'moderator' || role === 'admin');
  signInButton.hidden = signedIn;
  account.hidden = !signedIn;
  showToast(wasSignedIn);
  if (me === before && signedIn === wasSignedIn) return;
  if (me !== before) changePerson();
  document.dispatchEvent(new Event('session'));
}

/** What is wrong with signing in, in words for people; '' when nothing is. */
function trouble() {
  if (state === 'down') return 'Signing in cannot be reached just now. Reading works; your draft is kept.';
  if (state === 'slow') return 'Signing in is slow just now. Reading works.';
  if (state === 'starting') return wanted ? 'Signing in is on its way…' : '';
  return scope.Clerk?.status === 'degraded' ? 'Signing in has trouble just now. Reading works.' : '';
}

/** Says each thing once, so that it can be dismissed. @param {boolean} wasSignedIn */
function showToast(wasSignedIn) {
  tryAgain.hidden = state !== 'down';
  const now = trouble();
  if (signedIn === wasSignedIn && now === told) return;
  told = now;
  const ended = wasSignedIn && !signedIn ? 'You are signed out. What you were writing is kept.' : '';
  say(part(toast, 'toast-says'), now || ended, now ? '' : 'done');
  toast.hidden = !now && !ended;
}

/** Ends what the person before had begun, and shows the account of the one who is there now. */
function changePerson() {
  session.abort();
  session = new AbortController();
  if (me) {
    const yours = { label: 'Your posts', href: `/u/${me}`, mountIcon: (/** @type {HTMLElement} */ icon) => (icon.textContent = '♪'), unmountIcon() {} };
    scope.Clerk.mountUserButton(account, { customMenuItems: [yours] });
  } else {
    scope.Clerk.unmountUserButton(account);
  }
  if (opener) setTimeout(giveFocusBack, modalTime, opener);
  opener = null;
}

/**
 * Gives the focus back to what had it. It waits until the modal is gone and the account is drawn, which takes longer on a
 * slow device, and once more: Clerk moves the focus a moment after the modal is gone. "Sign in" is gone then and cannot
 * have it: the account has it in its place. @param {HTMLElement} to
 */
function giveFocusBack(to, ready = false) {
  const button = account.querySelector('button');
  const isReady = !me || Boolean(button && !document.querySelector('[aria-modal=true]'));
  if (!ready || !isReady) return setTimeout(giveFocusBack, modalTime, to, isReady);
  for (const element of [to, button]) {
    if (document.activeElement === document.body) element?.focus();
  }
}

/** Opens Clerk's modal as soon as Clerk is there. */
export function openSignIn() {
  opener = document.activeElement;
  if (state === 'ready') return scope.Clerk.openSignIn({ fallbackRedirectUrl: location.href });
  wanted = true;
  if (state === 'down') tryAgain.click();
  else update();
}

/**
 * Asks the API as the person whose signal this is, never as another one. A refused token is renewed once.
 * @param {string} path @param {import('./api.js').How} how @param {AbortSignal} signal @returns {Promise<any>}
 */
export async function requestAsMe(path, how, signal, renew = false) {
  const token = await Promise.race([
    signal.aborted || scope.Clerk?.session?.getToken({ skipCache: renew }).catch(() => ''),
    new Promise((done) => setTimeout(done, tokenTimeout)),
  ]);
  update(); // ClerkJS may know of another person before it tells
  if (signal.aborted || !me) throw new Problem(401, 'You are signed out.');
  if (!token) throw new Problem(401, 'Signing in does not answer just now.');
  try {
    return await request(path, { ...how, token });
  } catch (error) {
    if (renew || error.status !== 401) throw error;
    return requestAsMe(path, how, signal, true);
  }
}

addEventListener('online', () => {
  if (state === 'down') tryAgain.click();
});
signInButton.onclick = openSignIn;
part(toast, 'toast-close').onclick = () => (toast.hidden = true);
