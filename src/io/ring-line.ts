import {
  LONG_GROUP,
  PIECE_BYTES,
  type ReceiveSlab,
  SELECT_PIECE,
  USUAL_GROUP,
} from './receive-slab.ts';
import {
  DONE_BUFFER,
  DONE_MORE,
  OPERATION,
  RECV_MULTISHOT,
  type Ring,
  WORD,
  whatWord,
} from './ring.ts';
import type { RingCalls } from './ring-calls.ts';
import type { RingLedger } from './ring-ledger.ts';
import type { RingScratch } from './ring-scratch.ts';
import type { SendMemory, SendQueue } from './send-queue.ts';
import { createSendQueue } from './send-queue.ts';
import type { Connection, ConnectionHandlers } from './stream.ts';
import { errnoName } from './syscall.ts';

/**
 * One connection of the ring engine. What it waits for is counted in `pending`; its descriptor is
 * closed, and its slot used again, when nothing of it is on its way any more.
 *
 *   connecting ──> open ──both ends, all sent──────────> closing ──nothing pending──> closed
 *        └──────────┴── error, destroy: cancel all that is pending ──┘
 *
 * A class, for a process may have a hundred thousand: its methods are there once.
 */
export class Line implements Connection {
  readonly id: number;
  readonly hub: Hub;
  readonly slot: number;
  fd: number;
  handlers: ConnectionHandlers;
  readonly queue: SendQueue = createSendQueue();
  /** What came while it was paused. */
  stash: Stashed[] | undefined = undefined;
  /** More came than was wanted: it receives once whenever it wants more, not until it is told not to. */
  isBulk = false;
  state: 'connecting' | 'open' | 'closing' | 'closed' = 'connecting';
  /** Entries that have not completed for good. */
  pending = 0;
  receiving = false;
  sending = false;
  paused = false;
  /** Everything pending is being cancelled. */
  cancelled = false;
  /** Nothing else is pending: its descriptor is being closed. */
  closeAsked = false;
  /** It waits for its turn in `hub.dirty`, or in `hub.later`. */
  isDirty = false;
  isLater = false;
  /** `write` said false, and nothing was said since. */
  held = false;
  /** The peer has finished; its owner was told. */
  peerEnded = false;
  endTold = false;
  /** Our side is to be finished, and is. */
  finishing = false;
  finished = false;
  /** Destroyed by its owner, who hears no more. */
  silent = false;
  problem = '';
  /** Made by `connect`: what the other side, a server, has said counts though it broke off then. */
  readonly isOurs: boolean;
  peer: Ends | undefined = undefined;
  local: Ends | undefined = undefined;

  constructor(hub: Hub, slot: number, fd: number, handlers: ConnectionHandlers) {
    this.hub = hub;
    this.slot = slot;
    this.fd = fd;
    this.handlers = handlers;
    this.isOurs = fd < 0;
    this.id = takeId(hub);
  }

  get remoteAddress(): string {
    return this.remote().address;
  }
  get remotePort(): number {
    return this.remote().port;
  }
  get localAddress(): string {
    return this.own().address;
  }
  get localPort(): number {
    return this.own().port;
  }

  write(bytes: Uint8Array, length = bytes.length): boolean {
    if (this.silent || this.finishing || this.problem !== '') return true;
    if (this.state === 'closing' || this.state === 'closed') return true;
    this.hub.memory.put(this.queue, bytes, length);
    markDirty(this);
    if (this.queue.bytes <= QUEUED_MAX && !this.hub.memory.isShort()) return true;
    this.held = true;
    return false;
  }
  end(): void {
    if (this.finishing || this.silent) return;
    this.finishing = true;
    markDirty(this);
  }
  destroy(): void {
    this.silent = true;
    beginClosing(this);
  }
  reset(): void {
    // One that is closing already has no descriptor to speak of.
    if (this.state === 'open') this.hub.calls.resetOnClose(this.fd);
    this.destroy();
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    markLater(this);
  }
  taken(): number {
    return this.state === 'open' ? this.hub.calls.octetsTaken(this.fd) : 0;
  }

  roundTripMs(): number {
    return this.state === 'open' ? this.hub.calls.roundTripMicros(this.fd) / 1000 : 0;
  }

