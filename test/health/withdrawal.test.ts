import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  frozenMembers,
  type PoolMember,
  type WithdrawalRules,
} from '../../src/health/withdrawal.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const parameters = { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(400) };

const NOW_MS = 1_000_000;
const RULES: WithdrawalRules = { shareMax: 0.5, countMax: 100, windowMs: 300_000 };

/** `a:-10` went down ten seconds ago, `a` is up; `a*3` carries three. */
function pool(text: string): PoolMember[] {
  return text.split(' ').map((each) => {
    const [, name = '', capacity = '1', seconds] = /^(\w+)(?:\*(\d+))?(?::(-?\d+))?$/.exec(each)!;
    const downSinceMs = seconds === undefined ? undefined : NOW_MS + Number(seconds) * 1000;
    return { name, capacity: Number(capacity), downSinceMs };
  });
}

const frozen = (text: string, rules: Partial<WithdrawalRules> = {}): string =>
  [...frozenMembers(pool(text), { ...RULES, ...rules }, NOW_MS)].join(' ');

test('frozenMembers() keeps in what goes beyond the share within the window', () => {
  assert.equal(frozen('a b c d'), '');
  assert.equal(frozen('a:-1 b:-1 c d'), '');
  assert.equal(frozen('a:-1 b:-1 c:-1 d'), 'c');
  assert.equal(frozen('a:-301 b:-301 c:-1 d'), '', 'what went long ago is no news');
  assert.equal(frozen('a:-300 b:-1 c:-1 d'), '', 'the window has just passed');
  assert.equal(frozen('a:-299 b:-1 c:-1 d'), 'c');
});

test('frozenMembers() counts capacity', () => {
  assert.equal(frozen('a*2:-1 b*2:-1 c*2:-1 d*2'), 'c');
  // 0.29 of 100 is 28.999999999999996 to a machine.
  assert.equal(frozen('a*15:-1 b*14:-1 c*71', { shareMax: 0.29 }), '');
  assert.equal(frozen('a*15:-1 b*15:-1 c*70', { shareMax: 0.29 }), 'b');
});

test('frozenMembers() lets the largest go, whatever its share, and with it what still fits', () => {
  assert.equal(frozen('a*95:-1 b*5'), '', 'one dead region is no crowd');
  assert.equal(frozen('a*1:-1 b*0', { shareMax: 0.75 }), '', 'also beside one for emergencies');
  assert.equal(frozen('b*6:-1 a*2:-1 c*2'), 'a');
  assert.equal(frozen('a*0:-1 b*0:-1 c*0'), '', 'what carries nothing is not missed');
  assert.equal(frozen('a*0:-100 b*0 p*1:-1'), '', 'nor counted when the primary goes after it');
  assert.equal(frozen('canary*5:-100 main*90:-1 other*5'), 'canary');
});

test('frozenMembers() decides by name, so that all nodes keep the same', () => {
  assert.equal(frozen('c:-3 b:-2 a:-1 d'), 'c');
  assert.equal(frozen('a:-1 c:-3 d b:-2'), 'c');
});

test('frozenMembers() counts endpoints too', () => {
  assert.equal(frozen('a:-1 b:-1 c d', { countMax: 1 }), 'b');
  assert.equal(frozen('a:-1 b c d', { countMax: 0 }), 'a');
  assert.equal(frozen('a:-1 b c d', { shareMax: 0 }), 'a');
});

test('frozenMembers() keeps nothing when all of the pool is down', () => {
  assert.equal(frozen('a:-1 b:-1 c:-1'), '');
  assert.equal(frozen('a:-1', { shareMax: 0 }), '');
});

const members = fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { minLength: 1 }).chain((names) =>
  fc.tuple(
    ...names.map((name) =>
      fc.record({
        name: fc.constant(name),
        capacity: fc.integer({ min: 1, max: 9 }),
        downSinceMs: fc.option(fc.integer({ min: NOW_MS - 600_000, max: NOW_MS }), {
          nil: undefined,
        }),
      }),
    ),
  ),
);
const rules = fc.record({
  shareMax: fc.constantFrom(0, 0.2, 0.34, 0.5, 0.75, 1),
  countMax: fc.integer({ min: 0, max: 8 }),
  windowMs: fc.constantFrom(1000, 300_000),
});

test('frozenMembers() never lets more go within a window than the limits say', () => {
  fc.assert(
    fc.property(members, rules, (list, rule) => {
      const kept = frozenMembers(list, rule, NOW_MS);
      if (list.every(({ downSinceMs }) => downSinceMs !== undefined)) {
        assert.equal(kept.size, 0);
        return;
      }
      const isRecent = ({ downSinceMs }: PoolMember): boolean =>
        downSinceMs !== undefined && NOW_MS - downSinceMs < rule.windowMs;
      const left = list.filter((each) => isRecent(each) && !kept.has(each.name));
      const total = list.reduce((sum, { capacity }) => sum + capacity, 0);
      const gone = left.reduce((sum, { capacity }) => sum + capacity, 0);
      assert.ok(left.length <= rule.countMax);
      const largest = Math.max(0, ...left.map(({ capacity }) => capacity));
      const share = total * rule.shareMax;
      assert.ok(gone <= (rule.shareMax === 0 ? 0 : Math.max(share, largest)) + 1e-6);
      for (const each of list) if (kept.has(each.name)) assert.ok(isRecent(each));
    }),
    parameters,
  );
});

test('frozenMembers() does not heed in which order the members are told', () => {
  fc.assert(
    fc.property(members, rules, fc.nat(), (list, rule, turn) => {
      const at = turn % list.length;
      const turned = [...list.slice(at), ...list.slice(0, at)].toReversed();
      assert.deepEqual(
        [...frozenMembers(turned, rule, NOW_MS)].sort(),
        [...frozenMembers(list, rule, NOW_MS)].sort(),
      );
    }),
    parameters,
  );
});

test('frozenMembers() keeps nothing longer than its window', () => {
  fc.assert(
    fc.property(members, rules, (list, rule) => {
      const later = NOW_MS + rule.windowMs;
      assert.equal(frozenMembers(list, rule, later).size, 0);
    }),
    parameters,
  );
});

test('frozenMembers() does not heed the order of falls within the window', () => {
  const falls = fc.shuffledSubarray([...'abcdef'], { maxLength: 5 });
  fc.assert(
    fc.property(falls, fc.constantFrom(0.2, 0.5, 0.75), (order, shareMax) => {
      const list = [...'abcdef'].map((name): PoolMember => {
        const at = order.indexOf(name);
        return { name, capacity: 1, downSinceMs: at === -1 ? undefined : NOW_MS - at };
      });
      const sorted = list.map((each) =>
        each.downSinceMs === undefined ? each : { ...each, downSinceMs: NOW_MS },
      );
      const rule = { ...RULES, shareMax };
      assert.deepEqual(frozenMembers(list, rule, NOW_MS), frozenMembers(sorted, rule, NOW_MS));
    }),
    parameters,
  );
});
