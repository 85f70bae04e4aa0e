import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { type ClusterClock, createClusterClock } from './cluster-clock.ts';
import { believable, type FactFile, openFactFile, readFactFile } from './fact-file.ts';
import { createFactGossip, type FactGossip } from './fact-gossip.ts';
import { createReplica, type Replica } from './replica.ts';
import { createRevisions, type Revisions } from './revisions.ts';
import { createKeyring } from './sealed.ts';
import { createSecrets, SECRETS_PREFIX, type Secrets } from './secrets.ts';
import type { Sharing } from './share-waiters.ts';
import { createStoreSync, type Reach, type StoreSync } from './store-sync.ts';

/**
 * The durable facts of one node, put together: the replica that decides, and the disk, the store and
 * the peers that it is kept in agreement with. It is there at once with what the disk had; nothing
 * waits for a store.
 */
export type Facts = {
  readonly clock: ClusterClock;
  readonly replica: Replica;
  readonly gossip: FactGossip;
  readonly secrets: Secrets;
  readonly revisions: Revisions;
  /** Settles when the store has been asked once, whatever came of it. */
  readonly ready: Promise<void>;
  /** On the disk here, and known to others or not: for whoever must say so. */
  settled(key: string, timeoutMs: number): Promise<Sharing>;
  isStoreAway(): boolean;
  /** Writes the last to the disk. */
  close(): Promise<void>;
};

export type FactsOptions = {
  readonly node: string;
  /** Where facts outlive the process; undefined = nowhere. */
  readonly directory?: string | undefined;
  readonly store: Store;
  /** Cluster keys: the first seals, all open. */
  readonly keyTexts: readonly string[];
  /** Steady: it never steps. */
  readonly clock: { nowMs(): number; setTimer(ms: number, run: () => void): () => void };
  /** The machine's wall clock. Default: the steady one. */
  readonly wallMs?: () => number;
  /** Between 0 and 1. */
  draw(): number;
  drawBytes(count: number): Uint8Array;
  hasPeers(): boolean;
  /** See store-sync.ts. */
  readonly reach?: Reach;
  readonly log: Pick<Log, 'info' | 'warn'>;
};

export function openFacts(options: FactsOptions): Facts {
  const { directory, log, node, store } = options;
  const saved = directory === undefined ? undefined : readFactFile(directory);
  for (const problem of saved?.problems ?? []) log.warn('facts.unreadable', `${problem}.`);
  // A store in this node's own memory has the clock of this machine, which is nobody's word but its own.
  const isOwnStore = options.reach === 'peers';
  const timed = isOwnStore ? { nowMs: () => null, onStatus: store.onStatus } : store;
  const clock = createClusterClock({ ...options, store: timed, saved: saved?.clock });
  const replica = createReplica(node);
  if (saved) replica.merge(believable(saved, clock.nowMs()), clock.nowMs(), 'disk');
  const file = directory === undefined ? undefined : keepOnDisk(directory, options, replica, clock);

  const keyring = createKeyring(options.keyTexts, options.drawBytes);
  const secrets = createSecrets({ ...options, replica, keyring, clock });
  const restamp = (): void => {
    if (!clock.isAgreed()) return;
    replica.restampAhead(clock.nowMs(), (fact, stamp) =>
      fact.key.startsWith(SECRETS_PREFIX) ? secrets.reword(fact, stamp) : fact.value,
    );
  };
  const stopSteps = clock.onStep(restamp);
  restamp();
  const sync = createStoreSync({ ...options, replica, clock, isClockAgreed: clock.isAgreed });
  return {
    clock,
    replica,
    secrets,
    revisions: createRevisions({ node, replica, store, keyring, log, nowMs: clock.nowMs }),
    gossip: createFactGossip({ replica, nowMs: clock.nowMs, onDigest: sync.heardDigest }),
    ready: sync.ready,
    settled: (key, timeoutMs) => settled(file, sync, key, timeoutMs),
    isStoreAway: sync.isAway,
    async close() {
      stopSteps();
      sync.close();
      secrets.close();
      clock.close();
      await file?.close();
    },
  };
}

function keepOnDisk(
  directory: string,
  { clock: timers, log }: FactsOptions,
  replica: Replica,
  clock: ClusterClock,
): FactFile {
  const content = () => ({
    facts: replica.all(),
    clock: clock.save(),
    savedAtMs: clock.nowMs(),
  });
  const file = openFactFile(directory, content, timers, (problem) => {
    if (problem === undefined) log.info('facts.written', 'Facts are kept over a restart again.');
    else log.warn('facts.unwritable', `${problem}: facts are not kept over a restart.`);
  });
  replica.onChange(({ origin }) => {
    if (origin !== 'disk') file.schedule();
  });
  return file;
}

async function settled(
  file: FactFile | undefined,
  sync: StoreSync,
  key: string,
  timeoutMs: number,
): Promise<Sharing> {
  const [problem, sharing] = await Promise.all([file?.flush(), sync.settled(key, timeoutMs)]);
  if (problem === undefined) return sharing;
  return { ...sharing, detail: `${sharing.detail}; not on the disk here: ${problem}` };
}
