/** Queries that leave and answers that arrive by the batch, with the calls that Meridian's own engine uses. */
import { readFileSync } from 'node:fs';
import { LINUX_64 as LAYOUT } from '../../src/io/message-slab.ts';
import type { BatchCalls } from '../../src/io/syscall.ts';

export const BATCH = 32;
export const COUNTS = Array.from({ length: BATCH + 1 }, (_, count) => BigInt(count));
const ANSWER_BYTES = 2048;
const WORD = 4;
const TWO_32 = 2 ** 32;

export type Queries = {
  /** How many there are in the file; those after them are the same again. */
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly address: number;
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
};

export function loadQueries(calls: BatchCalls, file: string): Queries {
  const once = readFileSync(file);
  const content = repeated(once);
  const memory = new ArrayBuffer(Math.max(64, content.length));
  const bytes = new Uint8Array(memory);
  bytes.set(content);
  const starts: number[] = [];
  const lengths: number[] = [];
  for (let at = 0; at < content.length; ) {
    const length = content.readUInt16BE(at);
    starts.push(at + 2);
    lengths.push(length);
    at += 2 + length;
  }
  return {
    bytes,
    count: countQueries(once),
    address: Number(calls.hold(memory)),
    starts: Uint32Array.from(starts),
    lengths: Uint32Array.from(lengths),
  };
}

/** So that no two queries of a batch are the same bytes, for each has an ID of its own. */
function repeated(content: Buffer): Buffer {
  const times = Math.ceil((2 * BATCH) / countQueries(content));
  return Buffer.concat(Array.from({ length: times }, () => content));
}

function countQueries(content: Buffer): number {
  let count = 0;
  for (let at = 0; at < content.length; count += 1) at += 2 + content.readUInt16BE(at);
  return count;
}

export type Mail = ReturnType<typeof createMail>;

/** Headers of a batch of queries, which stay where the file was read to, and room for a batch of answers. */
export function createMail(calls: BatchCalls, queries: Queries, port: number) {
  const { headerBytes, vectorBytes } = LAYOUT;
  const [sent, received] = [0, BATCH * headerBytes];
  const sentVectors = 2 * BATCH * headerBytes;
  const receivedVectors = sentVectors + BATCH * vectorBytes;
  const name = receivedVectors + BATCH * vectorBytes;
  const answers = name + 64;
  const memory = new ArrayBuffer(answers + BATCH * ANSWER_BYTES);
  const base = calls.hold(memory);
  const words = new Int32Array(memory);
  const bytes = new Uint8Array(memory);
  const put = (at: number, value: number): void => {
    words[at / WORD] = value % TWO_32;
    words[at / WORD + 1] = Math.floor(value / TWO_32);
  };
  bytes.set([2, 0, port >> 8, port & 0xff, 127, 0, 0, 1], name);
  const start = Number(base);
  for (let index = 0; index < BATCH; index += 1) {
    const [to, from] = [sent + index * headerBytes, received + index * headerBytes];
    put(to + LAYOUT.name, start + name);
    words[(to + LAYOUT.nameLength) / WORD] = 16;
    put(to + LAYOUT.vector, start + sentVectors + index * vectorBytes);
    put(to + LAYOUT.vectorCount, 1);
    put(from + LAYOUT.vector, start + receivedVectors + index * vectorBytes);
    put(from + LAYOUT.vectorCount, 1);
    put(receivedVectors + index * vectorBytes, start + answers + index * ANSWER_BYTES);
    put(receivedVectors + index * vectorBytes + LAYOUT.vectorLength, ANSWER_BYTES);
  }
  let next = 0;
  return {
    sendFrom: base + BigInt(sent),
    receiveFrom: base + BigInt(received),
    /**
     * Makes the next query of the file the one that goes at `index`; its ID says which slot waits for it.
     * @returns its place in the file
     */
    put(index: number, slot: number): number {
      const at = queries.starts[next]!;
      queries.bytes[at] = slot >> 8;
      queries.bytes[at + 1] = slot;
      const vector = sentVectors + index * vectorBytes;
      put(vector, queries.address + at);
      put(vector + LAYOUT.vectorLength, queries.lengths[next]!);
      const place = next % queries.count;
      next = next + 1 === queries.starts.length ? 0 : next + 1;
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