  private remote(): Ends {
    if (this.peer === undefined) this.peer = endsOf(this, 'peer');
    return this.peer ?? NOWHERE;
  }
  private own(): Ends {
    if (this.local === undefined) this.local = endsOf(this, 'local');
    return this.local ?? NOWHERE;
  }
}

/** What the lines of one engine share. */
export type Hub = {
  readonly calls: RingCalls;
  readonly ring: Ring;
  readonly slab: ReceiveSlab;
  readonly memory: SendMemory;
  readonly scratch: RingScratch;
  readonly ledger: RingLedger;
  readonly readEnds: (name: Uint8Array) => Ends;
  nextId: number;
  /** Of the completions that are told of. */
  nowMs: number;
  /** Lines with something to send or to finish, and lines with something to say. */
  dirty: Line[];
  later: Line[];
  /** Lines that found the kernel without a piece to receive into. */
  starved: Line[];
  /** Entries of all lines and listeners that have not completed for good. */
  pending: number;
  /** There is something to do, though nothing was before. */
  wake: () => void;
  /** The line is gone: its slot is free. */
  readonly gone: (line: Line) => void;
};

/** In its piece, or copied (-1): whoever does not read must not hold back pieces of the others. */
type Stashed = { readonly bytes: Uint8Array; readonly piece: number };

export type Ends = { readonly address: string; readonly port: number };

/** What an entry of a line was for: the lowest bits of its user data. */
export const PURPOSE = {
  receive: 0,
  send: 1,
  connect: 2,
  close: 3,
  cancel: 4,
} as const;
export const PURPOSES = 8;

const QUEUED_MAX = 128 * 1024;
/** Received at once while memory for what waits to be sent is short. */
const SHORT_READ_BYTES = 4096;
/** Who sends so little at a time sends no long body any more. */
const BULK_MIN = 1024;
const NOWHERE: Ends = { address: '', port: 0 };
const MSG_NOSIGNAL_WAITALL = 0x4100;
const CANCEL_ALL_OF_DESCRIPTOR = 3;
const EPIPE = 32;
const ECONNRESET = 104;
const ENOBUFS = 105;
const ECANCELED = 125;

/**
 * What completions bring back of a number: a busy thread comes past 32 bits within days. With its slot that is enough,
 * for those that share it lie four thousand million connections apart; 0 is the loop's own.
 */
export const lowHalf = (id: number): number => id >>> 0;

export function takeId(hub: Pick<Hub, 'nextId'>): number {
  if (lowHalf(hub.nextId) === 0) hub.nextId += 1;
  const id = hub.nextId;
  hub.nextId += 1;
  return id;
}

/** Prepares an entry for the line; the caller adds what the operation needs. */
function prepare(line: Line, what: number, purpose: number): number {
  const { words } = line.hub.ring;
  const at = line.hub.ring.entry();
  words[at + WORD.what] = what;
  words[at + WORD.fd] = line.fd;
  words[at + WORD.userLow] = line.slot * PURPOSES + purpose;
  words[at + WORD.userHigh] = line.id;
  line.pending += 1;
  line.hub.pending += 1;
  line.hub.wake();
  return at;
}

const RECEIVE = whatWord(OPERATION.recv, SELECT_PIECE, RECV_MULTISHOT);
const RECEIVE_ONCE = whatWord(OPERATION.recv, SELECT_PIECE);

/** Receives until it is told not to, one entry for many completions; of long bodies one piece. */
export function startReceiving(line: Line): void {
  if (line.receiving || line.peerEnded || line.state !== 'open') return;
  const { memory, ring } = line.hub;
  const isShort = memory.isShort();
  const at = prepare(line, line.isBulk || isShort ? RECEIVE_ONCE : RECEIVE, PURPOSE.receive);
  const isLong = line.isBulk && !isShort && memory.hasLongPieces();
  ring.words[at + WORD.bufferGroup] = isLong ? LONG_GROUP : USUAL_GROUP;
  if (isShort) ring.words[at + WORD.length] = SHORT_READ_BYTES;
  line.receiving = true;
}

export function startConnecting(line: Line, name: Uint8Array): void {
  const at = prepare(line, OPERATION.connect, PURPOSE.connect);
  line.hub.scratch.putName(line.hub.ring.words, at, name);
}

