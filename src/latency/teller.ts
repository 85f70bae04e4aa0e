import { createRttCollector, type RttCollector } from '../clients/rtt-collector.ts';
import { encodeSketch } from '../clients/rtt-sketch.ts';
import type { LatencyConfig } from '../config/latency-config.ts';
import type { Clock } from '../control/clock.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { SKETCH_LOG, SKETCHES_MAX } from './store-keys.ts';

/**
 * Tells the other nodes how far clients are from this node's regions: networks with enough connections, once a window.
 * Nothing waits for it, and what cannot be told is forgotten.
 */
export type Teller = {
  /** @param samples for each connection its network and milliseconds (balancer/messages.ts) */
  hear(region: string, samples: Float64Array): void;
  close(): void;
};

export type TellerParts = {
  readonly store: Pick<Store, 'append'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  config(): Pick<LatencyConfig, 'clientsMin' | 'networksMax' | 'windowMs'>;
};

export function createTeller({ clock, config, log, store }: TellerParts): Teller {
  const collectors = new Map<string, RttCollector>();
  let isMute = false;
  let cancel = (): void => {};
  const tell = async (): Promise<void> => {
    for (const [region, collector] of collectors) {
      const rows = collector.drain(config().clientsMin, clock.nowMs());
      if (rows.length === 0) continue;
      const sketch = Buffer.from(encodeSketch({ region, source: 'clients', rows }));
      await store.append(SKETCH_LOG, sketch.toString('base64'), SKETCHES_MAX);
    }
    isMute = false;
  };
  const later = (): void => {
    cancel = clock.setTimer(config().windowMs, () => {
      tell().catch((error: Error) => {
        if (!isMute) log.warn('latency.untold', `Round-trip times are not told: ${error.message}`);
        isMute = true;
      });
      later();
    });
  };
  later();
  return {
    hear(region, samples) {
      const collector = collectors.get(region) ?? createRttCollector(config().networksMax);
      collectors.set(region, collector);
      const nowMs = clock.nowMs();
      for (let at = 0; at + 1 < samples.length; at += 2) {
        collector.add(samples[at]!, samples[at + 1]!, nowMs);
      }
    },
    close: () => cancel(),
  };
}
