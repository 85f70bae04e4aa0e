/** Imports zone files of octoDNS, compiles what comes out, and asks it as the oracle is asked. */
import assert from 'node:assert/strict';
import { parse } from 'yaml';
import type { Config } from '../../src/config/config.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { composeGeo, type GeoDatabase } from '../../src/geo/database.ts';
import { DOWN } from '../../src/health/health-word.ts';
import { importOctodns, type OctodnsOptions } from '../../src/migration/octodns/import.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { explain } from '../../src/nameserver/explain.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { readPlaces } from '../../src/workers/geo-files.ts';
import { allUp, healthOf, NOW_MS } from '../nameserver/fixture.ts';
import {
  addUp,
  type Checks,
  type OctodnsRecord,
  type OracleClient,
  oracle,
  type Shares,
} from './octodns-oracle.ts';

export const places = readPlaces();

/** Imports files given by name. */
export function imported(
  files: Readonly<Record<string, string>>,
  options: Partial<OctodnsOptions> = {},
  paths: readonly string[] = Object.keys(files),
) {
  const read = (path: string) => {
    const text = files[path];
    return text === undefined ? { message: 'there is no such file' } : { text };
  };
  return importOctodns(paths, read, places, {
    ttl: 3600,
    nameservers: [],
    isLenient: false,
    ...options,
  });
}

/** `file:line:column: message (hint)`. */
export function lines(issues: readonly Issue[]): readonly string[] {
  return issues.map(({ column, file, hint, line, message }) => {
    return `${file}:${line}:${column}: ${message}${hint === undefined ? '' : ` (${hint})`}`;
  });
}
type Issue = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint?: string;
};

/** One client of each kind: octoDNS' name for where it is, and an address there. */
export function clientsOf(
  codes: readonly string[],
  inSubnets: readonly (readonly [string, string])[],
) {
  const placed = codes.map((code, index): OracleClient => ({ code, address: `20.${index}.0.0` }));
  return [...placed, ...inSubnets.map(([code, address]) => ({ code, address }))];
}

export type World = {
  readonly config: Config;
  readonly snapshot: Snapshot;
  readonly geo: GeoDatabase;
};

/** The text as a nameserver has it, with these clients where they are. */
export function worldOf(text: string, clients: readonly OracleClient[]): World {
  const validation = validateConfig(text, 'made.yaml', {}, places);
  assert.ok(validation.ok, validation.ok ? '' : lines(validation.issues).join('\n'));
  const located = clients.filter(({ code }) => code !== '');
  const overrides = located.map(({ address, code }) => {
    const [continent, country, subdivision] = code.split('-');
    const location = { continent, country, subdivision };
    const known = Object.entries(location).filter(([, value]) => value !== undefined);
    return { networks: [`${address}/32`], location: Object.fromEntries(known) };
  });
  const geo = composeGeo([], overrides);
  const compiled = compileSnapshot(validation.config, geo, 1, 1);
  assert.ok(compiled.ok, JSON.stringify(compiled));
  return { config: validation.config, snapshot: compiled.snapshot, geo };
}

/** The health words of all endpoints, while checks of the values of these pools say so. */
export function wordsOf({ config, snapshot }: World, checks: Checks): Uint32Array {
  const words = allUp(snapshot);
  const seen = new Map<string, number>();
  for (const [index, endpoint] of snapshot.endpoints.entries()) {
    const { pool, region } = endpoint;
    const place = seen.get(`${pool} ${region}`) ?? 0;
    seen.set(`${pool} ${region}`, place + 1);
    const own = config.pools[pool]!.endpoints.find(
      (each) => `${pool}/${each.name ?? each.region}` === endpoint.name,
    );
    // What has no monitor is never found to be down.
    if (own?.monitor !== undefined && !checks(region, place)) words[index] = DOWN;
  }
  return words;
}

/** The shares of the answers that a client of the name gets, while checks say so. */
export function answersOf(
  world: World,
  name: string,
  type: string,
  { address }: OracleClient,
  checks: Checks,
): Shares {
  const { geo, snapshot } = world;
  const health = healthOf(wordsOf(world, checks));
  const question = { name, type, client: `${address}/32` };
  const result = explain({ snapshot, health, geo }, question, NOW_MS);
  if ('problem' in result) throw new Error(result.message);
  const first = (each: (typeof result.outcomes)[number]) =>
    each.addresses.length > 0 ? each.addresses : result.answer;
  return addUp(result.outcomes.map((outcome) => [first(outcome), outcome.share]));
}

/** All ways in which checks can turn out, up to so many values; beyond that, drawn ones. */
export function* allChecks(
  record: OctodnsRecord,
  random: () => number,
  combinationsMax = 256,
): Generator<Checks> {
  const pools = record.dynamic?.pools;
  const values = pools
    ? Object.entries(pools).flatMap(([id, pool]) => pool.values.map((_, at) => `${id} ${at}`))
    : Object.entries(record.geo!).flatMap(([id, own]) => own.map((_, at) => `${id} ${at}`));
  const all = 2 ** values.length;
  for (let count = 0; count < Math.min(all, combinationsMax); count += 1) {
    const bits = all <= combinationsMax ? count : count < 2 ? -count : Math.floor(random() * all);
    const failing = new Set(values.filter((_, at) => Math.floor(bits / 2 ** at) % 2 !== 0));
    yield (pool, index) => !failing.has(`${pool} ${index}`);
  }
}

/** Compares the two for a record in every state; how many answers were compared. */
export function compare(
  world: World,
  name: string,
  record: OctodnsRecord,
  clients: readonly OracleClient[],
  states: Iterable<Checks>,
): number {
  let compared = 0;
  for (const checks of states) {
    for (const client of clients) {
      const expected = oracle(record, client, checks);
      const got = answersOf(world, name, record.type, client, checks);
      const what = `${name} ${record.type} for ${client.code} ${client.address}`;
      assert.deepEqual([...got.keys()].toSorted(), [...expected.keys()].toSorted(), what);
      for (const [answer, share] of expected) {
        assert.ok(Math.abs(got.get(answer)! - share) < 1e-9, `${what}: ${answer}`);
      }
      compared += 1;
    }
  }
  return compared;
}

/** The records of a file, by name. */
export function recordsIn(text: string): readonly (readonly [string, OctodnsRecord])[] {
  const names = parse(text) as Record<string, OctodnsRecord | OctodnsRecord[]>;
  return Object.entries(names).flatMap(([name, records]) =>
    [records].flat().map((record): readonly [string, OctodnsRecord] => [name, record]),
  );
}

/** Mulberry32: small, seeded, good enough to choose states. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
