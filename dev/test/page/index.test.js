// What public/index.html says of the modules.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const read = (name) => readFileSync(new URL(`../../../public/${name}`, import.meta.url), 'utf8');

test('what the first post needs is asked for at once, not file after file', () => {
  const needed = new Set(['main.js']);
  for (const name of needed) { // those that are added, too
    for (const [, imported] of read(`js/${name}`).matchAll(/^(?:import|export) (?:.* from )?'\.\/(\w+\.js)'/gm)) needed.add(imported);
  }
  assert(needed.size > 10, `no imports are found: ${[...needed]}`);
  const preloaded = [...read('index.html').matchAll(/<link rel="modulepreload" href="\/js\/(\w+\.js)">/g)].map(([, name]) => name);
  assert.deepEqual(preloaded.sort(), [...needed].sort());
});

test('who has switched JavaScript off is told that there is more', () => {
  assert.match(read('index.html'), /<noscript>.*JavaScript.*<\/noscript>/);
});
