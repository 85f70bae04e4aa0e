import { openFacts } from '../../src/cluster/facts.ts';
import type { Clock } from '../../src/control/clock.ts';
import {
  createOverrides,
  type Overrides,
  type OverridesChange,
} from '../../src/control/overrides.ts';
import type { Store } from '../../src/store/store.ts';
import type { Log } from '../../src/telemetry/log.ts';

/**
 * Overrides of a node that shares nothing else, through this store only. Settles when the store has
 * been asked once, whatever came of it.
 */
export async function openOverrides(
  clock: Clock,
  store: Store,
  log: Pick<Log, 'info' | 'warn'>,
  onChange: (change: OverridesChange) => void,
): Promise<Overrides> {
  const facts = openFacts({
    node: 'local',
    store,
    clock,
    log,
    keyTexts: [],
    draw: () => 0.5,
    drawBytes: () => new Uint8Array(),
    hasPeers: () => false,
  });
  const overrides = createOverrides({ ...facts, onChange });
  await facts.ready;
  return {
    ...overrides,
    close() {
      overrides.close();
      void facts.close();
    },
  };
}
