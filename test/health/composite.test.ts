import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Check,
  type CheckMember,
  checkKeys,
  judgeCheck,
  slowTarget,
} from '../../src/health/composite.ts';
import type { Health, Judgement } from '../../src/health/quorum.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const parameters = { seed: fuzzSeed(20_261_121), numRuns: fuzzRuns(400) };

/** 2 = up, 1 = not known, 0 = down. */
const RANK: Readonly<Record<Health, number>> = { down: 0, unknown: 1, up: 2 };

function judgement(health: Health, changes: Partial<Judgement> = {}): Judgement {
  const reason = `is ${health}`;
  return { health, reason, ttlSeconds: 10, slow: false, decidedAtMs: 5, isHeld: false, ...changes };
}

function member(key: string, changes: Partial<CheckMember> = {}): CheckMember {
  return {
    check: { kind: 'target', key },
    required: false,
    inverted: false,
    weight: 1,
    ...changes,
  };
}

function group(members: readonly CheckMember[], need: number, name = 'site'): Check {
  return { kind: 'composite', name, members, need };
}

function judged(check: Check, states: Readonly<Record<string, Health>>): Judgement {
  return judgeCheck(check, ({ key }) => judgement(states[key] ?? 'unknown'));
}

/** Trees of up to three levels over six targets; inverted members only when asked for. */
function checks(mayInvert: boolean): fc.Arbitrary<Check> {
  const { tree } = fc.letrec<{ tree: Check; node: Check }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(...'abcdef').map((key): Check => ({ kind: 'target', key })),
      tie('node'),
    ),
    node: fc
      .record({
        members: fc.array(
          fc.record({
            check: tie('tree'),
            required: fc.boolean(),
            inverted: mayInvert ? fc.boolean() : fc.constant(false),
            weight: fc.integer({ min: 0, max: 4 }),
          }),
          { minLength: 1, maxLength: 4 },
        ),
        need: fc.integer({ min: 0, max: 8 }),
      })
      .map(({ members, need }) => group(members, need)),
  }));
  return tree;
}
const worlds = fc.dictionary(
  fc.constantFrom(...'abcdef'),
  fc.constantFrom<Health>('up', 'down', 'unknown'),
);

test('judgeCheck() asks the target when a check is one', () => {
  const own = judgement('down');
  assert.equal(
    judgeCheck({ kind: 'target', key: 'a' }, () => own),
    own,
  );
});

test('judgeCheck() is up exactly when k of n are not down', () => {
  for (let members = 1; members <= 5; members += 1) {
    const keys = 'abcde'.slice(0, members).split('');
    for (let need = 1; need <= members; need += 1) {
      const check = group(
        keys.map((key) => member(key)),
        need,
      );
      for (let downs = 0; downs < 2 ** members; downs += 1) {
        const states = Object.fromEntries(
          keys.map((key, index): [string, Health] => [key, (downs >> index) & 1 ? 'down' : 'up']),
        );
        const left = Object.values(states).filter((health) => health === 'up').length;
        assert.equal(judged(check, states).health, left >= need ? 'up' : 'down');
      }
    }
  }
});

test('judgeCheck() sums fractions of weights as people do', () => {
  // 0.7 + 0.1 is 0.7999999999999999 to a machine.
  const members = [
    member('a', { weight: 0.7 }),
    member('b', { weight: 0.1 }),
    member('c', { weight: 0.2 }),
  ];
  const { health, reason } = judged(group(members, 0.8), { a: 'up', b: 'up', c: 'down' });
  assert.equal(health, 'up');
  assert.match(reason, /^site: 0\.8 of 1, 0\.8 needed \(c: is down\)$/);
  assert.equal(judged(group(members, 0.81), { a: 'up', b: 'up', c: 'down' }).health, 'down');
});

test('judgeCheck() does not wait for what could decide nothing any more', () => {
  const oneOfTwo = group([member('a'), member('b')], 1);
  assert.equal(judged(oneOfTwo, { a: 'up' }).health, 'up', 'b is not known');
  assert.equal(judged(oneOfTwo, { a: 'down' }).health, 'unknown');
  const must = group([member('a'), member('b', { required: true })], 1);
  assert.equal(judged(must, { a: 'up' }).health, 'unknown');
});

test('judgeCheck() says why: what must be there, what is missing, what is not known', () => {
  const must = group([member('a', { required: true, weight: 0 }), member('b')], 1);
  assert.equal(judged(must, { a: 'down', b: 'up' }).reason, 'site: must have (a: is down)');
  assert.equal(judged(must, { a: 'up', b: 'down' }).reason, 'site: 0 of 1, 1 needed (b: is down)');
  assert.equal(judged(must, { a: 'up' }).reason, 'site: 1 of 1, 1 needed (b: is unknown)');
  assert.equal(judged(must, { a: 'up', b: 'up' }).reason, 'site: 1 of 1, 1 needed');
  const standby = group([member('a', { inverted: true })], 1);
  assert.equal(judged(standby, { a: 'down' }).health, 'up');
  assert.match(judged(standby, { a: 'up' }).reason, /\(a: not wanted, and up: is up\)/);
});

