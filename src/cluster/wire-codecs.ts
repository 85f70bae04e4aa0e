import type { ByteReader, ByteWriter } from './bytes.ts';
import type { StatementRecord, WireRecord } from './wire.ts';

/** How each kind of record is written and read: its parts in order. New parts go to the end. */

/** Names of vantage points, groups, nodes, regions. */
export const NAME_BYTES_MAX = 255;
/** Keys of statements. */
export const KEY_BYTES_MAX = 255;
/** Ids of judgements: an endpoint's name and a key. */
export const ID_BYTES_MAX = 512;
/** What people read; longer ones are cut. */
export const REASON_BYTES_MAX = 160;
/** Keys and texts of facts, digests, and what nodes say of themselves. */
export const TEXT_BYTES_MAX = 1100;
/** Statements are compared in so many parts. */
export const STATEMENT_BUCKETS = 64;

type Kind = WireRecord['kind'];
export const TAGS: Readonly<Record<Kind, number>> = {
  vantage: 1,
  statement: 2,
  report: 3,
  need: 4,
  bucket: 5,
  fact: 6,
  digest: 7,
  node: 8,
  held: 9,
  outlive: 10,
  ping: 11,
  pong: 12,
};
export const KINDS = new Map(Object.entries(TAGS).map(([kind, tag]) => [tag, kind as Kind]));

const VERDICTS = ['unknown', 'up', 'down'] as const;
const FLAG_SLOW = 4;
const FLAG_FAILING = 8;
const FLAG_WITHDRAWN = 16;
/** Round-trip times travel in hundredths of a millisecond. */
const RTT_SCALE = 100;

type Codec<Record extends WireRecord> = {
  write(writer: ByteWriter, record: Record): void;
  /** Undefined when a part is missing or is not what it should be. */
  read(reader: ByteReader): Record | undefined;
};
type Codecs = { readonly [Name in Kind]: Codec<Extract<WireRecord, { kind: Name }>> };

export const CODECS: Codecs = {
  vantage: {
    write(writer, record) {
      writer.name(record.vantage, NAME_BYTES_MAX);
      writer.name(record.group, NAME_BYTES_MAX);
      writer.number(record.incarnation);
      writer.number(record.beat);
      writer.number(record.seq);
      writer.word(record.digest);
      writer.byte(Number(record.trusted));
      writer.text(record.reason, REASON_BYTES_MAX);
    },
    read: (reader) =>
      whole({
        kind: 'vantage',
        vantage: reader.text(NAME_BYTES_MAX),
        group: reader.text(NAME_BYTES_MAX),
        incarnation: reader.number(),
        beat: reader.number(),
        seq: reader.number(),
        digest: reader.word(),
        trusted: flag(reader),
        reason: reader.text(REASON_BYTES_MAX),
      }),
  },
  statement: { write: writeStatement, read: readStatement },
  report: {
    write(writer, record) {
      writer.name(record.node, NAME_BYTES_MAX);
      writer.number(record.incarnation);
      writer.number(record.beat);
      writer.name(record.region, NAME_BYTES_MAX);
      writer.name(record.address, NAME_BYTES_MAX);
      writer.number(record.port);
      writer.byte(Number(record.ready));
      writer.text(record.reason, REASON_BYTES_MAX);
      writer.number(record.serversUsable);
      writer.number(record.serversTotal);
      writer.number(record.requestsPerSecond);
      writer.number(record.active);
      writer.number(record.leaseMs);
    },
    read: (reader) =>
      whole({
        kind: 'report',
        node: reader.text(NAME_BYTES_MAX),
        incarnation: reader.number(),
        beat: reader.number(),
        region: reader.text(NAME_BYTES_MAX),
        address: reader.text(NAME_BYTES_MAX),
        port: reader.number(),
        ready: flag(reader),
        reason: reader.text(REASON_BYTES_MAX),
        serversUsable: reader.number(),
        serversTotal: reader.number(),
        requestsPerSecond: reader.number(),
        active: reader.number(),
        leaseMs: reader.number(),
      }),
  },
  need: {
    write(writer, { digests, since, vantage }) {
      writer.name(vantage, NAME_BYTES_MAX);
      writer.number(since);
      writer.number(digests.length);
      for (const digest of digests) writer.word(digest);
    },
    read: (reader) =>
      whole({
        kind: 'need',
        vantage: reader.text(NAME_BYTES_MAX),
        since: reader.number(),
        digests: words(reader),
      }),
  },
  bucket: {
    write(writer, { bucket, digest, incarnation, vantage }) {
      writer.name(vantage, NAME_BYTES_MAX);
      writer.number(incarnation);
      writer.number(bucket);
      writer.word(digest);
    },
    read: (reader) =>
      whole({
        kind: 'bucket',
        vantage: reader.text(NAME_BYTES_MAX),
        incarnation: reader.number(),
        bucket: reader.number(),
        digest: reader.word(),
      }),
  },
  fact: {
    write(writer, { key, text }) {
      writer.name(key, TEXT_BYTES_MAX);
      writer.name(text, TEXT_BYTES_MAX);
    },
    read: (reader) =>
      whole({
        kind: 'fact',
        key: reader.text(TEXT_BYTES_MAX),
        text: reader.text(TEXT_BYTES_MAX),
      }),
  },
  digest: {
    write: (writer, { text }) => writer.name(text, TEXT_BYTES_MAX),
    read: (reader) => whole({ kind: 'digest', text: reader.text(TEXT_BYTES_MAX) }),
  },
  node: {
    write: (writer, { text }) => writer.name(text, TEXT_BYTES_MAX),
    read: (reader) => whole({ kind: 'node', text: reader.text(TEXT_BYTES_MAX) }),
  },
  held: {
    write(writer, { ageMs, health, id }) {
      writer.name(id, ID_BYTES_MAX);
      writer.byte(Number(health === 'up'));
      writer.number(ageMs);
    },
    read: (reader) =>
      whole({
        kind: 'held',
        id: reader.text(ID_BYTES_MAX),
        health: upOrDown(reader),
        ageMs: reader.number(),
      }),
  },
  outlive: {
    write(writer, { incarnation, vantage }) {
      writer.name(vantage, NAME_BYTES_MAX);
      writer.number(incarnation);
    },
    read: (reader) =>
      whole({
        kind: 'outlive',
        vantage: reader.text(NAME_BYTES_MAX),
        incarnation: reader.number(),
      }),
  },
  ping: {
    write: (writer, { token }) => writer.number(token),
    read: (reader) => whole({ kind: 'ping', token: reader.number() }),
  },
  pong: {
    write(writer, { token, wallMs }) {
      writer.number(token);
      writer.number(wallMs);
    },
    read: (reader) => whole({ kind: 'pong', token: reader.number(), wallMs: reader.number() }),
  },
};

