// The types of public/config.js, which build.sh writes.

/** Clerk's, of this site. */
export const publishableKey: string;
/** The host of Clerk's Frontend API. */
export const clerkHost: string;
/** A proxy in front of it; '' without one. */
export const proxyUrl: string;
