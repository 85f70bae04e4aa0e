import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { enterRoll, forEachOnRoll, GONE, leaveRoll, type Roll } from '../../src/balancer/roll.ts';
import type { Session } from '../../src/balancer/session.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const stranger = (): Session => ({ place: GONE }) as Session;

test('whoever comes and goes, in any order, is there once or not at all', () => {
  const steps = fc.array(fc.nat({ max: 11 }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (turns) => {
      const roll: Roll = [];
      const there = new Set<Session>();
      const known = Array.from({ length: 12 }, stranger);
      for (const turn of turns) {
        const session = known[turn]!;
        if (there.has(session)) {
          assert.ok(leaveRoll(roll, session));
          there.delete(session);
          assert.ok(!leaveRoll(roll, session), 'twice');
        } else {
          enterRoll(roll, session);
          there.add(session);
        }
        assert.ok(roll.every((session) => there.has(session)));
        assert.equal(roll.length, there.size);
        for (const each of known) assert.equal(each.place, roll.indexOf(each));
      }
    }),
    { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(200) },
  );
});

test('all who stay are called, though others leave meanwhile and more come', () => {
  for (const leaving of [0, 3, 6]) {
    const roll: Roll = [];
    const known = Array.from({ length: 7 }, stranger);
    for (const session of known) enterRoll(roll, session);
    const called: Session[] = [];
    forEachOnRoll(roll, (session) => {
      called.push(session);
      if (session !== known[3]) return;
      for (const other of known.slice(leaving, leaving + 2)) leaveRoll(roll, other);
      enterRoll(roll, stranger());
    });
    for (const session of known.filter(({ place }) => place !== GONE)) {
      assert.ok(called.includes(session), `${known.indexOf(session)}, ${leaving} leaves`);
    }
  }
  const roll: Roll = [];
  for (let count = 0; count < 5; count++) enterRoll(roll, stranger());
  forEachOnRoll(roll, () => {
    for (const session of [...roll]) leaveRoll(roll, session);
  });
  assert.equal(roll.length, 0);
});
