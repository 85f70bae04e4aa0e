import { formatAddress, formatDotted, parseAddress } from '../ip/address.ts';
import { steadyNow } from './clock.ts';
import { createReceiveSlab } from './receive-slab.ts';
import { ACCEPT_MULTISHOT, createRing, DONE_MORE, OPERATION, WORD, whatWord } from './ring.ts';
import type { RingCalls } from './ring-calls.ts';
import { createLedgerMemory, openLedger, type RingLedger, settleLedger } from './ring-ledger.ts';
import {
  catchUp,
  complete,
  type Ends,
  fail,
  flushLine,
  type Hub,
  Line,
  lowHalf,
  PURPOSES,
  startConnecting,
  startReceiving,
  takeId,
} from './ring-line.ts';
import { createRingScratch } from './ring-scratch.ts';
import { SEND_BYTES_MAX } from './send-blocks.ts';
import { createSendMemory } from './send-queue.ts';
import {
  type ConnectionHandlers,
  type ConnectTarget,
  type ListenAt,
  type OnConnection,
  SILENT_HANDLERS,
  type StreamEngine,
} from './stream.ts';
import { errnoName, type Syscalls, socketAddress } from './syscall.ts';

export type RingEngine = StreamEngine & {
  /** Closes everything at once and says nothing more. */
  close(): void;
};

export type RingOptions = {
  /** Where it notes what it holds, for whoever outlives the thread. */
  readonly ledgerMemory?: SharedArrayBuffer;
  /** False: it never waits in the kernel, for somebody who does not know yet whether it would wake up. */
  readonly waits?: boolean;
  /** Of the first connection or listener. */
  readonly firstId?: number;
  /** Octets of copies that wait to be sent; beyond it connections are held back. */
  readonly sendBytesMax?: number;
};

/**
 * The stream engine on io_uring: what connections want to send and to receive is handed over, and what
 * became of it is told, for all of them with one call. The thread waits in the kernel, for the ring and
 * for its own event loop at once, so that messages and timers of Node's are met too.
 */
export function createRingEngine(
  calls: RingCalls,
  syscalls: Syscalls,
  {
    firstId = 1,
    ledgerMemory = createLedgerMemory(),
    sendBytesMax = SEND_BYTES_MAX,
    waits = true,
  }: RingOptions = {},
): RingEngine {
  const ledger = openLedger(ledgerMemory);
  const ring = createRing(calls, ENTRIES, ledger);
  const noting = noteMemory(calls, ledger);
  const slab = createReceiveSlab(noting, ring.fd);
  const lines: (Line | undefined)[] = [];
  const freeSlots: number[] = [];
  const hub: Hub = {
    calls,
    ring,
    slab,
    memory: createSendMemory(noting, slab, sendBytesMax),
    scratch: createRingScratch(noting, ENTRIES),
    readEnds,
    nextId: firstId,
    nowMs: steadyNow(),
    dirty: [],
    later: [],
    starved: [],
    pending: 0,
    wake: () => {},
    ledger,
    gone({ slot }) {
      lines[slot] = undefined;
      freeSlots.push(slot);
    },
  };
  const ears = new Map<number, Ear>();
  const loop = createLoop(hub, waits, (low, high, result, flags) => {
    if ((flags & DONE_MORE) === 0) hub.pending -= 1;
    const line = lines[Math.floor(low / PURPOSES)];
    if (line === undefined) ears.get(high)?.accepted(result, flags);
    else if (lowHalf(line.id) === high) complete(line, low % PURPOSES, result, flags);
  });
  hub.wake = loop.wake;
  const open = (fd: number, handlers: ConnectionHandlers): Line => {
    const slot = freeSlots.pop() ?? Math.max(lines.length, FIRST_LINE);
    const line = new Line(hub, slot, fd, handlers);
    if (fd >= 0) ledger.addSocket(fd);
    lines[slot] = line;
    return line;
  };
  const accept = (fd: number, onConnection: OnConnection): void => {
    const line = open(fd, SILENT_HANDLERS);
    line.state = 'open';
    line.handlers = onConnection(line);
    if (!line.paused) startReceiving(line);
  };
  return {
    name: 'io_uring',
    outboxes: hub.memory.outboxes,
    async listen(where, onConnection) {
      const fd = listeningSocket(syscalls, where);
      prepareListening(calls, fd);
      ledger.addSocket(fd);
      const id = takeId(hub);
      const ear = createEar(
        hub,
        { fd, id },
        (accepted) => accept(accepted, onConnection),
        () => void ears.delete(lowHalf(id)),
      );
      ears.set(lowHalf(id), ear);
      return { ...readEnds(calls.socketName(fd, 'local') ?? NO_NAME), close: ear.close };
    },
    connect(target, handlers) {
      const line = open(-1, handlers);
      try {
        dial(line, target);
      } catch (error) {
        fail(line, (error as { code?: string }).code ?? 'UNKNOWN');
      }
      return line;
    },
    close() {
      loop.stop();
      ring.shut();
      for (const ear of ears.values()) ear.shut();
      ears.clear();
      settleLedger(ledgerMemory, calls);
    },
  };
}

