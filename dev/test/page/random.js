// Random values for tests. What fails is repeated with its seed: WARBLE_SEED=… node --test dev/test/page/*.test.js

/** What decides all that is random in a test: WARBLE_SEED, or any number. */
export const seed = Number(process.env.WARBLE_SEED ?? Math.floor(Math.random() * 2 ** 32));

console.log(`WARBLE_SEED=${seed}`);

/** Random values, the same for the same number, by mulberry32. */
export function randomFrom(state = seed) {
  /** A whole number from 0 up to, and without, n. */
  const below = (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * n);
  };
  return { below, pick: (from) => from[below(from.length)], maybe: (value, n = 2) => (below(n) ? '' : value()) };
}
