import { hash } from 'node:crypto';
import { type Fact, formatFact, parseFact } from './fact.ts';
import type { Replica } from './replica.ts';
import type { FactRecord } from './wire.ts';

/**
 * Facts on their way between nodes without a store. Each tells a digest of what it holds; who sees that
 * it differs sends what it has in those buckets, and the later word wins on both sides. A fact that does
 * not fit one datagram travels in parts, which are put together whatever order they come in; parts that
 * are lost come again, since the digests still differ.
 */
export type FactGossip = {
  /** What this node holds, as text. */
  digest(): string;
  /**
   * What to send to somebody with this digest.
   * @param from who it is, when known
   */
  missing(digest: string, from?: string): readonly FactRecord[];
  /** True when it is news. */
  hear(record: FactRecord): boolean;
  /** The records of one fact, to be told at once when it is new. */
  records(fact: Fact): readonly FactRecord[];
};

export type FactGossipOptions = {
  readonly replica: Replica;
  nowMs(): number;
  /** Called with every digest that is heard. */
  onDigest(from: string, digest: Uint8Array): void;
};

/** Sent to one node for one digest of it: the next one is seconds away. */
export const GOSSIP_RECORDS_MAX = 250;
/** With the longest key it still fits a frame. */
export const PART_LENGTH_MAX = 600;
/** A fact in more parts than this reaches others through the store only: 300 kB. */
export const PARTS_MAX = 500;
/** Facts of which not all parts are there, of all nodes together. */
const UNFINISHED_MAX = 32;
const PART = /^#([0-9a-f]{16}) ([0-9]{1,4})\/([0-9]{1,4}) ([\x20-\x7e]*)$/;
const NOT_ASCII = /[^\x20-\x7e]/g;

export function createFactGossip(options: FactGossipOptions): FactGossip {
  const { replica } = options;
  const unfinished = new Map<string, (string | undefined)[]>();
  /** Where to begin next time when not everything could be sent. */
  let turn = 0;

  const take = ({ key, text }: FactRecord): Fact | undefined => {
    const part = PART.exec(text);
    const whole = part ? joinParts(unfinished, key, part) : text;
    return whole === undefined ? undefined : parseFact(key, whole);
  };
  return {
    digest: () => Buffer.from(replica.digest()).toString('base64'),
    missing(text, from = 'elsewhere') {
      const digest = Buffer.from(text, 'base64');
      options.onDigest(from, digest);
      const facts = replica.entriesOf(replica.differing(digest));
      const records: FactRecord[] = [];
      const begin = facts.length === 0 ? 0 : turn % facts.length;
      for (const fact of [...facts.slice(begin), ...facts.slice(0, begin)]) {
        if (records.length >= GOSSIP_RECORDS_MAX) break;
        records.push(...recordsOf(fact));
        turn += 1;
      }
      if (records.length < GOSSIP_RECORDS_MAX) turn = 0;
      return records;
    },
    hear(record) {
      const fact = take(record);
      return fact !== undefined && replica.merge([fact], options.nowMs(), 'peer').taken > 0;
    },
    records: recordsOf,
  };
}

function recordsOf(fact: Fact): readonly FactRecord[] {
  const { key } = fact;
  const text = formatFact(fact).replaceAll(NOT_ASCII, escaped);
  const count = Math.ceil(text.length / PART_LENGTH_MAX);
  if (count === 1) return [{ kind: 'fact', key, text }];
  if (count > PARTS_MAX) return [];
  const id = hash('sha256', text).slice(0, 16);
  return Array.from({ length: count }, (_, index) => {
    const part = text.slice(index * PART_LENGTH_MAX, (index + 1) * PART_LENGTH_MAX);
    return { kind: 'fact', key, text: `#${id} ${index}/${count} ${part}` };
  });
}

/** One unit of UTF-16 as JSON writes it: parts are cut by length and counted in bytes. */
function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The whole text when this was the last part of it. */
function joinParts(
  unfinished: Map<string, (string | undefined)[]>,
  key: string,
  [, hashText, indexText, countText, text]: RegExpExecArray,
): string | undefined {
  const [index, count] = [Number(indexText), Number(countText)];
  if (index >= count || count > PARTS_MAX || text!.length > PART_LENGTH_MAX) return undefined;
  const id = `${key} ${hashText} ${count}`;
  const parts = unfinished.get(id) ?? Array.from({ length: count }, () => undefined);
  parts[index] = text;
  // The one that was added to last is the last to be forgotten.
  unfinished.delete(id);
  if (!parts.includes(undefined)) return parts.join('');
  unfinished.set(id, parts);
  if (unfinished.size > UNFINISHED_MAX) unfinished.delete(unfinished.keys().next().value!);
  return undefined;
}
