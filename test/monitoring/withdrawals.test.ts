import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isDown } from '../../src/health/health-word.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { boardBench, REGIONS, WINDOW_MS } from './board-rig.ts';

/** The withdrawal limit over time: whatever comes in whatever order, with slow returns beside it. */
const step = fc.oneof(
  fc.record({
    kind: fc.constant('say' as const),
    verdict: fc.constantFrom('up' as const, 'down' as const, 'down' as const),
    region: fc.constantFrom(...REGIONS),
  }),
  fc.record({
    kind: fc.constant('wait' as const),
    ms: fc.constantFrom(500, 1000, 60_000, WINDOW_MS / 2, WINDOW_MS),
  }),
);

test('createHealthBoard() lets no more leave within a window than the limit says, and all at last', () => {
  const limits = fc.record({
    shareMax: fc.constantFrom(0, 0.25, 0.5, 0.75),
    countMax: fc.constantFrom(1, 2, 100),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 24 }), limits, (steps, limit) => {
      const { board, clock, later, say, share, state } = boardBench({
        withdrawals: { ...limit, windowMs: WINDOW_MS },
        ramp: { from: 0.25, overMs: 60_000 },
      });
      const most = Math.min(limit.countMax, Math.floor(limit.shareMax * REGIONS.length));
      const downSince = new Map<string, number>();
      const isOut = (region: (typeof REGIONS)[number]): boolean =>
        isDown(board.words().words[REGIONS.indexOf(region)]!);
      const check = (): void => {
        const { words } = board.words();
        const out = REGIONS.filter((_, index) => isDown(words[index]!));
        if (downSince.size === REGIONS.length) assert.equal(out.length, REGIONS.length);
        else {
          const recent = out.filter(
            (region) => clock.nowMs() - (downSince.get(region) ?? 0) < WINDOW_MS,
          );
          assert.ok(recent.length <= most, `${recent} of ${most}`);
        }
        for (const region of REGIONS) {
          assert.equal(state(region) === 'frozen', downSince.has(region) && !out.includes(region));
          if (!downSince.has(region)) assert.ok(share(region) > 0);
        }
      };
      say('up', ...REGIONS);
      for (const each of steps) {
        if (each.kind === 'wait') later(each.ms);
        else {
          if (each.verdict === 'up') downSince.delete(each.region);
          else if (!downSince.has(each.region)) downSince.set(each.region, clock.nowMs());
          const before = { share: share(each.region), wasIn: !isOut(each.region) };
          say(each.verdict, each.region);
          if (before.wasIn && state(each.region) === 'frozen') {
            assert.ok(share(each.region) >= before.share, 'what is kept keeps its share');
          }
        }
        check();
      }
      later(WINDOW_MS);
      assert.ok(
        REGIONS.every((region) => state(region) !== 'frozen'),
        'nothing is kept for ever',
      );
      later(60_000);
      for (const region of REGIONS) assert.equal(share(region), 1);
    }),
    { seed: fuzzSeed(20_261_136), numRuns: fuzzRuns(150) },
  );
});
