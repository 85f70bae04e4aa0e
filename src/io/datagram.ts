import type { PacketMemory } from '../dns/packet-memory.ts';
import type { Source } from '../ip/source.ts';

/**
 * What the two engines of UDP have in common: io/udp-batch (Linux) and io/udp-portable. Both own a socket,
 * ask the handler about one datagram after the other, and pass test/io/udp-conformance.
 */

export type DatagramHandler = {
  /** Filled anew for each datagram. */
  readonly source: Source;
  /**
   * Bytes in, length out; 0 = silence.
   * @param packet the datagram in its first `length` bytes; the engine's again when this returns
   * @param nowMs the time of the batch, milliseconds since the epoch
   * @param reply room of REPLY_BYTES
   * @param later to be called now by who will have a reply after this has returned
   */
  serve(packet: Uint8Array, length: number, nowMs: number, reply: Uint8Array, later: Later): number;
  /**
   * Likewise, before `serve`, in memory that both lie in: of what can be answered at once.
   * @param at where the datagram begins, and `to` its reply: octets from the memory's start, each at a whole word
   * @returns length; 0 = silence; negative = `serve` is to be asked
   */
  readonly fast?: Fast | undefined;
  /** When what has come together is answered; the last of it is in `source`. */
  readonly answered?: ((nowMs: number) => void) | undefined;
  /** What comes next to one of the two, where several datagrams have come together. */
  readonly foresee?: Foresee | undefined;
  /**
   * Makes of a reply, in place, one that is shorter, for the link that it leaves by takes no longer ones in one piece.
   * @returns length; 0 = there is no other
   */
  readonly shorten?: Shorten | undefined;
};

export type Shorten = (reply: Uint8Array, length: number) => number;

export type Fast = (
  memory: PacketMemory,
  at: number,
  length: number,
  nowMs: number,
  to: number,
) => number;

/**
 * @param first where the first datagram begins in the memory; the others follow at `stride`
 * @param lengths of each; -1 = there is none
 */
export type Foresee = (
  memory: PacketMemory,
  first: number,
  stride: number,
  lengths: Int32Array,
  count: number,
) => void;

/** The way back to the source of the datagram under way. The bytes are the engine's from then on. */
export type Later = () => (reply: Uint8Array) => void;

export type UdpEngine = {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
};

/** What an engine does not hand to the handler, or cannot send. */
export type DatagramMeter = {
  /** Datagrams that came together. */
  received(count: number): void;
  /** Longer than DATAGRAM_BYTES_MAX, or more than there is room for. */
  dropped(): void;
  /** Replies that the kernel did not take. */
  unsent(): void;
};

/** Longest datagram that is read: no query is longer, and updates that are come over TCP (RFC 2136 6.2). */
export const DATAGRAM_BYTES_MAX = 4096;
export const REPLY_BYTES = 4096;

/**
 * Queries wait here while a worker takes a snapshot or health: the kernel's default holds 300, a few
 * milliseconds of load. The kernel gives as much of it as `net.core.rmem_max` allows.
 */
export const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * How long a worker under load waits in the kernel for one more datagram: what a message of another thread may
 * have to wait, too. With the kernel's tick it is below 10 ms.
 */
export const RECEIVE_WAIT_MS = 4;
