import {
  createProbeRound,
  type ProbeCounts,
  type ProbeExchange,
  type ProbeReading,
  type ProbeRound,
} from '../clients/probe-round.ts';
import { decodeResolvers, mergeResolvers } from '../clients/resolver-list.ts';
import type { VantageConfig } from '../config/config.ts';
import type { LatencyConfig } from '../config/latency-config.ts';
import { type Clock, repeat } from '../control/clock.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { probeTargets } from './probe-targets.ts';
import type { roundTripMs } from './round-trip.ts';
import { RESOLVERS_PREFIX } from './store-keys.ts';

/**
 * Measures the ways between this node's vantage points and those who are to be measured: beacons, and the resolvers
 * that nameservers tell of. Each vantage point begins `perSecond` exchanges in a second at most, whoever asks whatever.
 */
export type Prober = {
  /** Of all vantage points; undefined = none of them measures. */
  status(): ProberStatus | undefined;
  close(): void;
};

export type ProberStatus = ProbeCounts & {
  /** Exchanges so far that were answered, and that were not. */
  readonly answered: number;
  readonly unanswered: number;
};

export type ProberParts = {
  readonly store: Pick<Store, 'list'>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly draw: () => number;
  readonly log: Pick<Log, 'warn'>;
  readonly roundTrip: typeof roundTripMs;
  /** Those that measure: in a region, on a node that probes, while somebody goes by it. */
  vantages(): readonly VantageConfig[];
  config(): Pick<LatencyConfig, 'probes' | 'windowMs'>;
  /** Tells what was measured from a region. */
  tell(region: string, reading: ProbeReading): void;
};

/** Between two exchanges half of the time at least, and half as much again at most: nobody marches in step. */
const GAP_JITTER = 0.5;

export function createProber(parts: ProberParts): Prober {
  const { clock, config, draw, log, vantages } = parts;
  const rounds = new Map<string, ProbeRound>();
  const counted = { answered: 0, unanswered: 0 };
  let isMute = false;
  const aim = async (): Promise<void> => {
    const targets = vantages().length === 0 ? [] : await findTargets(parts);
    for (const { name } of vantages()) {
      const round = rounds.get(name) ?? createProbeRound(() => config().probes.intervalMs, draw);
      rounds.set(name, round);
      round.aim(targets, clock.nowMs());
    }
    isMute = false;
  };
  const exchange = async (vantage: VantageConfig): Promise<void> => {
    const round = rounds.get(vantage.name);
    const due = round?.next(clock.nowMs());
    if (round === undefined || due === undefined) return;
    const rttMs = await measure(parts, vantage, due);
    counted[rttMs === undefined ? 'unanswered' : 'answered'] += 1;
    const reading = round.heard(due, rttMs, clock.nowMs());
    if (reading !== undefined) parts.tell(vantage.region!, reading);
  };
  const stopAiming = repeat(
    clock,
    () => config().windowMs,
    () => {
      aim().catch((error: Error) => {
        if (!isMute) log.warn('latency.unaimed', `Resolvers are not known: ${error.message}`);
        isMute = true;
      });
    },
  );
  let cancel = (): void => {};
  const step = (): void => {
    const gapMs = MS_PER_SECOND / config().probes.perSecond;
    cancel = clock.setTimer(gapMs * (1 + GAP_JITTER * (2 * draw() - 1)), () => {
      for (const vantage of vantages()) void exchange(vantage);
      step();
    });
  };
  step();
  return {
    status() {
      const measuring = vantages().flatMap(({ name }) => rounds.get(name) ?? []);
      return measuring.length === 0 ? undefined : { ...sumOf(measuring), ...counted };
    },
    close() {
      stopAiming();
      cancel();
    },
  };
}

const MS_PER_SECOND = 1000;

async function findTargets({ config, store }: ProberParts) {
  const { probes } = config();
  const entries = probes.resolversMax > 0 ? await store.list(RESOLVERS_PREFIX) : [];
  const lists = entries.map(({ value }) => decodeResolvers(value) ?? []);
  return probeTargets(probes, mergeResolvers(lists, probes.resolversMax));
}

/** From an address of the vantage point, if it has any; of the other family it measures nothing then. */
async function measure(
  { roundTrip }: ProberParts,
  { source }: VantageConfig,
  { target: { address }, way }: ProbeExchange,
): Promise<number | undefined> {
  const own = source.find((each) => each.includes(':') === address.includes(':'));
  if (own === undefined && source.length > 0) return undefined;
  return roundTrip(way, address, own);
}

function sumOf(rounds: readonly ProbeRound[]): ProbeCounts {
  let [targets, answering] = [0, 0];
  for (const { counts } of rounds) {
    targets += counts().targets;
    answering += counts().answering;
  }
  return { targets, answering };
}