const ENTRIES = 1024;
/** Slots below are those of listeners and of the loop itself. */
const FIRST_LINE = 1;
const NO_NAME = new Uint8Array(16);

/** Notes memory of the thread's own for whoever outlives it. */
function noteMemory(calls: RingCalls, ledger: RingLedger): RingCalls {
  return {
    ...calls,
    map(fd, offset, length) {
      const mapped = calls.map(fd, offset, length);
      if (fd < 0) ledger.addMemory(mapped.address, length);
      return mapped;
    },
  };
}

/** It is ours, whether it can be used or not. */
function prepareListening(calls: RingCalls, fd: number): void {
  try {
    calls.prepareStream(fd);
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

/** @throws an error with the `code` of the system's */
function dial(line: Line, { address, localAddress, port }: ConnectTarget): void {
  const to = parseAddress(address);
  if (to === undefined) throw Object.assign(new Error(), { code: 'EINVAL' });
  const local = localAddress && parseAddress(localAddress)?.bytes;
  line.fd = line.hub.calls.streamSocket(to.family, local || undefined);
  line.hub.ledger.addSocket(line.fd);
  startConnecting(line, socketAddress(to.bytes, port));
}

function listeningSocket(syscalls: Syscalls, where: ListenAt): number {
  if ('fd' in where) return where.fd;
  const address = parseAddress(where.address);
  if (address === undefined) throw new Error(`not an address: ${where.address}`);
  return syscalls.tcpSocket(address.bytes, where.port, 0, where.shared);
}

type Ear = {
  readonly fd: number;
  accepted(result: number, flags: number): void;
  close(): Promise<void>;
  /** The ring is gone, and somebody else closes the descriptor. */
  shut(): void;
};

const ACCEPT = whatWord(OPERATION.accept, 0, ACCEPT_MULTISHOT);
const SOCK_CLOEXEC = 0o2000000;
/** The listener was closed, or has gone by itself. */
const ENDS = new Set(['ECANCELED', 'EBADF', 'EINVAL']);
/** Descriptors or memory are short: the connections wait in the kernel. */
const ACCEPT_AGAIN_MS = 100;

/** Accepts with one entry, until it is closed. */
function createEar(
  hub: Hub,
  { fd, id }: { readonly fd: number; readonly id: number },
  onAccepted: (fd: number) => void,
  onClosed: () => void,
): Ear {
  const { calls, ring } = hub;
  const { promise, resolve } = Promise.withResolvers<void>();
  let isClosing = false;
  let isArmed = false;
  const prepare = (what: number): number => {
    const at = ring.entry();
    ring.words[at + WORD.what] = what;
    ring.words[at + WORD.fd] = fd;
    ring.words[at + WORD.userHigh] = id;
    return at;
  };
  const start = (): void => {
    if (isClosing || isArmed) return;
    isArmed = true;
    hub.pending += 1;
    hub.wake();
    ring.words[prepare(ACCEPT) + WORD.callFlags] = SOCK_CLOEXEC;
  };
  const end = (): void => {
    hub.ledger.removeSocket(fd);
    calls.close(fd);
    onClosed();
    resolve();
  };
  start();
  return {
    fd,
    accepted(result, flags) {
      if ((flags & DONE_MORE) === 0) isArmed = false;
      if (result >= 0) onAccepted(result);
      if (isArmed) return;
      if (isClosing) end();
      else if (result >= 0) start();
      else if (!ENDS.has(errnoName(-result))) setTimeout(start, ACCEPT_AGAIN_MS);
    },
    close() {
      if (isClosing) return promise;
      isClosing = true;
      if (!isArmed) end();
      else {
        // Its own completion has no user data: nobody is told of it.
        const at = prepare(OPERATION.cancel);
        ring.words[at + WORD.userHigh] = 0;
        ring.words[at + WORD.addressHigh] = id;
      }
      return promise;
    },
    shut() {
      isClosing = true;
      resolve();
    },
  };
}

/** How long the thread sleeps at most: timers of Node's are late by so much. */
const SLEEP_MS = 50;
/** So often Node's loop has its turn at once when it had something to do: what it does may leave it more to do. */
const AWAKE_TURNS = 4;
/** Completions told before connections that have something to send get their turn. */
const TOLD_MAX = 1024;
/** How often the ring is asked before Node's event loop has its turn. */
const ROUNDS_MAX = 4;
const POLL_IN = 1;
const LOOP_WOKE = 1;
const SLEPT = 2;

/**
 * Runs while anything is pending, a turn in each of Node's: hands over, waits when nothing was there
 * last time, tells.
 * `wake` starts it, if it does not run.
 */
function createLoop(
  hub: Hub,
  waits: boolean,
  tellLine: (low: number, high: number, result: number, flags: number) => void,
): { readonly wake: () => void; readonly stop: () => void } {
  const { calls, memory, ring, scratch, slab } = hub;
  const loopFd = calls.loopDescriptor();
  let isRunning = false;
  let isIdle = false;
  let isStopped = false;
  let watches = false;
  let sleeps = false;
  let awakeTurns = 0;
  const tell = (low: number, high: number, result: number, flags: number): void => {
    if (high !== 0) {
      tellLine(low, high, result, flags);
      return;
    }
    if (low === LOOP_WOKE) watches = false;
    else if (low === SLEPT) sleeps = false;
    awakeTurns = AWAKE_TURNS;
  };
  const watch = (): void => {
    if (!watches) {
      const at = ring.entry();
      ring.words[at + WORD.what] = OPERATION.pollAdd;
      ring.words[at + WORD.fd] = loopFd;
      ring.words[at + WORD.callFlags] = POLL_IN;
      ring.words[at + WORD.userLow] = LOOP_WOKE;
      watches = true;
    }
    if (sleeps) return;
    const at = ring.entry();
    ring.words[at + WORD.what] = OPERATION.timeout;
    ring.words[at + WORD.userLow] = SLEPT;
    scratch.putTime(ring.words, at, SLEEP_MS);
    sleeps = true;
  };
  const tidyUp = (): void => {
    const { dirty, later, starved } = hub;
    if (later.length > 0) {
      hub.later = [];
      for (const line of later) catchUp(line);
    }
    if (starved.length > 0 && memory.hasPieces()) {
      hub.starved = [];
      for (const line of starved) startReceiving(line);
    }
    if (dirty.length === 0) return;
    hub.dirty = [];
    for (const line of dirty) flushLine(line);
  };
  const turn = (): void => {
    const hasWork = hub.pending > 0 || hub.dirty.length > 0 || hub.later.length > 0;
    isRunning = hasWork && !isStopped;
    if (!isRunning) return;
    watch();
    tidyUp();
    let mayWait = isIdle && waits && awakeTurns === 0;
    if (awakeTurns > 0) awakeTurns -= 1;
    let told = 0;
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      slab.offer();
      ring.enter(mayWait ? 1 : 0);
      mayWait = false;
      hub.nowMs = steadyNow();
      told = ring.reap(tell, TOLD_MAX);
      tidyUp();
      if (told === 0) break;
    }
    memory.tidyUp(hub.nowMs);
    isIdle = told === 0 && hub.dirty.length === 0 && hub.later.length === 0;
    setImmediate(turn);
  };
  return {
    wake() {
      if (isRunning || isStopped) return;
      isRunning = true;
      isIdle = false;
      setImmediate(turn);
    },
    stop() {
      isStopped = true;
    },
  };
}

const AF_INET = 2;

/** struct sockaddr_in and sockaddr_in6. */
function readEnds(name: Uint8Array): Ends {
  const port = (name[2]! << 8) | name[3]!;
  // The family lies there as this machine orders octets: AF_INET6 has no 2 in either place.
  const isShort = name[0] === AF_INET || name[1] === AF_INET;
  const address = isShort
    ? formatDotted(name, 4)
    : formatAddress({ family: 6, bytes: name.slice(8, 24) });
  return { address, port };
}
