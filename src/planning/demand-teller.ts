import { encodeReport, type ToldShares } from '../capacity/demand-report.ts';
import type { CapacityConfig } from '../config/capacity-config.ts';
import type { Clock } from '../control/clock.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { DEMAND_LOG, REPORTS_MAX } from './store-keys.ts';

/**
 * Tells the other nodes how often clients of which class asked this nameserver, once a window. Nothing waits for it, and
 * what cannot be told is forgotten.
 */
export type DemandTeller = { close(): void };

export type DemandTellerParts = {
  readonly store: Pick<Store, 'append'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  /** This node's name. */
  readonly node: string;
  config(): CapacityConfig;
  /** Queries by class and region since ever (workers/counter-ledger.ts). */
  tallies(): ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** What is to be told of the time since it was called last (share-report.ts). */
  shares(seconds: number): readonly ToldShares[];
};

const SECOND_MS = 1000;

export function createDemandTeller(parts: DemandTellerParts): DemandTeller {
  const { clock, config, log, node, store } = parts;
  let before = parts.tallies();
  let sinceMs = clock.nowMs();
  let isMute = false;
  let cancel = (): void => {};
  const tell = async (): Promise<void> => {
    const [now, nowMs] = [parts.tallies(), clock.nowMs()];
    const seconds = (nowMs - sinceMs) / SECOND_MS;
    const queries = ratesOf(before, now, seconds);
    const shares = parts.shares(seconds);
    before = now;
    sinceMs = nowMs;
    if (queries.size + shares.length === 0) return;
    const report = Buffer.from(encodeReport({ node, seconds, queries, shares }));
    await store.append(DEMAND_LOG, report.toString('base64'), REPORTS_MAX);
    isMute = false;
  };
  const later = (): void => {
    cancel = clock.setTimer(config().windowMs, () => {
      tell().catch((error: Error) => {
        if (!isMute) log.warn('capacity.untold', `Demand is not told: ${error.message}`);
        isMute = true;
      });
      later();
    });
  };
  later();
  return { close: () => cancel() };
}

/** A second, of those that asked at all. */
function ratesOf(
  before: ReadonlyMap<string, ReadonlyMap<string, number>>,
  now: ReadonlyMap<string, ReadonlyMap<string, number>>,
  seconds: number,
): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const rates = new Map<string, ReadonlyMap<string, number>>();
  for (const [key, counts] of now) {
    const had = before.get(key);
    const own = new Map<string, number>();
    for (const [region, count] of counts) {
      const more = count - (had?.get(region) ?? 0);
      if (more > 0 && seconds > 0) own.set(region, more / seconds);
    }
    if (own.size > 0) rates.set(key, own);
  }
  return rates;
}
