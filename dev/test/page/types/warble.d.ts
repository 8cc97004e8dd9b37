// Shapes that public/js shares, for `tsc --checkJs` only. Nothing here is served,
// so that the page does not carry its types to its readers.

/** A profile as the API gives it: Post.author of public/openapi.json. */
interface Author {
  id: string;
  name?: string | null;
  username?: string | null;
  imageUrl?: string | null;
}

/** A post as the API gives it; one that is on its way has a negative id. */
interface Post {
  id: number;
  userId: string;
  content: string;
  createdAt: string;
  updatedAt: string;
  author?: Author;
}

/** A place in the feed's order: a post's. top is how far down the window it is, in px. */
interface Position {
  id: number;
  createdAt: string;
  top?: number;
}

/** What is shown: the feed, one person's posts, or one post; id is '' for the feed. */
interface Place {
  kind: "all" | "user" | "post";
  id: string;
}

/** One's own change that the server has accepted at that time (ms); post is null when it was deleted. */
interface OwnChange {
  id: number;
  post: Post | null;
  created: boolean;
  at: number;
}

type NewsType = "sending" | "unsent" | "post" | "gone";

/**
 * News of one's own posts, told to every list that is shown or kept:
 * `sending` {post}, `unsent` {id}, `post` {post, replaces?, says?}, `gone` {id, aloud}.
 */
interface News {
  post: Post;
  id: number;
  /** The id that the post had while it was on its way. */
  replaces: number;
  /** Shown in the post. */
  says: string;
  mood: Mood;
  /** For screen readers. */
  aloud: string;
}

/** How a line says something: that it is done, that it went wrong, or neither. */
type Mood = "" | "done" | "wrong";

/** What keeps something in the browser: all tabs, or this one. */
type Where = "localStorage" | "sessionStorage";

/** How the API is asked: key is the Idempotency-Key, content makes the body. */
interface How {
  method?: string;
  token?: string;
  key?: string;
  content?: string;
}

/** A refusal by the API, or no answer. */
type Problem = import("../../../../public/js/api.js").Problem;

/** The elements that scripts take hold of, by their data- attribute. */
interface Parts {
  "again": HTMLElement;
  "all": HTMLElement;
  "ask": HTMLDialogElement;
  "atom": HTMLLinkElement;
  "ask-text": HTMLElement;
  "ask-title": HTMLElement;
  "ask-yes": HTMLElement;
  "by": HTMLAnchorElement;
  "cancel": HTMLElement;
  "clear": HTMLElement;
  "composer": HTMLFormElement;
  "count": HTMLElement;
  "delete": HTMLElement;
  "download": HTMLElement;
  "draft": HTMLTextAreaElement;
  "edit": HTMLElement;
  "edited": HTMLElement;
  "face": HTMLAnchorElement;
  "fresh": HTMLElement;
  "handle": HTMLElement;
  "keys": HTMLDialogElement;
  "letters": HTMLInputElement;
  "line": HTMLElement;
  "link": HTMLAnchorElement;
  "me": HTMLElement;
  "meter": HTMLElement;
  "more": HTMLElement;
  "name": HTMLElement;
  "older": HTMLElement;
  "place": HTMLElement;
  "posts": HTMLElement;
  "says": HTMLElement;
  "progress": HTMLElement;
  "send": HTMLButtonElement;
  "share": HTMLElement;
  "sign-in": HTMLButtonElement;
  "text": HTMLElement;
  "time": HTMLTimeElement;
  "title": HTMLElement;
  "toast": HTMLElement;
  "toast-close": HTMLElement;
  "toast-says": HTMLElement;
  "who": HTMLAnchorElement;
  "write": HTMLElement;
}

/** The element of a name in an element that has one. */
type PartOf = <K extends keyof Parts>(root: ParentNode, name: K) => Parts[K];

/** The templates of index.html, by id. */
interface Templates {
  edit: HTMLFormElement;
  place: HTMLElement;
  post: HTMLElement;
  skeleton: HTMLElement;
}

/** A new copy of what a template holds. */
type CopyOf = <K extends keyof Templates>(id: K) => Templates[K];

/** What of ClerkJS 6 the page uses. */
interface ClerkUser {
  id: string;
  fullName?: string | null;
  username?: string | null;
  imageUrl?: string | null;
}

interface ClerkSession {
  getToken(options?: { skipCache?: boolean }): Promise<string | null>;
  lastActiveToken?: { jwt?: { claims: { metadata?: { role?: string } } } } | null;
}

interface ClerkJS {
  load(options: object): Promise<void>;
  status: string;
  on(event: "status", listener: () => void): void;
  user?: ClerkUser | null;
  session?: ClerkSession | null;
  addListener(listener: (resources: { user?: ClerkUser | null }) => void): () => void;
  openSignIn(options?: object): void;
  mountUserButton(element: HTMLElement, options?: object): void;
  unmountUserButton(element: HTMLElement): void;
}

interface Window {
  /** The read that index.html has begun, and the feed whose first articles it makes. */
  early?: { path: string; answer: Promise<[Response, string]>; place?: HTMLElement };
  Clerk?: ClerkJS;
  __internal_ClerkUICtor?: unknown;
}

/** What people press is an element. */
interface UIEvent {
  readonly target: HTMLElement;
}