/** Sends what was written since, all of it in one entry; then finishes our side, if that was asked. */
export function flushLine(line: Line): void {
  line.isDirty = false;
  if (line.sending || line.state !== 'open') return;
  const { queue, hub } = line;
  if (queue.first !== undefined) {
    const isOne = queue.first.next === undefined;
    const at = prepare(line, isOne ? OPERATION.send : OPERATION.sendmsg, PURPOSE.send);
    const { words } = hub.ring;
    if (isOne) {
      words[at + WORD.addressLow] = queue.first.address;
      words[at + WORD.addressHigh] = queue.first.address / 2 ** 32;
      words[at + WORD.length] = queue.first.length;
    } else hub.scratch.putMessage(words, at, queue.first);
    words[at + WORD.callFlags] = MSG_NOSIGNAL_WAITALL;
    line.sending = true;
  } else if (line.finishing && !line.finished) finish(line);
}

/** When the peer has finished too, closing says so. */
function finish(line: Line): void {
  line.finished = true;
  if (line.endTold) {
    beginClosing(line);
    return;
  }
  line.hub.calls.finish(line.fd);
}

export function complete(line: Line, purpose: number, result: number, flags: number): void {
  if ((flags & DONE_MORE) === 0) line.pending -= 1;
  switch (purpose) {
    case PURPOSE.receive:
      received(line, result, flags);
      break;
    case PURPOSE.send:
      sent(line, result);
      break;
    case PURPOSE.connect:
      connected(line, result);
      break;
    case PURPOSE.close:
      closed(line);
      return;
    default:
      break;
  }
  if (line.state === 'closing') closeWhenQuiet(line);
}

function received(line: Line, result: number, flags: number): void {
  if ((flags & DONE_MORE) === 0) line.receiving = false;
  // Whatever the result is, the kernel may have taken a piece for it.
  if ((flags & DONE_BUFFER) !== 0) take(line, flags >>> 16, result);
  if (result === 0) peerEnded(line);
  else if (result === -ENOBUFS) line.hub.starved.push(line);
  else if (result < 0 && result !== -ECANCELED) {
    line.problem ||= errnoName(-result);
    // All that had come before has been received.
    if (line.isOurs) peerEnded(line);
    else beginClosing(line);
  }
  // The kernel may end it by itself; and who was paused and cancelled it may want to go on by now.
  const goesOn = result > 0 || result === -ECANCELED;
  if (goesOn && !line.paused && line.stash === undefined) startReceiving(line);
}

function take(line: Line, piece: number, length: number): void {
  const { memory, slab } = line.hub;
  memory.hold(piece);
  if (length > 0 && !line.silent) {
    const bytes = slab.view(piece, length);
    if (length < BULK_MIN) line.isBulk = false;
    else if (length === PIECE_BYTES && !line.isBulk) becomeBulk(line);
    if (line.paused || line.stash !== undefined) stash(line, bytes, piece);
    else line.handlers.onData(bytes, line.hub.nowMs);
  }
  memory.release(piece);
}

/** Nobody wants it now: it is kept, and no more is received. */
function stash(line: Line, bytes: Uint8Array, piece: number): void {
  const { memory } = line.hub;
  const mayHold = memory.mayHold(piece);
  if (mayHold) memory.hold(piece);
  line.stash ??= [];
  line.stash.push(mayHold ? { bytes, piece } : { bytes: bytes.slice(), piece: -1 });
  if (line.stash.length === 1) stopReceiving(line);
  line.isBulk = true;
}

/** From here on it receives one long piece at a time. */
function becomeBulk(line: Line): void {
  line.isBulk = true;
  stopReceiving(line);
}

function stopReceiving(line: Line): void {
  if (!line.receiving) return;
  const { words } = line.hub.ring;
  const at = prepare(line, OPERATION.cancel, PURPOSE.cancel);
  words[at + WORD.addressLow] = line.slot * PURPOSES + PURPOSE.receive;
  words[at + WORD.addressHigh] = line.id;
}

function peerEnded(line: Line): void {
  line.peerEnded = true;
  if (line.paused || line.stash !== undefined) return;
  tellEnd(line);
}

function tellEnd(line: Line): void {
  if (line.endTold || line.silent) return;
  if (line.problem !== '') {
    beginClosing(line);
    return;
  }
  line.endTold = true;
  line.handlers.onEnd(line.hub.nowMs);
  // What is written now still goes; then closing finishes our side.
  if (line.finished) beginClosing(line);
}

