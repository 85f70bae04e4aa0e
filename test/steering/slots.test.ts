import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { slotsOf } from '../../src/nameserver/dealing.ts';
import { dealSlots, SLOTS, WITHIN } from '../../src/steering/slots.ts';
import type { Chain } from '../../src/steering/step.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { chainOf, decided } from './deciding.ts';
import { candidate, type WordName } from './places.ts';

/** Who belongs to which part of the clients, and who moves when something changes. */
const four = ['a', 'b', 'c', 'new'].map((region, index) => candidate(index, region));

/** The part of each slot, as a policy over the four regions has it. */
function partOfSlots(chain: Chain, names: readonly WordName[] = []): readonly string[] {
  const { stages } = decided(chainOf('healthy', ...chain), { list: four, names });
  const parts = stages.flatMap((stage) => stage.parts);
  const slots = slotsOf(stages) ?? assert.fail('everybody has the same');
  return Array.from(slots, (part) => parts[part]!.key);
}

const canary = (percent: number): Chain[number] => ({
  kind: 'canary',
  options: { regions: ['new'], percent },
});
const sticky: Chain[number] = { kind: 'sticky', options: {} };

/** The slots of a part and of all within it. */
const slotsIn = (parts: readonly string[], name: string): readonly number[] =>
  parts.flatMap((key, slot) => (key.split(WITHIN)[0] === name ? [slot] : []));

test('the clients of a canary stay its clients, whatever happens to the others', () => {
  const chain = [canary(5), sticky];
  const all = slotsIn(partOfSlots(chain), 'canary');
  assert.equal(all.length, 51);
  for (const names of [['down'], ['up', 'drained'], ['down', 'down']] as const) {
    const parts = partOfSlots(chain, names);
    assert.deepEqual(slotsIn(parts, 'canary'), all, names.join(' '));
  }
  const [smaller, larger] = [1, 20].map((percent) =>
    slotsIn(partOfSlots([canary(percent), sticky]), 'canary'),
  );
  assert.ok(smaller!.every((slot) => all.includes(slot)));
  assert.ok(all.every((slot) => larger!.includes(slot)));
});

test('a canary takes its clients from all, and leaves hardly anybody else elsewhere', () => {
  const before = partOfSlots([sticky, { kind: 'only', options: { except: ['new'] } }]);
  const after = partOfSlots([canary(5), sticky]);
  const others = after.flatMap((key, slot) => (key.startsWith('others > ') ? [slot] : []));
  const moved = others.filter((slot) => after[slot] !== `others > ${before[slot]}`);
  assert.ok(moved.length <= 20, `${moved.length} of ${others.length}`);
});

test('a part within a part has its share of it, to a slot', () => {
  const parts = partOfSlots([canary(50), canary(50), sticky]);
  const counts = Map.groupBy(parts, (key) => key.split(WITHIN).slice(0, 2).join(WITHIN));
  // The canary of a canary has the same region; who is in neither has the others.
  assert.deepEqual([...counts].map(([key, { length }]) => `${key} ${length}`).sort(), [
    'canary > canary 512',
    'others > others 512',
  ]);
});

/** By part, how many slots it has. */
function counts(dealt: Uint16Array, parts: number): readonly number[] {
  const found = new Array<number>(parts).fill(0);
  for (const part of dealt) found[part]! += 1;
  return found;
}
const keyed = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `web/region-${index}`);
function sharesOf(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Slots whose key is another: all of them, and those of them that neither went to nor came from `of`. */
function moves(
  [keysBefore, before]: readonly [readonly string[], Uint16Array],
  [keysAfter, after]: readonly [readonly string[], Uint16Array],
  of: string,
): { readonly all: number; readonly elsewhere: number } {
  let [all, elsewhere] = [0, 0];
  for (let slot = 0; slot < SLOTS; slot += 1) {
    const [from, to] = [keysBefore[before[slot]!], keysAfter[after[slot]!]];
    if (from === to) continue;
    all += 1;
    if (from !== of && to !== of) elsewhere += 1;
  }
  return { all, elsewhere };
}

test('dealSlots() deals as ever: another deal would move clients of every sticky name', () => {
  const sha = (dealt: Uint16Array): string =>
    createHash('sha256').update(Buffer.from(dealt)).digest('hex').slice(0, 16);
  const flat = dealSlots(['web/us', 'web/eu', 'web/ap'], [0.5, 0.3, 0.2]);
  assert.equal(flat.slice(0, 48).join(''), '010000101021111200200101211000011011011100021002');
  assert.equal(sha(flat), 'edf913a9572593ad');
  const keys = ['canary', 'others > web/us', 'others > web/eu'];
  const nested = dealSlots(keys, [0.05, 0.38, 0.57]);
  assert.equal(nested.slice(0, 48).join(''), '122111212012022012211222202211122122122212222112');
  assert.equal(sha(nested), '99caab60c6745861');
});

const weights = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 2, maxLength: 8 });
const parameters = { seed: fuzzSeed(20_261_141), numRuns: fuzzRuns(200) };

test('dealSlots() gives each part its share, to a slot', () => {
  const drawn = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(drawn, (list) => {
      fc.pre(list.some((weight) => weight > 0));
      const shares = sharesOf(list);
      const found = counts(dealSlots(keyed(list.length), shares), list.length);
      for (const [part, count] of found.entries()) {
        assert.ok(Math.abs(count - shares[part]! * SLOTS) < 1 + 1e-6, `${count} of ${shares}`);
        if (shares[part] === 0) assert.equal(count, 0);
      }
    }),
    parameters,
  );
});

