import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NOWHERE } from '../../src/health/health-words.ts';
import {
  type ClassEntry,
  classCount,
  classEntries,
  classEntry,
  classVariant,
  leafCount,
  packClasses,
  tierCount,
  tierPlace,
} from '../../src/steering/class-list.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

const FIRST = 7;

/** Any classes over some tiers; equal tiers are the same array. */
const anyEntries = fc
  .uniqueArray(fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 5 }), {
    maxLength: 6,
    selector: (tier) => tier.join(' '),
  })
  .chain((tiers) =>
    fc.array(
      fc
        .tuple(
          fc.array(
            tiers.length === 0
              ? fc.constant<number[][]>([])
              : fc.array(fc.constantFrom(...tiers), { maxLength: 4 }),
            { minLength: 1, maxLength: 3 },
          ),
          fc.integer({ min: NOWHERE, max: 300 }),
          fc.nat(9),
          fc.double({ min: 0, max: 1, noNaN: true }),
        )
        .map(([leaves, near, variant, addressShare]) => ({ leaves, variant, near, addressShare })),
      { maxLength: 20 },
    ),
  );

test('packClasses() keeps every class, whatever their tiers', () => {
  fc.assert(
    fc.property(anyEntries, fc.nat(1000), (entries, first) => {
      const list = structuredClone(packClasses(entries, first));
      assert.equal(classCount(list), entries.length);
      assert.deepEqual([...classEntries(list)], entries);
      for (const [classId, { leaves, variant }] of entries.entries()) {
        assert.equal(leafCount(list, classId), leaves.length);
        assert.equal(classVariant(list, classId), variant);
        assert.equal(tierCount(list, classId), leaves[0]!.length);
      }
    }),
    fuzzParameters(200),
  );
});

test('a place stands for a tier: equal ones of a list have one, others another', () => {
  fc.assert(
    fc.property(anyEntries, (entries) => {
      const list = packClasses(entries, 0);
      const tiers = new Map<number, string>();
      const places = new Map<string, number>();
      for (const [classId, entry] of entries.entries()) {
        for (const [index, tier] of entry.leaves[0]!.entries()) {
          const [place, text] = [tierPlace(list, classId, index), tier.join(' ')];
          assert.equal(tiers.get(place) ?? text, text);
          assert.equal(places.get(text) ?? place, place);
          tiers.set(place, text);
          places.set(text, place);
        }
      }
    }),
    fuzzParameters(200),
  );
});

test('classes of a pool that is alike differ by their first endpoint alone', () => {
  const leaves = [[[FIRST + 1], [FIRST, FIRST + 2]]];
  const entry: ClassEntry = { leaves, variant: 0, near: 3, addressShare: 1 };
  const list = packClasses([entry], FIRST);
  const further = classEntry({ ...list, firstEndpoint: FIRST + 100 }, 0);
  assert.deepEqual(further.leaves, [[[FIRST + 101], [FIRST + 100, FIRST + 102]]]);
});

test('classes are no objects of a message: what threads are sent of them is shared', () => {
  const entries = Array.from({ length: 1000 }, () => ({
    ...{ leaves: [[[1]]], variant: 0 },
    ...{ near: 0, addressShare: 0 },
  }));
  const list = packClasses(entries, 0);
  for (const { buffer } of [list.words, list.shares]) {
    assert.ok(buffer instanceof SharedArrayBuffer);
  }
});
