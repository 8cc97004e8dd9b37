// The module that build.sh writes.
export const publishableKey: string;
export const clerkHost: string;
export const proxyUrl: string;
