import type { DnstapConfig } from '../config/config.ts';
import { createRing, leaveRing, whenLeft } from '../dnstap/ring.ts';
import type { TapPlan } from '../dnstap/tap.ts';
import { COUNT_ANSWERS, COUNT_DNSTAP_LOST } from '../nameserver/counters.ts';
import { type CounterRow, createCounterRow } from '../telemetry/counters.ts';
import type { CounterLedger } from './counter-ledger.ts';
import type { FromTapWorker, ToTapWorker } from './dnstap-messages.ts';
import { createThread, type Thread, type ThreadVoice } from './thread.ts';

/**
 * dnstap, seen from the main thread: a ring for each DNS worker and one thread that empties them. A thread of its
 * own, since at full load it moves as many octets as the workers answer with, and the main thread has health to
 * judge. There is neither while dnstap is off.
 */
export type Dnstap = {
  /** From now on; undefined = off. What is as before goes on undisturbed. */
  set(config: DnstapConfig | undefined): void;
  /** What a worker is told; undefined = it notes nothing. */
  planOf(worker: string): TapPlan | undefined;
  /** Whether a collector takes events; undefined = dnstap is off. */
  isConnected(): boolean | undefined;
  threads(): readonly Thread[];
  /** Sends what is left; workers have stopped before. */
  stop(): Promise<void>;
};

export type DnstapParts = {
  readonly file: URL;
  readonly voice: DnstapVoice;
  readonly counters: CounterLedger;
  /** Names of the DNS workers. */
  readonly workers: readonly string[];
  /** Tells a worker of its plan. */
  tell(worker: string, plan: TapPlan | undefined): void;
};

export type DnstapVoice = ThreadVoice & {
  record(kind: string, subject: string, message: string, level: 'info' | 'warn'): void;
};

/** For what is left in the rings, and the goodbye; the sender takes a little less (FINISH_MS). */
const STOP_GRACE_MS = 1000;
/** For workers, which hear of another plan between two packets. */
const LEAVE_GRACE_MS = 1000;

type Running = {
  readonly config: DnstapConfig;
  readonly rings: ReadonlyMap<string, SharedArrayBuffer>;
  readonly thread: Thread;
  /** Of the thread. */
  readonly counters: CounterRow;
};

export function createDnstap(parts: DnstapParts): Dnstap {
  let running: Running | undefined;
  let isConnected = false;
  /** Those that have gone out of use, and still send what was noted before. */
  const leaving = new Set<Promise<void>>();
  const stopping = Promise.withResolvers<void>();
  /** Each thread needs one of its own, as one that still takes leave counts as well. */
  const idleRows: CounterRow[] = [];
  let rowCount = 0;
  const attachRow = (): CounterRow => {
    const row = createCounterRow(COUNT_ANSWERS);
    rowCount += 1;
    parts.counters.attach(`dnstap ${rowCount}`, row, undefined);
    return row;
  };
  const open = (config: DnstapConfig): Running => {
    const rings = new Map(parts.workers.map((name) => [name, createRing(config.bufferBytes)]));
    const counters = idleRows.pop() ?? attachRow();
    isConnected = false;
    const thread = createThread({
      ...parts.voice,
      name: 'dnstap',
      file: parts.file,
      start: () =>
        ({
          type: 'start',
          to: config.to,
          rings: [...rings.values()],
          counters,
        }) satisfies ToTapWorker,
      ended() {
        if (running?.rings === rings) isConnected = false;
      },
      onMessage(message) {
        const told = message as FromTapWorker;
        if (told.type !== 'collector' || running?.rings !== rings) return;
        ({ isConnected } = told);
        tellPeople(parts.voice, told, config);
      },
    });
    return { config, rings, thread, counters };
  };
  const planOf = (worker: string): TapPlan | undefined => {
    const ring = running?.rings.get(worker);
    if (running === undefined || ring === undefined) return undefined;
    const { identity, messages, sample, version } = running.config;
    const [queries, responses] = [messages.includes('query'), messages.includes('response')];
    return { ring, queries, responses, identity, version, sample };
  };
  return {
    set(config) {
      if (JSON.stringify(config) === JSON.stringify(running?.config)) return;
      const last = running;
      running = config && open(config);
      for (const worker of parts.workers) parts.tell(worker, planOf(worker));
      if (last === undefined) return;
      const end = takeLeave(last, stopping.promise).then(() => {
        leaving.delete(end);
        idleRows.push(last.counters);
      });
      leaving.add(end);
    },
    planOf,
    isConnected: () => running && isConnected,
    threads: () => (running ? [running.thread] : []),
    async stop() {
      stopping.resolve();
      await Promise.all([running?.thread.stop(STOP_GRACE_MS), ...leaving]);
      running = undefined;
    },
  };
}

/**
 * Workers first: what they note until they hear of another plan is sent, too, if there is a collector. What is not
 * is counted by whoever leaves a ring last, so that none that was noted in time is forgotten; only a thread that dies takes some along.
 * @param isUrgent settles when there are no workers to wait for any more
 */
async function takeLeave(
  { counters, rings, thread }: Running,
  isUrgent: Promise<void>,
): Promise<void> {
  const all = [...rings.values()];
  await Promise.race([Promise.all(all.map((ring) => whenLeft(ring, LEAVE_GRACE_MS))), isUrgent]);
  await thread.stop(STOP_GRACE_MS);
  for (const ring of all) {
    counters[COUNT_DNSTAP_LOST] = counters[COUNT_DNSTAP_LOST]! + leaveRing(ring);
  }
}

function tellPeople(
  { record }: DnstapVoice,
  { isConnected, why }: FromTapWorker & { readonly type: 'collector' },
  { to }: DnstapConfig,
): void {
  const where = 'path' in to ? to.path : `${to.host}:${to.port}`;
  if (isConnected) {
    record('dnstap.connected', where, `dnstap events go to ${where}.`, 'info');
  } else {
    const message = `dnstap events do not reach ${where} (${why}): what there is no room for meanwhile is dropped.`;
    record('dnstap.disconnected', where, message, 'warn');
  }
}