function writeStatement(writer: ByteWriter, record: StatementRecord): void {
  const { failing, last, slow, verdict, withdrawn } = record;
  const flags =
    VERDICTS.indexOf(verdict) |
    (slow ? FLAG_SLOW : 0) |
    (failing ? FLAG_FAILING : 0) |
    (withdrawn ? FLAG_WITHDRAWN : 0);
  writer.name(record.vantage, NAME_BYTES_MAX);
  writer.number(record.incarnation);
  writer.number(record.seq);
  writer.name(record.key, KEY_BYTES_MAX);
  writer.byte(flags);
  if (withdrawn) return;
  writer.number(record.leaseMs);
  writer.number(record.secondsToChange * 1000);
  writer.number(record.sinceAgeMs);
  writer.text(record.reason, REASON_BYTES_MAX);
  writer.number(last.ageMs);
  writer.byte(Number(last.ok));
  writer.number(last.rttMs * RTT_SCALE);
  // Mostly they are the same; then the second one is empty.
  writer.text(last.reason === record.reason ? '' : last.reason, REASON_BYTES_MAX);
  writer.text(last.warning, REASON_BYTES_MAX);
}

function readStatement(reader: ByteReader): StatementRecord | undefined {
  const head = whole({
    vantage: reader.text(NAME_BYTES_MAX),
    incarnation: reader.number(),
    seq: reader.number(),
    key: reader.text(KEY_BYTES_MAX),
    flags: reader.byte(),
  });
  if (head === undefined) return undefined;
  const { flags, ...named } = head;
  const verdict = VERDICTS[flags & 3];
  const withdrawn = (flags & FLAG_WITHDRAWN) !== 0;
  const common = { kind: 'statement', ...named, withdrawn } as const;
  if (withdrawn) return { ...common, ...NOTHING_SAID };
  const body = whole({
    verdict,
    leaseMs: reader.number(),
    msToChange: reader.number(),
    sinceAgeMs: reader.number(),
    reason: reader.text(REASON_BYTES_MAX),
    ageMs: reader.number(),
    ok: flag(reader),
    rtt: reader.number(),
    lastReason: reader.text(REASON_BYTES_MAX),
    // Nodes of before have none.
    warning: reader.done() ? '' : reader.text(REASON_BYTES_MAX),
  });
  if (body === undefined) return undefined;
  const { ageMs, lastReason, leaseMs, msToChange, ok, reason, rtt, sinceAgeMs, warning } = body;
  return {
    ...common,
    verdict: body.verdict,
    slow: (flags & FLAG_SLOW) !== 0,
    failing: (flags & FLAG_FAILING) !== 0,
    leaseMs,
    secondsToChange: msToChange / 1000,
    sinceAgeMs,
    reason,
    last: {
      ...{ ageMs, ok, rttMs: rtt / RTT_SCALE, warning },
      reason: lastReason === '' ? reason : lastReason,
    },
  };
}

const NOTHING_SAID = {
  verdict: 'unknown',
  slow: false,
  failing: false,
  leaseMs: 0,
  secondsToChange: 0,
  sinceAgeMs: 0,
  reason: '',
  last: { ageMs: 0, ok: false, rttMs: 0, reason: '', warning: '' },
} as const;

function flag(reader: ByteReader): boolean | undefined {
  const byte = reader.byte();
  return byte === undefined ? undefined : byte !== 0;
}

function upOrDown(reader: ByteReader): 'up' | 'down' | undefined {
  const isUp = flag(reader);
  return isUp === undefined ? undefined : isUp ? 'up' : 'down';
}

/** A list of four-byte numbers, at most one per bucket. */
function words(reader: ByteReader): readonly number[] | undefined {
  const count = reader.number();
  if (count === undefined || count > STATEMENT_BUCKETS) return undefined;
  const list: number[] = [];
  while (list.length < count) {
    const word = reader.word();
    if (word === undefined) return undefined;
    list.push(word);
  }
  return list;
}

type Whole<Parts> = { readonly [Key in keyof Parts]: Exclude<Parts[Key], undefined> };

/** The parts when all of them are there. */
function whole<const Parts extends Readonly<Record<string, unknown>>>(
  parts: Parts,
): Whole<Parts> | undefined {
  return Object.values(parts).includes(undefined) ? undefined : (parts as Whole<Parts>);
}
