import { createResolverCounts } from '../clients/resolver-counts.ts';
import { encodeResolvers } from '../clients/resolver-list.ts';
import type { LatencyConfig } from '../config/latency-config.ts';
import { type Clock, repeat } from '../control/clock.ts';
import { isMapped } from '../ip/address.ts';
import { SOURCE_OCTETS } from '../nameserver/source-sampler.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { RESOLVERS_PREFIX } from './store-keys.ts';

/** Tells who asks this nameserver most, so that probes of all regions can measure them. */
export type ResolverTeller = {
  /** @param sources as workers tell them (nameserver/source-sampler.ts) */
  hear(sources: Uint8Array): void;
  close(): void;
};

export type ResolverTellerParts = {
  readonly store: Pick<Store, 'lease'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  /** This node's name. */
  readonly node: string;
  config(): Pick<LatencyConfig, 'probes' | 'windowMs'>;
};

/** What was counted is worth half as much after this time. */
const HALF_LIFE_MS = 3_600_000;
/** A nameserver that is gone is forgotten after so many windows. */
const LEASE_WINDOWS = 5;

export function createResolverTeller(parts: ResolverTellerParts): ResolverTeller {
  const { clock, config, log, node, store } = parts;
  const counts = createResolverCounts();
  let isMute = false;
  const tell = async (): Promise<void> => {
    const { probes, windowMs } = config();
    counts.fade(2 ** (-windowMs / HALF_LIFE_MS));
    const most = counts.top(probes.resolversMax);
    if (most.length === 0) return;
    await store.lease(
      `${RESOLVERS_PREFIX}${node}`,
      encodeResolvers(most),
      LEASE_WINDOWS * windowMs,
    );
    isMute = false;
  };
  const stop = repeat(
    clock,
    () => config().windowMs,
    () => {
      tell().catch((error: Error) => {
        if (!isMute) log.warn('latency.untold', `Resolvers are not told: ${error.message}`);
        isMute = true;
      });
    },
  );
  return {
    hear(sources) {
      for (let at = 0; at + SOURCE_OCTETS <= sources.length; at += SOURCE_OCTETS) {
        const bytes = sources.slice(at, at + SOURCE_OCTETS);
        counts.add(isMapped(bytes) ? { family: 4, bytes: bytes.slice(12) } : { family: 6, bytes });
      }
    },
    close: stop,
  };
}
