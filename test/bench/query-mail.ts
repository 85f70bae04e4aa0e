/** Queries that leave and answers that arrive by the batch, with the calls that Meridian's own engine uses. */
import { readFileSync } from 'node:fs';
import { LINUX_64 as LAYOUT, LOCAL_AT } from '../../src/io/message-slab.ts';
import { type BatchCalls, socketAddress } from '../../src/io/syscall.ts';
import { DRAW_BYTES, type Draws, fillIn } from './drawn-queries.ts';

export const BATCH = 32;
export const COUNTS = Array.from({ length: BATCH + 1 }, (_, count) => BigInt(count));
const ANSWER_BYTES = 2048;
/** More than any form has. */
const FORM_ROOM = 512;
/** struct cmsghdr with in_pktinfo behind it: the octets that count, those it takes, and where the source stands. */
const CONTROL_LENGTH = 28;
const CONTROL_BYTES = 32;
const SOURCE_AT = LOCAL_AT[4];
const IP_PKTINFO = 8;
const LOOPBACK_4 = Uint8Array.of(127, 0, 0, 1);
const LOOPBACK_6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const WORD = 4;
const TWO_32 = 2 ** 32;

/** What queries are taken from, one after the other. */
export type Asking = {
  /** Of the memory that they are in. */
  readonly address: number;
  /** Of the query that was taken last: where in the memory it begins, and its octets. */
  at: number;
  octets: number;
  /**
   * Takes the next query, for the place `index` of a batch, with this ID.
   * @returns its place among those that there are
   */
  take(index: number, id: number): number;
};

export type Queries = Asking & {
  /** How many there are in the file; those after them are the same again. */
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly starts: Uint32Array;
};

/** The queries of a file, in its order, again and again. */
export function loadQueries(calls: BatchCalls, file: string): Queries {
  const once = readFileSync(file);
  const count = splitStream(once).starts.length;
  // Each of a batch has an ID of its own, so no two may be the same bytes.
  const times = Math.ceil((2 * BATCH) / count);
  const content = Buffer.concat(Array.from({ length: times }, () => once));
  const memory = new ArrayBuffer(Math.max(64, content.length));
  const bytes = new Uint8Array(memory);
  bytes.set(content);
  const { lengths, starts } = splitStream(content);
  let next = 0;
  return {
    bytes,
    count,
    address: Number(calls.hold(memory)),
    starts,
    at: 0,
    octets: 0,
    take(_index, id) {
      const at = starts[next]!;
      bytes[at] = id >> 8;
      bytes[at + 1] = id;
      this.at = at;
      this.octets = lengths[next]!;
      const place = next % count;
      next = next + 1 === starts.length ? 0 : next + 1;
      return place;
    },
  };
}

/**
 * Drawn queries, in their order, again and again. Each form stands in the memory once for each place of a batch, so
 * that little of it is touched, whatever is asked.
 * @param firstSerial of the letters that no other query has
 */
export function loadDraws(
  calls: BatchCalls,
  { bytes: draws, forms }: Draws,
  firstSerial: number,
): Asking {
  const memory = new ArrayBuffer(forms.length * BATCH * FORM_ROOM);
  const bytes = new Uint8Array(memory);
  for (const [number, { query }] of forms.entries()) {
    for (let index = 0; index < BATCH; index += 1) {
      bytes.set(query, (number * BATCH + index) * FORM_ROOM);
    }
  }
  const count = draws.length / DRAW_BYTES;
  let next = 0;
  let serial = firstSerial;
  return {
    address: Number(calls.hold(memory)),
    at: 0,
    octets: 0,
    take(index, id) {
      const number = draws[next * DRAW_BYTES]!;
      const form = forms[number]!;
      const at = (number * BATCH + index) * FORM_ROOM;
      bytes[at] = id >> 8;
      bytes[at + 1] = id;
      fillIn(bytes, at, form, draws, next, serial);
      serial = (serial + 1) | 0;
      this.at = at;
      this.octets = form.query.length;
      const place = next;
      next = next + 1 === count ? 0 : next + 1;
      return place;
    },
  };
}

