import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotsOf } from '../../src/nameserver/answer.ts';
import { decide } from '../../src/steering/decide.ts';
import { compilePolicy, preferenceOf } from '../../src/steering/policy.ts';
import type { Chain } from '../../src/steering/step.ts';
import { at, candidate, stateOf, type WordName } from './places.ts';

/** Who belongs to which part of the clients, and who moves when something changes. */
const four = ['a', 'b', 'c', 'new'].map((region, index) => candidate(index, region));

/** The part of each slot, as a policy over the four regions has it. */
function partOfSlots(chain: Chain, names: readonly WordName[] = []): readonly string[] {
  const policy = compilePolicy([{ kind: 'healthy', options: {} }, ...chain]);
  const { stages } = decide(policy, preferenceOf(policy, four, at(undefined)), stateOf(names));
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
  parts.flatMap((key, slot) => (key.split(' > ')[0] === name ? [slot] : []));

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
  const counts = Map.groupBy(parts, (key) => key.split(' > ').slice(0, 2).join(' > '));
  // The canary of a canary has the same region; who is in neither has the others.
  assert.deepEqual([...counts].map(([key, { length }]) => `${key} ${length}`).sort(), [
    'canary > canary 512',
    'others > others 512',
  ]);
});
