/**
 * Signatures of steered records that were made before anybody asks, as flat memory that threads share: a hash
 * table by body and service. With another snapshot, or when all are renewed, a hundred thousand of them
 * come to a worker in no time; it reads the ones that it is asked for.
 */

import { sharedWords } from '../zone/word-memory.ts';

/** A signature that a signer has made of a body (its key, body.ts) under the name of a service. */
export type PreparedSignature = {
  readonly key: string;
  readonly service: number;
  /** RRSIG records as they are written into an answer. */
  readonly records: Uint8Array;
};

export type PreparedTable = {
  /** At the hash of an entry or behind it: its row plus 1; 0 = here the search ends. A power of two. */
  readonly slots: Int32Array;
  /** ROW_WORDS for each. */
  readonly rows: Int32Array;
  /** Keys, each once, in ASCII, and records. */
  readonly arena: Uint8Array;
};

const ROW_WORDS = 5;
const SERVICE = 0;
const KEY = 1;
const KEY_LENGTH = 2;
const RECORDS = 3;
const LENGTH = 4;
/** Slots for each entry: a search that finds nothing ends soon. */
const SPARSENESS = 2;

/** @param prepared each with another key or service */
export function packPrepared(prepared: readonly PreparedSignature[]): PreparedTable {
  const keys = new Map<string, number>();
  let end = 0;
  for (const { key, records } of prepared) {
    if (!keys.has(key)) {
      keys.set(key, end);
      end += key.length;
    }
    end += records.length;
  }
  const arena = Buffer.from(new SharedArrayBuffer(end));
  const rows = sharedWords(prepared.length * ROW_WORDS);
  const slots = sharedWords(2 ** Math.ceil(Math.log2(prepared.length * SPARSENESS + 1)));
  let at = 0;
  for (const [index, { key, records, service }] of prepared.entries()) {
    if (keys.get(key) === at) at += arena.write(key, at, 'latin1');
    arena.set(records, at);
    rows.set([service, keys.get(key)!, key.length, at, records.length], index * ROW_WORDS);
    at += records.length;
    let slot = slotOf(slots, hashKey(key), service);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = index + 1;
  }
  return { slots, rows, arena: new Uint8Array(arena.buffer) };
}

export const NOTHING_PREPARED: PreparedTable = packPrepared([]);

export function preparedCount({ rows }: PreparedTable): number {
  return rows.length / ROW_WORDS;
}

/** Its records, in the memory of the table. @param keyHash hashKey() of the key */
export function findPrepared(
  { arena, rows, slots }: PreparedTable,
  key: string,
  keyHash: number,
  service: number,
): Uint8Array | undefined {
  const mask = slots.length - 1;
  for (let slot = slotOf(slots, keyHash, service); slots[slot] !== 0; slot = (slot + 1) & mask) {
    const row = (slots[slot]! - 1) * ROW_WORDS;
    if (rows[row + SERVICE] !== service || !isKey(arena, rows, row, key)) continue;
    const from = rows[row + RECORDS]!;
    return arena.subarray(from, from + rows[row + LENGTH]!);
  }
  return undefined;
}

/** One after the other. */
export function* preparedOf({ arena, rows }: PreparedTable): Generator<PreparedSignature> {
  for (let row = 0; row < rows.length; row += ROW_WORDS) {
    const key = rows[row + KEY]!;
    const records = rows[row + RECORDS]!;
    yield {
      key: Buffer.from(arena.subarray(key, key + rows[row + KEY_LENGTH]!)).toString('latin1'),
      service: rows[row + SERVICE]!,
      records: arena.subarray(records, records + rows[row + LENGTH]!),
    };
  }
}

export function hashKey(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  }
  return hash;
}

function slotOf(slots: Int32Array, keyHash: number, service: number): number {
  const hash = Math.imul(keyHash ^ Math.imul(service + 1, 0x9e3779b1), 0x85ebca6b);
  return (hash ^ (hash >>> 15)) & (slots.length - 1);
}

function isKey(arena: Uint8Array, rows: Int32Array, row: number, key: string): boolean {
  if (rows[row + KEY_LENGTH] !== key.length) return false;
  const from = rows[row + KEY]!;
  for (let at = 0; at < key.length; at += 1) {
    if (arena[from + at] !== key.charCodeAt(at)) return false;
  }
  return true;
}