test('dealSlots() does not care for the order of parts, where shares are whole slots', () => {
  const ends = fc.uniqueArray(fc.integer({ min: 1, max: SLOTS - 1 }), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(ends, (list) => {
      const sorted = [0, ...list.toSorted((a, b) => a - b), SLOTS];
      const shares = sorted.slice(1).map((end, index) => (end - sorted[index]!) / SLOTS);
      const keys = keyed(shares.length);
      const there = dealSlots(keys, shares);
      const back = dealSlots(keys.toReversed(), shares.toReversed());
      assert.deepEqual(
        [...back].map((part) => keys.length - 1 - part),
        [...there],
      );
    }),
    parameters,
  );
});

test('of two parts the one that grows only gains', () => {
  const percent = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(percent, percent, fc.string({ minLength: 1 }), (one, other, key) => {
      const [less, more] = [one, other].toSorted((a, b) => a - b) as [number, number];
      const keys = [key, `not ${key}`].map((each) => each.replaceAll(WITHIN, ' '));
      const before = dealSlots(keys, [less, 1 - less]);
      const after = dealSlots(keys, [more, 1 - more]);
      assert.ok(before.every((part, slot) => part !== 0 || after[slot] === 0));
    }),
    parameters,
  );
});

test('one per cent more for a part moves not two per cent of the clients, nearly all of them to it', () => {
  const [all, elsewhere, lost]: [number[], number[], number[]] = [[], [], []];
  fc.assert(
    fc.property(weights, (list) => {
      const [own, ...others] = sharesOf(list) as [number, ...number[]];
      fc.pre(own < 0.9);
      const less = (1 - own - 0.01) / (1 - own);
      const keys = keyed(list.length);
      const before = dealSlots(keys, [own, ...others]);
      const after = dealSlots(keys, [own + 0.01, ...others.map((share) => share * less)]);
      const moved = moves([keys, before], [keys, after], keys[0]!);
      all.push(moved.all);
      elsewhere.push(moved.elsewhere);
      lost.push(before.filter((part, slot) => part === 0 && after[slot] !== 0).length);
    }),
    parameters,
  );
  assert.ok(mean(all) < 0.02 * SLOTS, `${mean(all)} slots moved`);
  assert.ok(mean(elsewhere) < 0.007 * SLOTS, `${mean(elsewhere)} slots moved elsewhere`);
  assert.ok(mean(lost) < 0.001 * SLOTS, `it lost ${mean(lost)} slots`);
  assert.ok(Math.max(...all) < 0.06 * SLOTS, `${Math.max(...all)} slots moved at once`);
});

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

test('a part that goes moves its own clients and hardly any other, and gets its own back', () => {
  const elsewhere: number[] = [];
  fc.assert(
    fc.property(weights, (list) => {
      const keys = keyed(list.length);
      const all = [keys, dealSlots(keys, sharesOf(list))] as const;
      const rest = keys.slice(1);
      const without = [rest, dealSlots(rest, sharesOf(list.slice(1)))] as const;
      const gone = moves(all, without, keys[0]!);
      assert.deepEqual(moves(without, all, keys[0]!), gone, 'the same ones when it is back');
      if (list.length === 2) assert.equal(gone.elsewhere, 0);
      elsewhere.push(gone.elsewhere);
    }),
    parameters,
  );
  assert.ok(mean(elsewhere) < 0.02 * SLOTS, `${mean(elsewhere)} others moved`);
  assert.ok(Math.max(...elsewhere) < 0.07 * SLOTS, `${Math.max(...elsewhere)} others at once`);
});

test('there may be more parts than slots, and parts without a share', () => {
  for (const many of [200, 1500]) {
    const found = counts(dealSlots(keyed(many), sharesOf(keyed(many).map(() => 1))), many);
    assert.deepEqual([Math.min(...found), Math.max(...found)], many === 200 ? [5, 6] : [0, 1]);
  }
  assert.deepEqual(counts(dealSlots(keyed(3), [0, 1, 0]), 3), [0, SLOTS, 0]);
  assert.deepEqual(counts(dealSlots(['a'], [1]), 1), [SLOTS]);
  const inner = dealSlots(['a > x', 'a > y', 'b > x'], [0, 0, 1]);
  assert.deepEqual(counts(inner, 3), [0, 0, SLOTS]);
});

test('parts within parts have their shares to a slot on each level', () => {
  const tree = fc.array(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 4 }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 50 }), (lists, other) => {
      const keys = lists.flatMap((list, outer) => list.map((_, index) => `${outer} > ${index}`));
      const dealt = dealSlots(keys, sharesOf(lists.flat()));
      const outer = lists.map((list) => list.reduce((sum, weight) => sum + weight, 0));
      const level = dealSlots(
        lists.map((_, index) => `${index}`),
        sharesOf(outer),
      );
      assert.deepEqual(
        [...dealt].map((part) => Number(keys[part]!.split(WITHIN)[0])),
        [...level],
      );
      const changed = lists.with(0, [...lists[0]!, other]);
      const total = outer[0]! / (outer[0]! + other);
      const shares = changed.flatMap((list, index) =>
        list.map((weight) => (index === 0 ? weight * total : weight)),
      );
      const more = changed.flatMap((list, at) => list.map((_, index) => `${at} > ${index}`));
      const again = dealSlots(more, sharesOf(shares));
      for (const [slot, part] of dealt.entries()) {
        if (level[slot] !== 0) assert.equal(more[again[slot]!], keys[part]);
      }
    }),
    parameters,
  );
});