test('judgeCheck() is as slow, as held and as soon to change as its members', () => {
  const check = group([member('a'), member('b')], 1);
  const from = (a: Judgement, b: Judgement): Judgement =>
    judgeCheck(check, ({ key }) => (key === 'a' ? a : b));
  const slow = from(judgement('up', { slow: true }), judgement('up', { ttlSeconds: 3 }));
  assert.deepEqual([slow.health, slow.slow, slow.ttlSeconds], ['up', true, 3]);
  const held = from(judgement('up', { isHeld: true }), judgement('up', { decidedAtMs: 9 }));
  assert.deepEqual([held.isHeld, held.decidedAtMs], [true, 9]);
  const inverted = group([member('a', { inverted: true }), member('b')], 0);
  const seen = judgeCheck(inverted, () => judgement('up', { slow: true }));
  assert.equal(seen.slow, true, 'the one that is wanted is slow');
  const down = judgeCheck(group([member('a')], 2), () => judgement('up', { slow: true }));
  assert.equal(down.slow, false, 'what is down is not slow');
});

test('judgeCheck() never gets worse when a member gets better', () => {
  fc.assert(
    fc.property(checks(false), worlds, fc.constantFrom(...'abcdef'), (check, states, key) => {
      const ranks = (['down', 'unknown', 'up'] as const).map(
        (health) => RANK[judged(check, { ...states, [key]: health }).health],
      );
      // Down or not is what steers; "unknown" may hide an "up" only while something is not known.
      const isOut = ranks.map((rank) => rank === 0);
      assert.ok(!isOut[1] || isOut[0], 'from down to unknown');
      assert.equal(isOut[2], isOut[1], 'unknown counts as up');
      assert.ok(ranks[2]! >= ranks[1]! && ranks[2]! >= ranks[0]!);
    }),
    parameters,
  );
});

test('judgeCheck() is down when what it must have is down, whatever else is', () => {
  fc.assert(
    fc.property(checks(true), worlds, fc.boolean(), (other, states, inverted) => {
      const must = member('must', { required: true, inverted });
      const check = group([{ ...member('x'), check: other, weight: 4 }, must], 0);
      const gone: Health = inverted ? 'up' : 'down';
      assert.equal(judged(check, { ...states, must: gone }).health, 'down');
    }),
    parameters,
  );
});

test('judgeCheck() never takes anything out for what is not known', () => {
  fc.assert(
    fc.property(checks(true), (check) => {
      const { health } = judged(possible(check), {});
      assert.notEqual(health, 'down');
    }),
    parameters,
  );
});

test('checkKeys() names all targets of a tree', () => {
  const inner = group([member('b'), member('c')], 1, 'inner');
  assert.deepEqual(checkKeys(group([member('a'), { ...member('x'), check: inner }], 1)), [
    'a',
    'b',
    'c',
  ]);
  fc.assert(
    fc.property(checks(true), (check) => {
      const asked = new Set<string>();
      judgeCheck(check, ({ key }) => {
        asked.add(key);
        return judgement('up');
      });
      assert.deepEqual([...asked].sort(), [...new Set(checkKeys(check))].sort());
    }),
    parameters,
  );
});

/** The check with needs that its members can meet, and that nothing meets by itself. */
function possible(check: Check): Check {
  if (check.kind === 'target') return check;
  const members = check.members.map((each) => ({
    ...each,
    weight: Math.max(1, each.weight),
    check: possible(each.check),
  }));
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  return { ...check, members, need: Math.max(1, Math.min(check.need, total)) };
}

test('slowTarget() finds a slow target of all that is slow, and of nothing else', () => {
  const states = fc.dictionary(
    fc.constantFrom(...'abcdef'),
    fc.record({ health: fc.constantFrom<Health>('up', 'down', 'unknown'), slow: fc.boolean() }),
  );
  fc.assert(
    fc.property(checks(true), states, (check, known) => {
      const judge = ({ key }: { readonly key: string }): Judgement => {
        const { health, slow } = known[key] ?? { health: 'unknown', slow: false };
        return judgement(health, { slow: slow && health === 'up' });
      };
      const found = slowTarget(check, judge);
      assert.equal(found !== undefined, judgeCheck(check, judge).slow);
      if (found === undefined) return;
      assert.ok(judge(found).slow);
      // What is found is a reason: had all else been quick, the check would still be slow.
      const only = judgeCheck(check, (target) => {
        return { ...judge(target), slow: target.key === found.key && judge(target).slow };
      });
      assert.ok(only.slow);
    }),
    parameters,
  );
});
