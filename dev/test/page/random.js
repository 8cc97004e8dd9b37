// Random values for tests. A failing one is repeated with its seed: WARBLE_SEED=… node --test dev/test/page

/** Prints the seed. @param {{ diagnostic(message: string): void }} t */
export function randomOf(t) {
  let state = Number(process.env.WARBLE_SEED) || Math.floor(Math.random() * 2 ** 32);
  t.diagnostic(`WARBLE_SEED=${state}`);
  /** A whole number below n, by mulberry32. */
  const below = (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % n;
  };
  return { below, pick: (from) => from[below(from.length)], maybe: (value, n = 2) => (below(n) ? '' : value()) };
}
