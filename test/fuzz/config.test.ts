// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this syntax is what is tested

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { validateConfig } from '../../src/config/validate.ts';
import { readPlaces } from '../../src/workers/geo-files.ts';
import { compileZones } from '../../src/zone/compile.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/**
 * Mutations of the quickstart file: validation never throws, every issue points into the file, and a
 * file that it lets through has zones that compile.
 */
const SEED = fuzzSeed(20260101);
const ITERATIONS = fuzzRuns(120);

const ROOT = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');
const places = readPlaces();
const quickstart = read('config/quickstart.yaml').replace(/^\s*#.*\n/gm, '');
const tokens = quickstart.split(/(\s+|[{}[\],:'"])/).filter((token) => token !== '');
const ODD = [
  '{',
  '}',
  '[',
  ']',
  ': ',
  '- ',
  '*a',
  '&a ',
  '<<',
  '?',
  '|',
  '>',
  '${',
  '${X}',
  '${X:-y}',
  '\t',
  '\n',
  '\u0000',
  '\u{1f600}',
  '!!set',
  '__proto__',
  'constructor',
  '~',
  '1e999',
  '.nan',
  '-1',
  '0x10',
  '99999999999999999999',
  '@',
  '\\',
  '%',
  '"',
  "'",
  '#',
];

test('validateConfig() never throws on a mutated file', () => {
  const random = generator(SEED);
  let valid = 0;
  for (let i = 0; i < ITERATIONS; i++) {
    const text = mutate(random);
    try {
      const result = validateConfig(text, 'fuzz.yaml', {}, places);
      for (const { line, column, message } of result.ok ? result.warnings : result.issues) {
        assert.ok(line >= 1 && line <= text.split('\n').length + 1 && column >= 1, message);
        assert.ok(message.length > 0 && !message.includes('undefined'), message);
      }
      if (!result.ok) {
        assert.ok(result.issues.length > 0);
        continue;
      }
      valid++;
      const sources = Object.entries(result.config.zones).map(([name, zone]) => ({
        ...zone,
        name,
        steered: zone.steered.map(({ owner }, service) => ({ owner, service })),
      }));
      const compiled = compileZones(sources);
      assert.ok(compiled.ok, JSON.stringify(compiled));
    } catch (error) {
      throw new Error(`FUZZ_SEED=${SEED}, iteration ${i}:\n${text}`, { cause: error });
    }
  }
  assert.ok(valid > 0, 'some mutations leave the file valid');
});

function mutate(random: () => number): string {
  const copy = [...tokens];
  const pick = (length: number): number => Math.floor(random() * length);
  for (let count = 1 + pick(3); count > 0; count--) {
    const at = pick(copy.length);
    const kind = pick(6);
    if (kind === 0) copy.splice(at, 1 + pick(3));
    else if (kind === 1) copy.splice(at, 0, ODD[pick(ODD.length)]!);
    else if (kind === 2) copy[at] = ODD[pick(ODD.length)]!;
    else if (kind === 3) copy[at] = tokens[pick(tokens.length)]!;
    else if (kind === 4) copy.splice(at, 0, ...copy.slice(at, at + pick(20)));
    else copy[at] = flip(copy[at]!, pick);
  }
  const text = copy.join('');
  return pick(10) === 0 ? text.slice(0, pick(text.length)) : text;
}

function flip(token: string, pick: (length: number) => number): string {
  const at = pick(token.length);
  return token.slice(0, at) + String.fromCharCode(32 + pick(95)) + token.slice(at + 1);
}

/** Mulberry32: small, seeded, good enough to choose mutations. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