/** Where in a stream each message begins, and its octets. */
export function splitStream(content: Uint8Array) {
  const starts: number[] = [];
  const lengths: number[] = [];
  for (let at = 0; at < content.length; at += 2 + lengths.at(-1)!) {
    starts.push(at + 2);
    lengths.push((content[at]! << 8) | content[at + 1]!);
  }
  return { starts: Uint32Array.from(starts), lengths: Uint32Array.from(lengths) };
}

export type Mail = ReturnType<typeof createMail>;

/**
 * Headers of a batch of queries, which stay where they are in memory, and room for a batch of answers.
 * @param family of the server; 4 when each query leaves from an address of its own, and its socket is bound to none
 */
export function createMail(calls: BatchCalls, queries: Asking, port: number, family?: 4 | 6) {
  const { headerBytes, vectorBytes } = LAYOUT;
  const [sent, received] = [0, BATCH * headerBytes];
  const sentVectors = 2 * BATCH * headerBytes;
  const receivedVectors = sentVectors + BATCH * vectorBytes;
  const name = receivedVectors + BATCH * vectorBytes;
  const controls = name + 64;
  const answers = controls + BATCH * CONTROL_BYTES;
  const memory = new ArrayBuffer(answers + BATCH * ANSWER_BYTES);
  const base = calls.hold(memory);
  const words = new Int32Array(memory);
  const bytes = new Uint8Array(memory);
  const put = (at: number, value: number): void => {
    words[at / WORD] = value % TWO_32;
    words[at / WORD + 1] = Math.floor(value / TWO_32);
  };
  const to = socketAddress(family === 6 ? LOOPBACK_6 : LOOPBACK_4, port);
  bytes.set(to, name);
  const start = Number(base);
  for (let index = 0; index < BATCH; index += 1) {
    const [out, from] = [sent + index * headerBytes, received + index * headerBytes];
    put(out + LAYOUT.name, start + name);
    words[(out + LAYOUT.nameLength) / WORD] = to.length;
    put(out + LAYOUT.vector, start + sentVectors + index * vectorBytes);
    put(out + LAYOUT.vectorCount, 1);
    if (family === 4) {
      const control = controls + index * CONTROL_BYTES;
      words.set([CONTROL_LENGTH, 0, 0, IP_PKTINFO], control / WORD);
      put(out + LAYOUT.control, start + control);
      put(out + LAYOUT.controlLength, CONTROL_LENGTH);
    }
    put(from + LAYOUT.vector, start + receivedVectors + index * vectorBytes);
    put(from + LAYOUT.vectorCount, 1);
    put(receivedVectors + index * vectorBytes, start + answers + index * ANSWER_BYTES);
    put(receivedVectors + index * vectorBytes + LAYOUT.vectorLength, ANSWER_BYTES);
  }
  return {
    sendFrom: base + BigInt(sent),
    receiveFrom: base + BigInt(received),
    /**
     * Makes the next query the one that goes at `index`; its ID says which slot waits for it.
     * @param source of `sourcesOf`
     * @returns its place among the queries
     */
    put(index: number, slot: number, source = 0): number {
      const place = queries.take(index, slot);
      const vector = sentVectors + index * vectorBytes;
      put(vector, queries.address + queries.at);
      put(vector + LAYOUT.vectorLength, queries.octets);
      words[(controls + index * CONTROL_BYTES + SOURCE_AT) / WORD] = source;
      return place;
    },
    answers: bytes,
    /** Where in `answers` one begins, and how many octets it has. */
    startOf: (index: number): number => answers + index * ANSWER_BYTES,
    lengthOf: (index: number): number =>
      words[(received + index * headerBytes + LAYOUT.length) / WORD]!,
    slotOf(index: number): number {
      const at = answers + index * ANSWER_BYTES;
      return (bytes[at]! << 8) | bytes[at + 1]!;
    },
    rcodeOf: (index: number): number => bytes[answers + index * ANSWER_BYTES + 3]! & 0xf,
  };
}

/**
 * So many addresses from the one at `first` on, each in a /24 of its own: 127.1.0.1, 127.1.1.1 and so on, in network
 * order as words of this machine.
 */
export function sourcesOf(first: number, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, offset) => {
    const index = first + offset;
    return 127 | ((1 + (index >> 8)) << 8) | ((index & 0xff) << 16) | (1 << 24);
  });
}
