import { z } from 'zod';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { type AgreedOffset, agreeOnOffset, type Measured } from './agreed-offset.ts';

/**
 * The wall clock that nodes agree on, for durable facts only: when an override lapses, when a drill
 * ends, when something happened. Health is judged by ages on each node's steady clock and never hears
 * of this one, so a stepped clock changes no verdict.
 */
export type ClusterClock = {
  /** Milliseconds since the epoch as the cluster counts them. Steps when more becomes known. */
  nowMs(): number;
  setTimer(ms: number, run: () => void): () => void;
  /** This machine's own wall clock: what peers are told. */
  wallMs(): number;
  /** A peer's wall clock less this one's, when its word arrived. */
  heardPeer(node: string, offsetMs: number): void;
  /** Asks the store again; done regularly by itself. */
  measure(): void;
  /** The store or a peer has confirmed the time. */
  isAgreed(): boolean;
  status(): ClockStatus;
  /** Called after a step; returns the function that stops it. */
  onStep(listener: (stepMs: number) => void): () => void;
  /** To be given back after a restart. */
  save(): unknown;
  close(): void;
};

export type ClockStatus = {
  readonly source: AgreedOffset['source'];
  /** The agreed time less this machine's own. */
  readonly offsetMs: number;
  readonly isSkewed: boolean;
};

export type ClusterClockOptions = {
  /** Steady: it never steps. */
  readonly clock: { nowMs(): number; setTimer(ms: number, run: () => void): () => void };
  /** The machine's wall clock, which may step. Default: the steady one. */
  readonly wallMs?: () => number;
  readonly store: Pick<Store, 'nowMs' | 'onStatus'>;
  /** What `save` gave, or anything else. */
  readonly saved?: unknown;
  readonly log: Pick<Log, 'info' | 'warn'>;
};

/** An own clock that is further off than this is worth a line. */
export const CLOCK_SKEW_WARN_MS = 2000;
/** Half of that ends it, so that a clock on the edge says it once. */
const CLOCK_SKEW_OVER_MS = 1000;
/** Smaller differences are measurement, not time. */
const STEP_MIN_MS = 50;
const MEASURE_MS = 10_000;
/** Nodes whose clocks are counted. */
const PEERS_MAX = 1000;
/** What no clock of a machine that runs this program can be off by: a century. */
const OFFSET_MAX_MS = 100 * 365 * 24 * 3600_000;

export function createClusterClock(options: ClusterClockOptions): ClusterClock {
  const { clock, log, store } = options;
  const wallMs = options.wallMs ?? clock.nowMs;
  const peers = new Map<string, Measured>();
  const saved = savedSchema.safeParse(options.saved).data;
  const listeners = new Set<(stepMs: number) => void>();
  const ownMs = (): number => wallMs() - clock.nowMs();
  let fromStore: Measured | undefined;
  let agreed = agreeOnOffset({ ownMs: ownMs(), store: undefined, peers, saved }, clock.nowMs());
  let isSkewed = false;
  let cancelTimer = (): void => {};

  const decide = (): void => {
    const before = agreed;
    const next = agreeOnOffset({ ownMs: ownMs(), store: fromStore, peers, saved }, clock.nowMs());
    const stepMs = next.offsetMs - before.offsetMs;
    const isStep = Math.abs(stepMs) >= STEP_MIN_MS;
    agreed = isStep ? next : { ...next, offsetMs: before.offsetMs };
    watchSkew();
    if (isStep || next.source !== before.source) {
      for (const listener of listeners) listener(isStep ? stepMs : 0);
    }
  };
  const skewMs = (): number => agreed.offsetMs - ownMs();
  const watchSkew = (): void => {
    const size = Math.abs(skewMs());
    if (!isSkewed && size > CLOCK_SKEW_WARN_MS) {
      isSkewed = true;
      log.warn('clock.skewed', skewMessage(skewMs(), agreed.source));
    } else if (isSkewed && size < CLOCK_SKEW_OVER_MS) {
      isSkewed = false;
      log.info('clock.agrees', 'The clock of this machine agrees with the others again.');
    }
  };
  const measure = (): void => {
    const storeMs = store.nowMs();
    const atMs = clock.nowMs();
    if (storeMs !== null && isPlausible(storeMs - atMs))
      fromStore = { offsetMs: storeMs - atMs, atMs };
    decide();
    cancelTimer();
    cancelTimer = clock.setTimer(MEASURE_MS, measure);
  };
  measure();
  const stopStatus = store.onStatus(({ state }) => {
    if (state === 'ready') measure();
  });

  return {
    nowMs: () => Math.round(clock.nowMs() + agreed.offsetMs),
    setTimer: clock.setTimer,
    wallMs,
    heardPeer(node, offsetMs) {
      if (!isPlausible(offsetMs)) return;
      if (!peers.has(node) && peers.size >= PEERS_MAX) peers.delete(peers.keys().next().value!);
      peers.set(node, { offsetMs, atMs: clock.nowMs() });
      if (agreed.source !== 'store') decide();
    },
    measure,
    isAgreed: () => agreed.source === 'store' || agreed.source === 'peers',
    status: () => ({ source: agreed.source, offsetMs: skewMs(), isSkewed }),
    onStep(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    save: () => ({ offsetMs: skewMs(), atMs: wallMs() }),
    close() {
      cancelTimer();
      stopStatus();
    },
  };
}

const savedSchema = z.object({
  offsetMs: z.number().min(-OFFSET_MAX_MS).max(OFFSET_MAX_MS),
  atMs: z.number(),
});

function isPlausible(offsetMs: number): boolean {
  return Number.isFinite(offsetMs) && Math.abs(offsetMs) <= OFFSET_MAX_MS;
}

function skewMessage(offsetMs: number, source: AgreedOffset['source']): string {
  const seconds = (Math.abs(offsetMs) / 1000).toFixed(1);
  const side = offsetMs > 0 ? 'behind' : 'ahead of';
  const whose = {
    store: "the store's",
    peers: "the other nodes'",
    saved: "the cluster's",
    own: 'its own',
  };
  return `The clock of this machine is ${seconds} s ${side} ${whose[source]}; times of overrides and drills follow that one. Is NTP running?`;
}
