import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEGRADED, DOWN, FORCED, healthWord, UNKNOWN } from '../../src/health/health-word.ts';
import {
  type AnswerTable,
  buildAnswers,
  type ClassAnswer,
  classAnswer,
  updateAnswers,
} from '../../src/nameserver/answer.ts';
import { mapsOf } from '../../src/nameserver/map-table.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { classCount } from '../../src/steering/class-list.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';
import { allUp, compiled, createConfig, healthOf, WEB_POOL } from '../nameserver/fixture.ts';

/**
 * Classes are decided when they are asked for. Whatever changed before, in whatever order, and whoever asked
 * meanwhile: each then answers what it would if all were built anew from the words of this moment.
 */
const WORDS = [
  healthWord(0, 0, 0.3),
  healthWord(0, 50, 0.6),
  0,
  60,
  7,
  DOWN,
  DOWN | 40,
  DOWN | FORCED,
  DEGRADED | 9,
  UNKNOWN,
  FORCED | 20,
].map((word) => word >>> 0);

const snapshot = manyPolicies();
const { length: endpoints } = snapshot.endpoints;
const places = [...mapsOf(snapshot.maps)].flatMap(({ classes }, map) =>
  Array.from({ length: classCount(classes.classes) }, (_, classId) => ({ map, classId })),
);

const change = fc.record({
  words: fc.array(fc.record({ endpoint: fc.nat(endpoints - 1), word: fc.constantFrom(...WORDS) }), {
    maxLength: 4,
  }),
  exceptions: fc.uniqueArray(
    fc.record({
      near: fc.nat(snapshot.regions.length - 1),
      endpoint: fc.nat(endpoints - 1),
      word: fc.constantFrom(...WORDS),
    }),
    { maxLength: 2, selector: ({ near, endpoint }) => `${near} ${endpoint}` },
  ),
  asked: fc.array(fc.nat(places.length - 1), { maxLength: 6 }),
});

test('answers that are decided when they are asked for are those of the moment', () => {
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), (changes) => {
      const words = allUp(snapshot);
      const table = buildAnswers(snapshot, healthOf(words.slice()));
      for (const { asked, exceptions, words: changed } of changes) {
        for (const { endpoint, word } of changed) words[endpoint] = word;
        const triples = exceptions.flatMap(({ near, endpoint, word }) => [near, endpoint, word]);
        const health = healthOf(words.slice(), Uint32Array.from(triples));
        updateAnswers(table, health);
        const anew = buildAnswers(snapshot, health);
        for (const place of asked) checkAlike(table, anew, places[place]!);
      }
      const anew = buildAnswers(snapshot, table.health);
      for (const place of places) checkAlike(table, anew, place);
    }),
    fuzzParameters(150),
  );
});

function checkAlike(
  table: AnswerTable,
  anew: AnswerTable,
  { map, classId }: (typeof places)[number],
): void {
  assert.deepEqual(
    factsOf(classAnswer(table, map, classId, 0)),
    factsOf(classAnswer(anew, map, classId, 0)),
  );
}

/** Wire bytes and thresholds. */
function factsOf({ parts, slots, ttlSeconds }: ClassAnswer): unknown {
  const hex = ({ bytes }: { readonly bytes: Uint8Array }) => Buffer.from(bytes).toString('hex');
  return {
    ttlSeconds,
    slots: [...(slots ?? [])],
    parts: parts.map(({ outcomes, thresholds }) => ({
      thresholds: [...thresholds],
      outcomes: outcomes.map(({ endpoint, body4, body6, https }) => {
        return [endpoint, hex(body4), hex(body6), hex(https)];
      }),
    })),
  };
}

/** Every kind of step, with and without sorry addresses and panic. */
function manyPolicies(): Snapshot {
  const config = createConfig();
  const zone = config.zones['gslb.example']!;
  const step = (kind: string, options: object = {}) => ({ kind, options });
  const chains = {
    'ordered-near': [
      step('healthy'),
      step('failover', { regions: [['us', 'eu']] }),
      step('nearest'),
    ],
    ordered: [step('healthy'), step('failover')],
    pairs: [step('healthy'), step('weighted'), step('first', { count: 2 })],
    everywhere: [step('nearest'), step('weighted')],
  };
  const steered = Object.keys(chains).flatMap((policy) =>
    ['web', 'panicking'].map((pool) => {
      const https = { priority: 1, alpn: ['h2'], hints: true };
      return {
        owner: `${policy}-${pool}.gslb.example.`,
        pool,
        policy,
        ttlMin: 5,
        ttlMax: 30,
        https,
      };
    }),
  );
  return compiled({
    ...config,
    pools: { ...config.pools, panicking: { ...WEB_POOL, panicThreshold: 0.6, sorry: [] } },
    policies: {
      ...config.policies,
      ...Object.fromEntries(Object.entries(chains).map(([name, chain]) => [name, { chain }])),
    },
    zones: { ...config.zones, 'gslb.example': { ...zone, steered: [...zone.steered, ...steered] } },
  });
}
