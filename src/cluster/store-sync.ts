import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { type Fact, formatFact, isSpent, parseFact } from './fact.ts';
import { bucketOf, compareFacts } from './fact-shelf.ts';
import { createHeld, type Held, type HeldMap } from './held.ts';
import { createOutbox } from './outbox.ts';
import type { Replica } from './replica.ts';
import { createShareWaiters, type Sharing } from './share-waiters.ts';
import { compareStamps, stampProblem } from './stamp.ts';

/**
 * Keeps a replica and a store in agreement. The store is a meeting place, not the truth: what it has
 * and we lack is taken, what it lacks or has in an older wording is written, and a store that was
 * emptied or set back gets everything again from whoever holds it. Nothing waits for it: a local word
 * is in force before it goes out, and while the store is away it stays in force.
 */
export type StoreSync = {
  /** Settles when the store has been asked once, whatever came of it. */
  readonly ready: Promise<void>;
  /** Whether others can know the word: settles when they can, when that is hopeless, or in time. */
  settled(key: string, timeoutMs: number): Promise<Sharing>;
  /** A peer tells what it holds: words in buckets that are like ours have reached it. */
  heardDigest(peer: string, digest: Uint8Array): void;
  /** Compares everything with the store now. */
  reconcile(): Promise<void>;
  isAway(): boolean;
  close(): void;
};

export type StoreSyncOptions = {
  readonly replica: Replica;
  readonly store: Store;
  readonly clock: SyncClock;
  /** Between 0 and 1: spreads what all nodes would do at once. */
  draw(): number;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Whether the time here is the cluster's. Only then a stamp that is ahead is overruled. */
  isClockAgreed(): boolean;
  /** Whether there are nodes that may hear of a word without the store. */
  hasPeers(): boolean;
  /** Who can hear of a word at all. Default: whoever shares the store. */
  readonly reach?: Reach;
};

/** A store in this node's own memory is known to nobody: then peers must have a word, if there can be any. */
export type Reach = 'store' | 'peers' | 'alone';

/** The cluster's time, and timers. */
export type SyncClock = { nowMs(): number; setTimer(ms: number, run: () => void): () => void };

export const FACTS_PREFIX = 'facts/';
/** Everything is compared this often, in case a notice was lost. */
export const RECONCILE_MS = 30_000;
/** Others write the same key at the same time: more rounds than this are left to the next comparison. */
const ATTEMPTS_MAX = 8;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 10_000;

export function createStoreSync(options: StoreSyncOptions): StoreSync {
  const { clock, reach = 'store', replica, store } = options;
  const waiters = createShareWaiters(clock);
  const held = createHeld();
  const stored = (key: string): void => {
    if (reach === 'store') waiters.shared(key, STORED);
  };
  const exchange = createExchange(options, held, {
    mustWrite: (key) => outbox.add(key),
    isStored: (key) => {
      if (!outbox.has(key)) stored(key);
    },
  });
  const rhythm = createRhythm(options, {
    compare: () => compareAll(options, held, exchange.take),
    pause: () => outbox.pause(),
    resume: () => outbox.resume(),
    giveUp: () => waiters.giveUp(AWAY),
  });
  const outbox = createOutbox(exchange.push, rhythm.lost, stored);
  const stops = [
    store.watch(
      FACTS_PREFIX,
      ({ key, value, version }) => {
        const name = key.slice(FACTS_PREFIX.length);
        if (version >= (held.get(name)?.version ?? 0)) exchange.take(name, version, value);
      },
      () => void rhythm.reconcile(),
    ),
    store.onStatus((status) => {
      if (status.state === 'ready') void rhythm.reconcile();
      else if (status.state === 'away') rhythm.lost(status.reason);
    }),
    replica.onChange(({ fact, origin }) => {
      if (origin !== 'store') outbox.add(fact.key);
    }),
  ];
  return {
    ready: rhythm.reconcile(),
    settled(key, timeoutMs) {
      if (reach === 'alone') return Promise.resolve({ shared: true, detail: ALONE });
      if (reach === 'peers') {
        if (!options.hasPeers()) return Promise.resolve({ shared: false, detail: UNHEARD });
        return waiters.wait(key, replica.get(key)?.stamp ?? '', timeoutMs, () => UNHEARD);
      }
      if (!outbox.has(key)) return Promise.resolve({ shared: true, detail: STORED });
      if (rhythm.isAway() && !options.hasPeers()) {
        return Promise.resolve({ shared: false, detail: AWAY });
      }
      const late = (): string => (rhythm.isAway() ? AWAY : SLOW);
      return waiters.wait(key, replica.get(key)?.stamp ?? '', timeoutMs, late);
    },
    heardDigest(peer, digest) {
      const differing = new Set(replica.differing(digest));
      waiters.reached(`node ${peer} has it`, (key, stamp) => {
        return replica.get(key)?.stamp === stamp && !differing.has(bucketOf(key));
      });
    },
    reconcile: rhythm.reconcile,
    isAway: rhythm.isAway,
    close() {
      for (const stop of stops) stop();
      rhythm.close();
      outbox.pause();
      waiters.giveUp('in force here; this node is being stopped');
    },
  };
}

type Exchange = {
  /**
   * Takes what the store says of a key.
   * @param isReview in a regular comparison: words that nobody should keep are taken out. Not at once,
   *   or a node with a broken clock and the others would overrule each other as fast as they can
   */
  take(key: string, version: number, text: string | undefined, isReview?: boolean): void;
  /** Brings the store to our word of the key, or us to its. */
  push(key: string): Promise<void>;
};

