/**
 * The table of sessions that nodes share, from the side of a worker: questions and writes are gathered into
 * batches, no question waits longer than `WAIT_MS`, and a store that is away or slow is not asked at all for a
 * while (a circuit breaker: closed, open, one trial). Nothing here knows the store or the time: a wire and
 * a clock are handed in.
 */

export type SessionClock = {
  /** Time that never goes back, in ms. */
  nowMs(): number;
  /** Calls once after `ms`, unless what it returns is called before. */
  after(ms: number, call: () => void): () => void;
  /** Calls once when all that came in this turn of the event loop has been heard. */
  afterTurn(call: () => void): void;
};

export type SessionAnswer = { readonly server: number; readonly expiresSeconds: number };

export type SessionQuestion = { readonly high: number; readonly low: number };

/** `from` undefined: for a session that is not there, or is there with the same server, whose time it renews. */
export type SessionWrite = SessionQuestion & {
  readonly server: number;
  readonly expiresSeconds: number;
  /** The server that the session is believed to be on: it moves only if that is so. */
  readonly from: number | undefined;
};

export type LostWrite = SessionQuestion & SessionAnswer;

/** A store at work, between being found and being lost. */
export type SessionWire = {
  /** In the order of the questions. */
  read(questions: readonly SessionQuestion[]): Promise<readonly (SessionAnswer | undefined)[]>;
  /** Resolves to the sessions that were found with other servers and stayed there. */
  write(writes: readonly SessionWrite[]): Promise<readonly LostWrite[]>;
};

export type SessionDirectory = {
  /**
   * Calls back once, within `WAIT_MS`: what the store says, or undefined for a session that is not there and for a
   * store that does not say. At once, before it returns, when the store is not to be asked.
   */
  find(question: SessionQuestion, answer: (found: SessionAnswer | undefined) => void): void;
  /** Tells the store, some time soon; the last word about a session counts. */
  write(write: SessionWrite): void;
  connect(wire: SessionWire): void;
  /** The wire is lost; writes wait for the next one. */
  disconnect(): void;
  /** Whether a question would be put now; an open circuit wants one when its time has come. */
  isAsking(): boolean;
  /** Whether the store is there and answers in time. */
  isWell(): boolean;
  readonly counters: SessionDirectoryCounters;
};

export type SessionDirectoryCounters = {
  asked: number;
  found: number;
  /** Answers that came too late, and questions that failed. */
  late: number;
  /** Questions that were not put: the store is away, the circuit open, or too many wait. */
  skipped: number;
  written: number;
  /** Writes that were given up, because too many waited or the store refused. */
  dropped: number;
};

/** What a request waits for the store at most (decision 4 of the study: 5 ms). */
export const WAIT_MS = 5;
/** A timer that comes this much too late says that the thread was held up, not the store. */
const OWN_DELAY_MS = 2;
/** Questions that wait for an answer; beyond it the store is too slow to be asked. */
export const QUESTIONS_MAX = 4096;
/** Questions in one batch. */
export const READ_BATCH_MAX = 256;
/** A write takes Redis some 4 µs, in which nobody is answered: a quarter of a millisecond for a batch. */
export const WRITE_BATCH_MAX = 64;
/** How long writes are gathered. */
export const WRITE_DELAY_MS = 20;
/** Writes that wait while the store is away. */
export const WRITES_MAX = 65_536;
/** Batches that were late or failed, each sent after the one before had: then the circuit opens. */
export const FAILURES_MAX = 3;
/** So long after it opened one batch is tried. */
export const OPEN_MS = 1000;

export function createSessionDirectory(
  clock: SessionClock,
  onLost: (lost: LostWrite) => void,
): SessionDirectory {
  const counters = { asked: 0, found: 0, late: 0, skipped: 0, written: 0, dropped: 0 };
  let wire: SessionWire | undefined;
  const circuit = createCircuit(clock);
  const reads = createReads(clock, circuit, counters, () => wire);
  const writes = createWrites(clock, counters, onLost, () => wire);
  return {
    find(question, answer) {
      if (wire === undefined || !reads.hasRoom() || !circuit.lets()) {
        counters.skipped++;
        answer(undefined);
      } else reads.add(question, answer);
    },
    write: writes.add,
    connect(connected) {
      wire = connected;
      circuit.close();
      writes.flush();
    },
    disconnect() {
      wire = undefined;
      reads.giveUp();
    },
    isAsking: () => wire !== undefined && circuit.wants(),
    isWell: () => wire !== undefined && circuit.isClosed(),
    counters,
  };
}

type Circuit = {
  /** Whether a question may go; an open circuit lets one batch try when its time has come. */
  lets(): boolean;
  /** The same without taking the one. */
  wants(): boolean;
  isClosed(): boolean;
  close(): void;
  /** Of a batch that was sent then. Those that were on their way together fail for one reason. */
  fail(sentMs: number): void;
};

