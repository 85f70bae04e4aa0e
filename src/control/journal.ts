import type { HealthWords } from '../health/health-words.ts';
import type { Log } from '../telemetry/log.ts';
import type { Clock } from './clock.ts';
import type { Problem } from './control-plane.ts';
import { parseSteeringPart, type SteeringPart } from './journal-config.ts';
import { type JournalEntry, type Moment, momentAt } from './journal-entry.ts';
import { createJournalMemory } from './journal-memory.ts';
import { createRecorder, type StatusOf } from './journal-recorder.ts';
import { createJournalWriter, type JournalDisk } from './journal-writer.ts';
import type { Serving } from './serving.ts';

/**
 * The record of what this node served with, so that any answer of the past can be explained: the
 * configuration, and every change of health at its time. It is written down as it happens, on the
 * main thread, never where queries are answered; always in memory, and on a disk when there is one.
 */
export type Journal = {
  /** What is served from now on; called at every change of either. */
  note(serving: Serving, words: HealthWords): void;
  /** SHA-256 of the steering part of the configuration that is served. */
  config(): string | undefined;
  /** The instants that can be told of. */
  range(): Promise<{ readonly fromMs: number; readonly toMs: number }>;
  /** What was served with at an instant; a problem says why that is not known. */
  momentAt(atMs: number): Promise<Moment | Problem>;
  steeringPart(hash: string): Promise<SteeringPart | undefined>;
  close(): Promise<void>;
};

export type JournalParts = {
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Who said what of an endpoint, now. */
  readonly statusOf: StatusOf;
  /** Undefined = the record ends with the process. */
  readonly disk?: JournalDisk | undefined;
};

/** A segment is followed by another when it has so many characters, or is so old. */
export const SEGMENT_LENGTH_MAX = 4 * 1024 * 1024;
export const SEGMENT_MS_MAX = 3_600_000;
/** Of a segment, at most so much is its complete entry. */
const HEAD_SHARE_MAX = 1 / 4;
/** Characters of changes written in a second; beyond it they are taken together. */
export const LENGTH_PER_SECOND_MAX = 256 * 1024;
/** A sign of life is written so often. */
export const ALIVE_MS = 10_000;
/** Without one for this long a node is taken to have been away. */
export const SILENCE_MS = 25_000;
/** The clocks of people and of the node differ: a question from so little in the future means now. */
export const FUTURE_SLACK_MS = 5000;

export function createJournal(parts: JournalParts): Journal {
  const { clock, disk, log } = parts;
  const recorder = createRecorder(parts.statusOf);
  const memory = createJournalMemory();
  const startedAtMs = clock.nowMs();
  const writer =
    disk && createJournalWriter({ disk, clock, log, onRetry: () => beginSegment(clock.nowMs()) });
  const ownStarts = new Set<number>();
  const flow = createFlow();
  let headLength = 0;
  let cancelAlive = (): void => {};
  let cancelCoarse: (() => void) | undefined;

  const beginSegment = (nowMs: number): void => {
    const entry = recorder.complete(nowMs);
    const config = recorder.config();
    if (entry === undefined || config === undefined) return;
    const startMs = Math.max(nowMs, (memory.last()?.startMs ?? 0) + 1);
    const head = JSON.stringify(entry);
    headLength = head.length;
    memory.begin(startMs, head, config.hash);
    memory.keepConfig(config.hash, config.text);
    writer?.begin(startMs, head, config);
    ownStarts.add(startMs);
  };
  const write = (entry: JournalEntry): void => {
    const last = memory.last();
    const lengthMax = Math.max(SEGMENT_LENGTH_MAX, headLength / HEAD_SHARE_MAX);
    const isOver = last === undefined || last.length > lengthMax;
    if (isOver || entry.atMs - last.startMs > SEGMENT_MS_MAX) {
      beginSegment(entry.atMs);
      return;
    }
    const line = JSON.stringify(entry);
    const config = recorder.config();
    if (entry.kind === 'serving' && config !== undefined) {
      memory.keepConfig(config.hash, config.text);
      writer?.keepConfig(config);
    }
    memory.append(line);
    writer?.append(line);
    flow.spend(line.length, entry.atMs);
  };
  const aliveLater = (): void => {
    cancelAlive = clock.setTimer(ALIVE_MS, () => {
      write({ kind: 'alive', atMs: clock.nowMs() });
      aliveLater();
    });
  };
  aliveLater();

  let latest: { readonly serving: Serving; readonly words: HealthWords } | undefined;
  const note = (serving: Serving, words: HealthWords, isCoarse: boolean): void => {
    const entry = recorder.change(serving, words, clock.nowMs());
    if (entry === undefined) return;
    write(isCoarse && entry.kind === 'health' ? { ...entry, coarse: true } : entry);
  };
  const noteLater = (ms: number): void => {
    cancelCoarse ??= clock.setTimer(ms, () => {
      cancelCoarse = undefined;
      if (latest !== undefined) note(latest.serving, latest.words, true);
    });
  };
  const reader = createReader({ ...parts, memory, startedAtMs, ownStarts });
  return {
    note(serving, words) {
      const waitMs = flow.waitMs(clock.nowMs());
      const isSame = latest?.serving === serving;
      latest = { serving, words };
      if (waitMs > 0 && isSame) noteLater(waitMs);
      else note(serving, words, cancelCoarse !== undefined);
    },
    config: () => recorder.config()?.hash,
    ...reader,
    async close() {
      cancelAlive();
      cancelCoarse?.();
      if (memory.last() !== undefined) write({ kind: 'alive', atMs: clock.nowMs() });
      await writer?.close();
    },
  };
}

