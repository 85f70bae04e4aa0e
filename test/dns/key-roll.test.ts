import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  advanceRoll,
  DS_TTL_SECONDS_DEFAULT,
  type DsWord,
  needsDs,
  PARENT_PROPAGATION_SECONDS,
  type RollFacts,
  type RollResult,
  startRoll,
  waitsUntil,
} from '../../src/dns/dnssec/key-roll.ts';
import { type KeyRole, type KeySet, newKeySet, schemeOf } from '../../src/dns/dnssec/key-set.ts';
import { ECDSA_P256 } from '../../src/dns/dnssec/keys.ts';

const START = 1_790_000_000_000;
const FACTS: RollFacts = { keyTtlSeconds: 3600, longestTtlSeconds: 7200, propagationSeconds: 60 };

const splitSet = (): KeySet => newKeySet('ksk-zsk', ECDSA_P256, START);
const singleSet = (): KeySet => newKeySet('csk', ECDSA_P256, START);

function taken(result: RollResult): KeySet {
  assert.ok(result.ok, result.ok ? '' : result.reason);
  return result.set;
}

function started(set: KeySet, key: KeyRole, scheme = schemeOf(set)): KeySet {
  return taken(startRoll(set, key, scheme, START, FACTS));
}

/** Roles with stages, as `ksk active`. */
const stages = ({ keys }: KeySet): readonly string[] =>
  keys.map(({ role, stage }) => `${role} ${stage}`);

/**
 * A roll row by row: what is said, after how many seconds since the step before, and what is so then. A
 * step too early by a millisecond is refused.
 */
type Row = readonly [after: number, ds: DsWord | undefined, step: string, ...keys: string[]];
const DS = { ttlSeconds: 900 };
const DS_WAIT = 60 + 900 + PARENT_PROPAGATION_SECONDS;

const ROLLS: readonly {
  readonly key: KeyRole;
  readonly set: () => KeySet;
  readonly rows: readonly Row[];
}[] = [
  {
    key: 'zsk',
    set: splitSet,
    rows: [
      [0, undefined, 'introduced', 'ksk active', 'zsk active', 'zsk published'],
      [3660, undefined, 'switched', 'ksk active', 'zsk retired', 'zsk active'],
      [7260, undefined, 'done', 'ksk active', 'zsk active'],
    ],
  },
  {
    key: 'ksk',
    set: splitSet,
    rows: [
      [0, undefined, 'introduced', 'ksk active', 'zsk active', 'ksk announced'],
      [0, DS, 'introduced', 'ksk active', 'zsk active', 'ksk announced'],
      [DS_WAIT, undefined, 'switched', 'ksk leaving', 'zsk active', 'ksk active'],
      [3660, undefined, 'withdrawn', 'zsk active', 'ksk active'],
      [0, DS, 'done', 'zsk active', 'ksk active'],
    ],
  },
  {
    key: 'csk',
    set: singleSet,
    rows: [
      [0, undefined, 'introduced', 'csk active', 'csk published'],
      [0, DS, 'introduced', 'csk active', 'csk published'],
      [3600 + DS_WAIT, undefined, 'switched', 'csk retired', 'csk active'],
      [7260, undefined, 'withdrawn', 'csk active'],
      [0, DS, 'done', 'csk active'],
    ],
  },
];

for (const { key, rows, set: first } of ROLLS) {
  test(`a ${key} is replaced step by step, and never too early`, () => {
    let set = started(first(), key);
    let nowMs = START;
    for (const [after, ds, step, ...keys] of rows) {
      const atMs = nowMs + after * 1000;
      if (after > 0) {
        assert.equal(waitsUntil(set.roll!), atMs);
        const early = advanceRoll(set, atMs - 1, FACTS, ds);
        assert.equal(early.ok ? 'taken' : early.why, 'too-early');
      }
      if (ds !== undefined) {
        assert.equal(needsDs(set.roll!), true);
        const blind = advanceRoll(set, atMs + 1e12, FACTS);
        assert.equal(blind.ok ? 'taken' : blind.why, 'no-ds');
      }
      if (after > 0 || ds !== undefined) set = taken(advanceRoll(set, atMs, FACTS, ds));
      nowMs = atMs;
      assert.equal(set.roll?.step ?? 'done', step);
      assert.deepEqual(stages(set), keys);
    }
  });
}

test('a CSK is followed by a KSK and a ZSK, and they by a CSK, when the configuration wants it', () => {
  const run = (set: KeySet): KeySet => {
    let nowMs = START;
    while (set.roll !== undefined) {
      nowMs += 1e9;
      set = taken(advanceRoll(set, nowMs, FACTS, needsDs(set.roll) ? {} : undefined));
    }
    return set;
  };
  const split = started(singleSet(), 'csk', 'ksk-zsk');
  assert.deepEqual(stages(split), ['csk active', 'ksk published', 'zsk published']);
  assert.deepEqual(stages(run(split)), ['ksk active', 'zsk active']);
  const single = started(splitSet(), 'csk', 'csk');
  assert.deepEqual(stages(single), ['ksk active', 'zsk active', 'csk published']);
  assert.deepEqual(stages(run(single)), ['csk active']);
});

test('startRoll() refuses what is not there and what runs already', () => {
  const why = (set: KeySet, key: KeyRole): string => {
    const result = startRoll(set, key, schemeOf(set), START, FACTS);
    return result.ok ? 'taken' : `${result.why}: ${result.reason}`;
  };
  assert.equal(why(splitSet(), 'csk'), 'no-such-key: the zone has a KSK and a ZSK');
  assert.equal(why(singleSet(), 'ksk'), 'no-such-key: the zone has a CSK');
  assert.equal(why(singleSet(), 'zsk'), 'no-such-key: the zone has a CSK');
  const running = started(splitSet(), 'zsk');
  assert.equal(why(running, 'ksk'), 'running: the ZSK is being replaced already');
  const idle = advanceRoll(splitSet(), START, FACTS);
  assert.equal(idle.ok ? 'taken' : idle.why, 'idle');
});

test('DS of an unknown TTL are taken for those of a TLD; a TTL is not shortened meanwhile', () => {
  const announced = started(splitSet(), 'ksk');
  const seen = taken(advanceRoll(announced, START + 1e6, FACTS, {}));
  const wait = (DS_TTL_SECONDS_DEFAULT + PARENT_PROPAGATION_SECONDS) * 1000;
  assert.deepEqual(seen.roll?.dsSeen, { atMs: START + 1e6, untilMs: START + 1e6 + wait });
  const zsk = started(splitSet(), 'zsk');
  const shorter = { keyTtlSeconds: 1, longestTtlSeconds: 1, propagationSeconds: 1 };
  assert.equal(advanceRoll(zsk, START + 3_659_999, shorter).ok, false);
});