function createCircuit(clock: SessionClock): Circuit {
  let failures = 0;
  let closedAgainMs = 0;
  let failedMs = 0;
  const wants = (): boolean => failures < FAILURES_MAX || clock.nowMs() >= closedAgainMs;
  return {
    wants,
    lets() {
      if (failures < FAILURES_MAX) return true;
      if (!wants()) return false;
      // One tries; the next one has to wait as long again, unless this one succeeds.
      closedAgainMs = clock.nowMs() + OPEN_MS;
      return true;
    },
    isClosed: () => failures < FAILURES_MAX,
    close() {
      failures = 0;
    },
    fail(sentMs) {
      if (failures > 0 && sentMs < failedMs) return;
      failures++;
      failedMs = clock.nowMs();
      if (failures === FAILURES_MAX) closedAgainMs = clock.nowMs() + OPEN_MS;
    },
  };
}

type Pending = SessionQuestion & {
  answer: ((found: SessionAnswer | undefined) => void) | undefined;
};

type Reads = {
  hasRoom(): boolean;
  add(question: SessionQuestion, answer: (found: SessionAnswer | undefined) => void): void;
  giveUp(): void;
};

/** Questions of one turn of the event loop go as one batch, and have one deadline. */
function createReads(
  clock: SessionClock,
  circuit: Circuit,
  counters: SessionDirectoryCounters,
  wireNow: () => SessionWire | undefined,
): Reads {
  let gathered: Pending[] = [];
  let waiting = 0;
  const open = new Set<Pending[]>();
  const tell = (pending: Pending, found: SessionAnswer | undefined): void => {
    const { answer } = pending;
    if (answer === undefined) return;
    pending.answer = undefined;
    waiting--;
    if (found !== undefined) counters.found++;
    answer(found);
  };
  const endBatch = (batch: Pending[], found: readonly (SessionAnswer | undefined)[]): void => {
    open.delete(batch);
    for (const [index, pending] of batch.entries()) tell(pending, found[index]);
  };
  const send = (batch: Pending[]): void => {
    const wire = wireNow();
    if (wire === undefined) {
      endBatch(batch, NOTHING);
      return;
    }
    // Whoever comes second finds the batch ended: a late answer counts for nothing.
    const fail = (): void => {
      if (!open.has(batch)) return;
      cancel();
      counters.late += batch.length;
      circuit.fail(sentMs);
      endBatch(batch, NOTHING);
    };
    const sentMs = clock.nowMs();
    let cancel = clock.after(WAIT_MS, () => {
      if (clock.nowMs() - sentMs < WAIT_MS + OWN_DELAY_MS) fail();
      // This thread is late itself: the answer may lie in the socket, and is read within a turn.
      else cancel = clock.after(0, fail);
    });
    wire.read(batch).then((found) => {
      if (!open.has(batch)) return;
      cancel();
      circuit.close();
      endBatch(batch, found);
    }, fail);
  };
  const flush = (): void => {
    const batch = gathered;
    gathered = [];
    if (batch.length > 0) send(batch);
  };
  return {
    hasRoom: () => waiting < QUESTIONS_MAX,
    add({ high, low }, answer) {
      counters.asked++;
      waiting++;
      gathered.push({ high, low, answer });
      if (gathered.length === 1) {
        open.add(gathered);
        clock.afterTurn(flush);
      } else if (gathered.length === READ_BATCH_MAX) flush();
    },
    giveUp() {
      gathered = [];
      for (const batch of [...open]) endBatch(batch, NOTHING);
    },
  };
}

type Writes = { add(write: SessionWrite): void; flush(): void };

/** Writes gather for a moment; one batch is on its way at a time, so that they arrive in order. */
function createWrites(
  clock: SessionClock,
  counters: SessionDirectoryCounters,
  onLost: (lost: LostWrite) => void,
  wireNow: () => SessionWire | undefined,
): Writes {
  const waiting = new Map<number, SessionWrite>();
  let isArmed = false;
  let isSending = false;
  const arm = (): void => {
    if (isArmed || isSending || waiting.size === 0 || wireNow() === undefined) return;
    isArmed = true;
    clock.after(WRITE_DELAY_MS, () => {
      isArmed = false;
      void send();
    });
  };
  const send = async (): Promise<void> => {
    const wire = wireNow();
    if (wire === undefined || isSending) return;
    const batch: SessionWrite[] = [];
    for (const [place, write] of waiting) {
      if (batch.length === WRITE_BATCH_MAX) break;
      waiting.delete(place);
      batch.push(write);
    }
    if (batch.length === 0) return;
    isSending = true;
    try {
      for (const lost of await wire.write(batch)) onLost(lost);
      counters.written += batch.length;
    } catch {
      // Said of a store that is away or refuses; sessions are told again when they are renewed.
      counters.dropped += batch.length;
    }
    isSending = false;
    if (waiting.size >= WRITE_BATCH_MAX) void send();
    else arm();
  };
  return {
    add(write) {
      const place = placeOf(write);
      const before = waiting.get(place);
      if (before === undefined && waiting.size >= WRITES_MAX) {
        counters.dropped++;
        return;
      }
      // What the store has is what it had before the first of the two.
      waiting.set(place, before?.from === undefined ? write : { ...write, from: before.from });
      if (waiting.size >= WRITE_BATCH_MAX) void send();
      else arm();
    },
    flush: () => void send(),
  };
}

/** 53 bits of the key, as many as a number holds: two sessions in a queue hardly share them. */
const placeOf = ({ high, low }: SessionQuestion): number => (high & 0x1f_ffff) * 2 ** 32 + low;

const NOTHING: readonly undefined[] = [];