/** How much was written in this second, and how long to wait when that is enough. */
function createFlow() {
  let second = 0;
  let spent = 0;
  return {
    spend(length: number, nowMs: number): void {
      const now = Math.floor(nowMs / 1000);
      spent = now === second ? spent + length : length;
      second = now;
    },
    waitMs: (nowMs: number): number =>
      Math.floor(nowMs / 1000) === second && spent > LENGTH_PER_SECOND_MAX
        ? 1000 - (nowMs % 1000)
        : 0,
  };
}

type ReaderParts = JournalParts & {
  readonly memory: ReturnType<typeof createJournalMemory>;
  readonly startedAtMs: number;
  readonly ownStarts: ReadonlySet<number>;
};

function createReader({ clock, disk, memory, ownStarts, startedAtMs }: ReaderParts) {
  /** Segments that begin in what is the future of this run are of a clock that was wrong. */
  const starts = async (): Promise<readonly number[]> => {
    const all = await attempt(disk?.starts());
    return (all ?? []).filter((startMs) => startMs <= startedAtMs || ownStarts.has(startMs));
  };
  const range = async () => {
    const toMs = clock.nowMs();
    const [first = toMs] = await starts();
    return { fromMs: Math.min(first, memory.firstMs() ?? toMs), toMs };
  };
  const linesAt = async (atMs: number): Promise<readonly string[] | undefined> => {
    const inMemory = await memory.linesAt(atMs);
    if (inMemory !== undefined) return inMemory;
    const startMs = (await starts()).findLast((each) => each <= atMs);
    return startMs === undefined ? undefined : attempt(disk?.read(startMs));
  };
  return {
    range,
    async momentAt(atMs: number): Promise<Moment | Problem> {
      const { fromMs, toMs } = await range();
      const kept = `The record reaches from ${iso(fromMs)} to ${iso(toMs)}.`;
      if (atMs > toMs + FUTURE_SLACK_MS) {
        const message = `${iso(atMs)} is in the future: the node's clock says ${iso(toMs)}.`;
        return { problem: 'invalid', code: 'explain.future', message, hint: kept };
      }
      const then = Math.min(atMs, toMs);
      const lines = await linesAt(then);
      if (lines === undefined) {
        const message = `Nothing is known of ${iso(atMs)} any more.`;
        return { problem: 'not-found', code: 'explain.before-record', message, hint: kept };
      }
      const moment = momentAt(lines, then);
      if (moment === undefined) {
        const message = `The record of ${iso(atMs)} is damaged.`;
        return { problem: 'not-found', code: 'explain.damaged', message, hint: kept };
      }
      if (then - moment.lastMs > SILENCE_MS) {
        const message = `At ${iso(atMs)} this node was not running, or could not write: its last sign of life before is of ${iso(moment.lastMs)}.`;
        return { problem: 'not-found', code: 'explain.not-running', message, hint: kept };
      }
      return moment;
    },
    async steeringPart(hash: string): Promise<SteeringPart | undefined> {
      const text = (await memory.config(hash)) ?? (await attempt(disk?.readConfig(hash)));
      return text === undefined ? undefined : parseSteeringPart(text, hash);
    },
  };
}

/** What a disk that cannot be read has is not there. */
async function attempt<T>(reading: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await reading;
  } catch {
    return undefined;
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();
