// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this syntax is what is tested

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { stringify } from 'yaml';
import { validateConfig } from '../../src/config/validate.ts';
import type { OctodnsRecord } from '../migration/octodns-oracle.ts';
import {
  allChecks,
  clientsOf,
  compare,
  generator,
  imported,
  places,
  worldOf,
} from '../migration/octodns-rig.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/**
 * Mutations of zone files of octoDNS: the import never throws, every issue points into the file, and what it lets
 * through is a configuration that validates. And drawn dynamic records: they answer as octoDNS documents.
 */
const SEED = fuzzSeed(20_260_303);
const MUTATIONS = fuzzRuns(120);
const RECORDS = fuzzRuns(12);

const read = (name: string): string =>
  readFileSync(new URL(`../migration/zones/${name}`, import.meta.url), 'utf8');
const tokens = ['shop.example.yaml', 'types.example.yaml'].map((name) =>
  read(name)
    .split(/(\s+|[{}[\],:'"])/)
    .filter((token) => token !== ''),
);
const ODD = [
  ...[
    '{',
    '}',
    '[',
    ']',
    ': ',
    '- ',
    '*both',
    '&a ',
    '<<: *both\n',
    '?',
    '|',
    '>',
    '!include x',
    '!',
  ],
  ...['\t', '\n', '\u0000', '\u{1f600}', '!!set', '__proto__', 'constructor', '~', '1e999', '.nan'],
  ...['-1', '99999999999999999999', '@', '\\', '%', '"', "'", '#', 'default', 'lenient: true\n'],
  ...['NA-US-PR', 'XX', 'ü', 'CNAME', 'geo', 'dynamic', '${X}', '$$', ' '.repeat(70), '0.0.0.0/0'],
];

test('importOctodns() never throws on a mutated file', () => {
  const random = generator(SEED);
  let valid = 0;
  for (let count = 0; count < MUTATIONS; count += 1) {
    const text = mutate(tokens[count % tokens.length]!, random);
    try {
      const result = imported({ 'fuzz.example.yaml': text }, { nameservers: ['ns.example.net'] });
      for (const { column, file, line, message } of result.ok ? result.warnings : result.issues) {
        assert.equal(file, 'fuzz.example.yaml');
        assert.ok(line >= 1 && line <= text.split('\n').length + 1 && column >= 1, message);
        assert.ok(message.length > 0 && !message.includes('undefined'), message);
      }
      if (!result.ok) {
        assert.ok(result.issues.length > 0);
        continue;
      }
      valid += 1;
      const checked = validateConfig(result.text, 'made.yaml', {}, places);
      assert.ok(checked.ok, JSON.stringify(checked));
    } catch (error) {
      throw new Error(`FUZZ_SEED=${SEED}, mutation ${count}:\n${text}`, { cause: error });
    }
  }
  assert.ok(valid > 0, 'some mutations leave the file sound');
});

test('drawn dynamic records answer as octoDNS documents', () => {
  const random = generator(SEED);
  for (let count = 0; count < RECORDS; count += 1) {
    const record = drawRecord(random);
    const text = stringify({ '': { type: 'NS', value: 'ns.example.net.' }, www: record });
    try {
      const result = imported({ 'drawn.example.yaml': text });
      assert.ok(result.ok, JSON.stringify(result));
      const world = worldOf(result.text, CLIENTS);
      compare(world, 'www.drawn.example', record, CLIENTS, allChecks(record, random, 24));
    } catch (error) {
      throw new Error(`FUZZ_SEED=${SEED}, record ${count}:\n${text}`, { cause: error });
    }
  }
});

const CLIENTS = clientsOf(
  ['', 'AF', 'AF-ZA', 'AS-JP', 'EU-DE', 'EU-FR', 'NA-US', 'NA-US-CA', 'NA-CA-QC', 'OC-AU', 'SA-BR'],
  [
    ['', '30.0.0.1'],
    ['EU-DE', '30.1.0.1'],
    ['NA-US-CA', '30.1.1.1'],
    ['AF', '31.0.0.1'],
  ],
);

/** Each before what is around it, as octoDNS wants rules to be. */
const GEOS = [
  'NA-US-CA',
  'NA-CA-QC',
  'NA-US',
  'AF-ZA',
  'EU-DE',
  'AS-JP',
  'AF',
  'AS',
  'EU',
  'NA',
  'OC',
];
const SUBNETS = ['30.1.1.0/24', '30.1.0.0/16', '30.0.0.0/8', '31.0.0.1'];
const STATUSES = ['obey', 'obey', 'obey', 'up', 'down'] as const;

function drawRecord(random: () => number): OctodnsRecord {
  const pick = (count: number): number => Math.floor(random() * count);
  const ids = ['a', 'b', 'c', 'd', 'e'].slice(0, 1 + pick(5));
  const pools = ids.map((id, index) => {
    const values = Array.from({ length: 1 + pick(3) }, (_, place) => ({
      value: `192.0.2.${index * 10 + place + 1}`,
      ...(pick(2) === 0 ? { weight: 1 + pick(9) } : {}),
      ...(pick(2) === 0 ? { status: STATUSES[pick(STATUSES.length)]! } : {}),
    }));
    // Fallbacks lead forwards only, so that they do not go round.
    const after = ids.slice(index + 1);
    const fallback =
      after.length > 0 && pick(3) > 0 ? { fallback: after[pick(after.length)]! } : {};
    return [id, { ...fallback, values }] as const;
  });
  const rules: { pool: string; geos?: string[]; subnets?: string[] }[] = ids.map((pool) => ({
    pool,
  }));
  // A rule's place in the list says how narrow what it names may be.
  for (const [names, key] of [
    [GEOS, 'geos'],
    [SUBNETS, 'subnets'],
  ] as const) {
    let at = 0;
    for (const name of names) {
      at = Math.min(rules.length - 1, at + pick(2));
      if (pick(2) === 0) continue;
      const rule = rules[at]!;
      rule[key] = [...(rule[key] ?? []), name];
    }
  }
  const some = rules.filter(({ geos, subnets }) => geos !== undefined || subnets !== undefined);
  return {
    type: 'A',
    values: ['192.0.2.101', '192.0.2.102'],
    dynamic: {
      pools: Object.fromEntries(pools),
      rules: [...some, { pool: ids[pick(ids.length)]! }],
    },
  };
}

function mutate(original: readonly string[], random: () => number): string {
  const copy = [...original];
  const pick = (length: number): number => Math.floor(random() * length);
  for (let count = 1 + pick(3); count > 0; count -= 1) {
    const at = pick(copy.length);
    const kind = pick(6);
    if (kind === 0) copy.splice(at, 1 + pick(3));
    else if (kind === 1) copy.splice(at, 0, ODD[pick(ODD.length)]!);
    else if (kind === 2) copy[at] = ODD[pick(ODD.length)]!;
    else if (kind === 3) copy[at] = original[pick(original.length)]!;
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
