import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Sight, selfTrust, THINGS_MIN } from '../../src/health/self-trust.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';

const parameters = { seed: fuzzSeed(20_261_123), numRuns: fuzzRuns(400) };

/** `+us -eu -ap! -*8.8.8.8`: + well, - failing, * a canary, ! others see it too. */
function sights(text: string): Sight[] {
  return text.split(' ').map((each) => ({
    thing: each.replace(/[-+*!]/g, ''),
    failing: each.startsWith('-'),
    isCanary: each.includes('*'),
    confirmed: each.endsWith('!'),
  }));
}
const trusted = (text: string): boolean => selfTrust(sights(text)).trusted;

test('selfTrust() distrusts an eye that loses more than half of what is unrelated', () => {
  assert.ok(trusted('+us +eu +ap'));
  assert.ok(trusted('-us +eu +ap'));
  assert.ok(!trusted('-us -eu +ap'));
  assert.ok(!trusted('-us -eu -ap'));
  assert.ok(trusted('-us -eu +ap +*dns'), 'a half is not more than half');
  assert.ok(!trusted('-us -eu +ap -*dns'));
});

test('selfTrust() counts nothing against an eye that others see as well, but canaries', () => {
  assert.ok(trusted('-us! -eu! +ap'), 'two regions die in one night');
  assert.ok(trusted('-us! -eu! -ap!'));
  assert.ok(!trusted('-*1! -*2! +*3'), 'canaries do not die together');
  assert.ok(!trusted('-us -eu -ap! -sa'));
});

test('selfTrust() lets two broken eyes not vouch for each other', () => {
  // Each sees every region fail, and finds it confirmed by the other one: the canaries tell.
  assert.ok(!trusted('-us! -eu! -ap! -sa! -af! -*1 -*2 -*3'));
  assert.ok(!trusted('-us! -eu! -ap! -sa! -af! +me -*1 -*2'));
  assert.ok(trusted('-us! -eu! -ap! -sa! -af! +*1 +*2 -*3'));
  assert.ok(trusted('-us! -eu! -ap! -*1'), 'a region fails, and a canary');
});

test('selfTrust() believes an eye that has too little to compare', () => {
  assert.ok(trusted('-us -eu'));
  assert.ok(trusted('-us'));
  assert.ok(selfTrust([]).trusted);
});

test('selfTrust() says what fails, and nothing when all is well', () => {
  const { reason } = selfTrust(sights('-us -eu! -*dns +ap -sa'));
  assert.equal(reason, '3 of 4 unrelated things fail at once (us, dns, sa)');
  assert.equal(selfTrust(sights('+us -eu +ap')).reason, '');
});

const many = fc.array(
  fc.record({
    thing: fc.string({ maxLength: 3 }),
    isCanary: fc.boolean(),
    failing: fc.boolean(),
    confirmed: fc.boolean(),
  }),
  { maxLength: 9 },
);

test('selfTrust() distrusts an eye that loses everything, once there is enough to tell', () => {
  fc.assert(
    fc.property(many, (list) => {
      const lost = list.map((each) => ({ ...each, failing: true, confirmed: false }));
      assert.equal(selfTrust(lost).trusted, lost.length < THINGS_MIN);
    }),
    parameters,
  );
});

test('selfTrust() is never lost by something that works again, nor won by something that fails', () => {
  fc.assert(
    fc.property(many, fc.nat(), (list, at) => {
      if (list.length === 0) return;
      const index = at % list.length;
      const changed = (failing: boolean): boolean =>
        selfTrust(list.map((each, i) => (i === index ? { ...each, failing } : each))).trusted;
      if (changed(true)) assert.ok(changed(false));
      assert.deepEqual(selfTrust(list.toReversed()).trusted, selfTrust(list).trusted);
    }),
    parameters,
  );
});