/** What waited while it was paused, in order, until it is paused again; then it receives anew. */
export function catchUp(line: Line): void {
  line.isLater = false;
  if (line.state === 'closing' && line.fd < 0) {
    closed(line);
    return;
  }
  while (line.stash !== undefined && !line.paused && !line.silent) {
    const stashed = line.stash.shift();
    if (stashed === undefined) line.stash = undefined;
    else {
      line.handlers.onData(stashed.bytes, line.hub.nowMs);
      if (stashed.piece >= 0) line.hub.memory.release(stashed.piece);
    }
  }
  if (line.paused || line.silent) return;
  if (line.peerEnded) tellEnd(line);
  else startReceiving(line);
}

function sent(line: Line, result: number): void {
  line.sending = false;
  const { queue, hub } = line;
  if (line.silent || line.state !== 'open') {
    hub.memory.clear(queue);
    return;
  }
  if (result < 0) {
    if (result !== -ECANCELED) unheard(line, -result);
    return;
  }
  hub.memory.take(queue, result);
  if (queue.first === undefined && line.held) {
    line.held = false;
    line.handlers.onDrain(line.hub.nowMs);
  }
  if (queue.first !== undefined || line.finishing) markDirty(line);
}

/**
 * The other side takes nothing any more. A server may have said before why that is, an early answer for instance, and
 * then receiving ends with what it said; the kernel tells only once, here, that the end is none in order.
 */
function unheard(line: Line, errno: number): void {
  const { hub, isOurs, queue } = line;
  const problem = errnoName(errno);
  if (!isOurs || line.endTold || (errno !== EPIPE && errno !== ECONNRESET)) {
    fail(line, problem);
    return;
  }
  line.problem ||= problem;
  hub.memory.clear(queue);
  if (!line.held) return;
  line.held = false;
  line.handlers.onDrain(hub.nowMs);
}

function connected(line: Line, result: number): void {
  if (line.state !== 'connecting') return;
  if (result < 0) {
    fail(line, errnoName(-result));
    return;
  }
  line.state = 'open';
  line.handlers.onOpen?.(line.hub.nowMs);
  if (!line.paused) startReceiving(line);
  if (line.queue.first !== undefined || line.finishing) markDirty(line);
}

export function fail(line: Line, problem: string): void {
  if (line.problem === '') line.problem = problem;
  beginClosing(line);
}

/** Lets go of the connection: what is pending is cancelled, and when nothing is, it is closed. */
function beginClosing(line: Line): void {
  if (line.state === 'closing' || line.state === 'closed') return;
  line.state = 'closing';
  closeWhenQuiet(line);
}

function closeWhenQuiet(line: Line): void {
  if (line.closeAsked) return;
  if (line.pending === 0) {
    line.closeAsked = true;
    line.hub.memory.clear(line.queue);
    if (line.fd < 0) {
      markLater(line);
      return;
    }
    // Not ours any more from now on: another thread may have the number next.
    line.hub.ledger.removeSocket(line.fd);
    prepare(line, OPERATION.close, PURPOSE.close);
    return;
  }
  if (line.cancelled) return;
  line.cancelled = true;
  const at = prepare(line, OPERATION.cancel, PURPOSE.cancel);
  line.hub.ring.words[at + WORD.callFlags] = CANCEL_ALL_OF_DESCRIPTOR;
}

/** The descriptor is closed: who has not given it up is told. */
function closed(line: Line): void {
  line.state = 'closed';
  for (const { piece } of line.stash ?? []) if (piece >= 0) line.hub.memory.release(piece);
  line.stash = undefined;
  line.hub.gone(line);
  line.fd = -1;
  if (!line.silent) line.handlers.onClose(line.problem, line.hub.nowMs);
  line.silent = true;
}

function markDirty(line: Line): void {
  if (line.isDirty) return;
  line.isDirty = true;
  line.hub.dirty.push(line);
  line.hub.wake();
}

function markLater(line: Line): void {
  if (line.isLater) return;
  line.isLater = true;
  line.hub.later.push(line);
  line.hub.wake();
}

function endsOf(line: Line, end: 'local' | 'peer'): Ends | undefined {
  if (line.fd < 0 || line.state === 'connecting') return undefined;
  const name = line.hub.calls.socketName(line.fd, end);
  return name && line.hub.readEnds(name);
}
