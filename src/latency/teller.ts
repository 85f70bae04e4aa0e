import type { PageReading } from '../clients/page-report.ts';
import { createRttCollector, type RttCollector, type RttRow } from '../clients/rtt-collector.ts';
import { encodeSketch, type RttSource } from '../clients/rtt-sketch.ts';
import type { LatencyConfig } from '../config/latency-config.ts';
import type { Clock } from '../control/clock.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { SKETCH_LOG, SKETCHES_MAX } from './store-keys.ts';

/**
 * Tells the other nodes how far clients are from this node's regions: networks with enough connections, and those that
 * were probed, once a window. Nothing waits for it, and what cannot be told is forgotten.
 */
export type Teller = {
  /** @param samples for each connection its network and milliseconds (balancer/messages.ts) */
  hear(region: string, samples: Float64Array): void;
  /** What the page of a client says. */
  hearPage(network: number, reading: PageReading): void;
  /** @param rows from probes, of networks that may have been told of before in this window: the nearest counts */
  hearProbes(region: string, rows: readonly RttRow[]): void;
  close(): void;
};

export type TellerParts = {
  readonly store: Pick<Store, 'append'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  config(): Pick<LatencyConfig, 'clientsMin' | 'networksMax' | 'windowMs'>;
};

export function createTeller({ clock, config, log, store }: TellerParts): Teller {
  const collectors: Readonly<Record<'clients' | 'beacon', Map<string, RttCollector>>> = {
    clients: new Map(),
    beacon: new Map(),
  };
  const probed = new Map<string, Map<number, RttRow>>();
  let isMute = false;
  let cancel = (): void => {};
  const collectorOf = (source: 'clients' | 'beacon', region: string): RttCollector => {
    const known = collectors[source].get(region) ?? createRttCollector(config().networksMax);
    collectors[source].set(region, known);
    return known;
  };
  const append = async (region: string, source: RttSource, rows: readonly RttRow[]) => {
    if (rows.length === 0) return;
    const sketch = Buffer.from(encodeSketch({ region, source, rows }));
    await store.append(SKETCH_LOG, sketch.toString('base64'), SKETCHES_MAX);
  };
  const tell = async (): Promise<void> => {
    for (const source of ['clients', 'beacon'] as const) {
      for (const [region, collector] of collectors[source]) {
        await append(region, source, collector.drain(config().clientsMin, clock.nowMs()));
      }
    }
    for (const [region, rows] of probed) {
      probed.delete(region);
      await append(region, 'probes', [...rows.values()]);
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
      const collector = collectorOf('clients', region);
      const nowMs = clock.nowMs();
      for (let at = 0; at + 1 < samples.length; at += 2) {
        collector.add(samples[at]!, samples[at + 1]!, nowMs);
      }
    },
    hearPage(network, { region, rttMs }) {
      collectorOf('beacon', region).add(network, rttMs, clock.nowMs());
    },
    hearProbes(region, rows) {
      const known = probed.get(region) ?? new Map<number, RttRow>();
      probed.set(region, known);
      for (const row of rows) {
        const before = known.get(row.network);
        if (before === undefined || row.rttMs < before.rttMs) known.set(row.network, row);
      }
    },
    close: () => cancel(),
  };
}
