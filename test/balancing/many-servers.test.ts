import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PickState } from '../../src/balancing/algorithm.ts';
import { balancingAlgorithms } from '../../src/balancing/registry.ts';
import { drawAt, keyAt, serversOf, stateOf } from './state.ts';

/** Five hundred servers in one pool: each is used, and what a pick costs is bounded, counted in reads. */

const SERVERS = 500;
/** Two scans of all servers, a few numbers of each. */
const READS_PER_SERVER_MAX = 16;
/** What is thought of a server that nobody has asked yet fades in tens of seconds. */
const FOR_MS = 200_000;
/** Keys miss a server more often than draws do. */
const [DRAWN_PICKS, KEYED_PICKS] = [12 * SERVERS, 40 * SERVERS];

/** The state with every read of an element counted. */
function counted(state: PickState): { readonly state: PickState; reads(): number } {
  let reads = 0;
  const watch = <T extends object>(array: T): T =>
    new Proxy(array, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value === 'function') return value.bind(target);
        if (typeof name === 'string' && /^\d+$/.test(name)) reads++;
        return value;
      },
      set: (target, name, value) => Reflect.set(target, name, value, target),
    });
  const { active, awaited, awaitedSinceMs, connections, scratch, usable, weights } = state;
  return {
    state: {
      usable: watch(usable),
      active: watch(active),
      connections: watch(connections),
      awaited: watch(awaited),
      awaitedSinceMs: watch(awaitedSinceMs),
      weights: watch(weights),
      scratch: watch(scratch),
    },
    reads: () => reads,
  };
}

for (const algorithm of balancingAlgorithms) {
  const build = () =>
    algorithm.build(
      serversOf(Array.from({ length: SERVERS }, () => 1)),
      algorithm.options.parse({}),
    );

  test(`${algorithm.kind} uses all of ${SERVERS} servers`, () => {
    const picker = build();
    const state = stateOf(Array.from({ length: SERVERS }, () => 1));
    const used = new Set<number>();
    const picks = algorithm.keySource === undefined ? DRAWN_PICKS : KEYED_PICKS;
    for (let step = 0; step < picks; step++) {
      const nowMs = (step * FOR_MS) / picks;
      const server = picker.pick(state, keyAt(step), drawAt(step), nowMs);
      used.add(server);
      picker.observe?.(state, server, { ok: true, elapsedMs: 5, retryAfterMs: 0 }, nowMs + 5);
    }
    assert.equal(used.size, SERVERS);
  });

  for (const down of [0, SERVERS - 1]) {
    test(`${algorithm.kind} picks of ${SERVERS} with ${down} down in bounded reads`, () => {
      const picker = build();
      const usable = Array.from({ length: SERVERS }, (_, index) => (index < down ? 0 : 1));
      const { reads, state } = counted(
        stateOf(
          usable.map(() => 1),
          usable,
        ),
      );
      let most = 0;
      for (let step = 0; step < 50; step++) {
        const before = reads();
        const server = picker.pick(state, keyAt(step), drawAt(step), step);
        most = Math.max(most, reads() - before);
        assert.equal(usable[server], 1);
      }
      assert.ok(most <= READS_PER_SERVER_MAX * SERVERS, `${most} reads`);
    });
  }
}