function createExchange(
  { clock, isClockAgreed, replica, store }: StoreSyncOptions,
  held: HeldMap,
  tell: { mustWrite(key: string): void; isStored(key: string): void },
): Exchange {
  // Who may be wrong about the time takes nothing for spent.
  const isNeeded = (fact: Fact | undefined): boolean =>
    fact !== undefined && !(isClockAgreed() && isSpent(fact, clock.nowMs()));
  const isAhead = (stamp: string): boolean => stampProblem(stamp, clock.nowMs()) !== undefined;

  const take: Exchange['take'] = (key, version, text, isReview = false) => {
    const fact = text === undefined ? undefined : parseFact(key, text);
    held.set(key, text === undefined ? undefined : { version, stamp: fact?.stamp });
    if (fact === undefined) {
      if (isNeeded(replica.get(key))) tell.mustWrite(key);
      return;
    }
    replica.merge([fact], clock.nowMs(), 'store');
    const ours = replica.get(key);
    const order = ours === undefined ? -1 : compareFacts(ours, fact);
    // One stamp and two texts: it must not be taken for what we have.
    if (order > 0 && ours?.stamp === fact.stamp) held.set(key, { version, stamp: undefined });
    if (order > 0 || (isReview && mayOverrule(fact))) tell.mustWrite(key);
    else tell.isStored(key);
  };
  /**
   * Words that nobody should keep: those long over, and those ahead of every clock. Who may be wrong
   * about the time leaves them to others.
   */
  const mayOverrule = (fact: Fact): boolean =>
    isClockAgreed() && (isAhead(fact.stamp) || !isNeeded(fact));
  const mustPut = (fact: Fact, known: Held | undefined): boolean => {
    if (known?.stamp === undefined || compareStamps(fact.stamp, known.stamp) > 0) return true;
    return known.stamp !== fact.stamp && isAhead(known.stamp) && isClockAgreed();
  };
  return {
    take,
    async push(key) {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
        const ours = replica.get(key);
        const fact = isNeeded(ours) ? ours : undefined;
        const known = held.get(key);
        if (fact === undefined ? known === undefined : !mustPut(fact, known)) return;
        const text = fact && formatFact(fact);
        const name = FACTS_PREFIX + key;
        const { ok, version } = await store.compareAndSet(name, known?.version ?? 0, text);
        if (ok) {
          held.set(key, fact && { version, stamp: fact.stamp });
        } else {
          const entry = await store.get(name);
          take(key, entry?.version ?? 0, entry?.value);
        }
      }
    },
  };
}

/** Everything in the store against everything here. */
async function compareAll(
  { clock, isClockAgreed, replica, store }: StoreSyncOptions,
  held: HeldMap,
  take: Exchange['take'],
): Promise<void> {
  const begun = held.now();
  const entries = await store.list(FACTS_PREFIX);
  const listed = new Set<string>();
  for (const { key, value, version } of entries) {
    const name = key.slice(FACTS_PREFIX.length);
    listed.add(name);
    if (!held.isSince(name, begun)) take(name, version, value, true);
  }
  for (const { key } of replica.all()) {
    if (!listed.has(key) && !held.isSince(key, begun)) take(key, 0, undefined);
  }
  held.keepOnly(listed, begun);
  if (isClockAgreed()) replica.prune(clock.nowMs());
}

type Rhythm = {
  reconcile(): Promise<void>;
  /** The store has failed: it is asked again after a while, and then again. */
  lost(reason: unknown): void;
  isAway(): boolean;
  close(): void;
};

/** When the store is asked, and what is said of its coming and going: each once. */
function createRhythm(
  { clock, draw, hasPeers, log }: StoreSyncOptions,
  act: { compare(): Promise<void>; pause(): void; resume(): void; giveUp(): void },
): Rhythm {
  let closed = false;
  let isAway = false;
  let failures = 0;
  let reconciling: Promise<void> | undefined;
  let cancelTimer = (): void => {};
  const schedule = (ms: number): void => {
    cancelTimer();
    cancelTimer = clock.setTimer(ms * (0.75 + draw() / 2), () => void reconcile());
  };
  const lost = (reason: unknown): void => {
    if (closed) return;
    act.pause();
    if (!hasPeers()) act.giveUp();
    // One timer for all that fails together.
    if (isAway && reconciling === undefined) return;
    if (!isAway) log.warn('facts.unshared', awayMessage(reason));
    isAway = true;
    schedule(Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures));
    failures += 1;
  };
  const round = async (): Promise<void> => {
    try {
      await act.compare();
    } catch (error) {
      lost(error);
      return;
    }
    if (closed) return;
    if (isAway)
      log.info('facts.shared', 'The store answers again; what was said meanwhile is shared.');
    isAway = false;
    failures = 0;
    act.resume();
    schedule(RECONCILE_MS);
  };
  const reconcile = (): Promise<void> => {
    if (closed) return Promise.resolve();
    reconciling ??= round().finally(() => {
      reconciling = undefined;
    });
    return reconciling;
  };
  return {
    reconcile,
    lost,
    isAway: () => isAway,
    close() {
      closed = true;
      cancelTimer();
    },
  };
}

function awayMessage(reason: unknown): string {
  const why = reason instanceof Error ? reason.message : String(reason);
  return `The store does not answer (${why}): overrides, secrets and revisions stay in force here, and changes reach other nodes through peers or when it is back.`;
}

const STORED = 'the store has it';
const SLOW = 'in force here; not yet shared: the store has not confirmed it';
const ALONE = 'there is no other node';
const UNHEARD = 'in force here; not yet shared: no other node has confirmed it';
const AWAY = 'in force here; not yet shared: the store does not answer';
