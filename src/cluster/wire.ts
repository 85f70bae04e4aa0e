import { type ByteReader, type ByteWriter, createByteReader, createByteWriter } from './bytes.ts';

/**
 * What nodes tell each other, as bytes: a frame is a list of records, each with its kind and length,
 * so that a node passes over what a newer one says. The same frames travel in datagrams between nodes
 * and as values in the store. There are no times of day in it, only ages at the moment of sending.
 */
export type WireRecord =
  | VantageRecord
  | StatementRecord
  | ReportRecord
  | NeedRecord
  | ThroughRecord
  | FactRecord
  | DigestRecord
  | NodeRecord
  | HeldRecord
  | OutliveRecord;

/** A vantage point lives. `digest` is over all its current statements (statementHash). */
export type VantageRecord = {
  readonly kind: 'vantage';
  readonly vantage: string;
  readonly group: string;
  readonly incarnation: number;
  /** The number of its latest statement. */
  readonly seq: number;
  readonly digest: number;
  readonly trusted: boolean;
  readonly reason: string;
};

export type StatementRecord = {
  readonly kind: 'statement';
  readonly vantage: string;
  readonly incarnation: number;
  readonly seq: number;
  readonly key: string;
  /** It no longer speaks of the target; the rest means nothing then. */
  readonly withdrawn: boolean;
  readonly verdict: 'unknown' | 'up' | 'down';
  readonly slow: boolean;
  readonly failing: boolean;
  readonly leaseMs: number;
  readonly secondsToChange: number;
  readonly sinceAgeMs: number;
  readonly reason: string;
  readonly last: {
    readonly ageMs: number;
    readonly ok: boolean;
    readonly rttMs: number;
    readonly reason: string;
  };
};

export type ReportRecord = {
  readonly kind: 'report';
  readonly node: string;
  readonly region: string;
  readonly address: string;
  readonly port: number;
  readonly ready: boolean;
  readonly reason: string;
  readonly serversUsable: number;
  readonly serversTotal: number;
  readonly requestsPerSecond: number;
  readonly active: number;
  readonly leaseMs: number;
};

/** Asks for the statements of a vantage point that are newer than `since`. */
export type NeedRecord = {
  readonly kind: 'need';
  readonly vantage: string;
  readonly since: number;
};

/** Its statements after `since` up to `through` have been sent again. */
export type ThroughRecord = {
  readonly kind: 'through';
  readonly vantage: string;
  readonly since: number;
  readonly through: number;
};

/** A durable fact as fact.ts writes it, without its key. */
export type FactRecord = { readonly kind: 'fact'; readonly key: string; readonly text: string };

/** What a node holds of durable facts, to be compared (replica.ts). */
export type DigestRecord = { readonly kind: 'digest'; readonly text: string };

/** A node of itself, as JSON. */
export type NodeRecord = { readonly kind: 'node'; readonly text: string };

/** A judgement held against undecided votes. */
export type HeldRecord = {
  readonly kind: 'held';
  readonly id: string;
  readonly health: 'up' | 'down';
  readonly ageMs: number;
};

/** Tells a node that a later life of its vantage point is known than the one that it speaks in. */
export type OutliveRecord = {
  readonly kind: 'outlive';
  readonly vantage: string;
  readonly incarnation: number;
};

/** Most that a frame holds: what fits a datagram on every path (IPv6's least MTU, less headers and seal). */
export const FRAME_BYTES_MAX = 1180;
/** Records of one frame that are read. */
const RECORDS_MAX = 100_000;

/** Frames of at most FRAME_BYTES_MAX bytes each that hold all records in order. */
export function encodeFrames(records: readonly WireRecord[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let frame = createByteWriter(FRAME_BYTES_MAX);
  let parts: Uint8Array[] = [];
  let length = 0;
  const close = (): void => {
    if (parts.length > 0) frames.push(Buffer.concat(parts));
    parts = [];
    length = 0;
  };
  for (const record of records) {
    frame = createByteWriter();
    CODECS[record.kind].write(frame, record as never);
    const payload = frame.bytes();
    const head = createByteWriter(8);
    head.byte(TAGS[record.kind]);
    head.number(payload.length);
    const size = head.length() + payload.length;
    if (length > 0 && length + size > FRAME_BYTES_MAX) close();
    parts.push(head.bytes(), payload);
    length += size;
  }
  close();
  return frames;
}

/** The records of a frame; undefined when it is not one. Records that are not known here are left out. */
export function decodeFrame(bytes: Uint8Array): readonly WireRecord[] | undefined {
  const reader = createByteReader(bytes);
  const records: WireRecord[] = [];
  for (let count = 0; !reader.done(); count += 1) {
    const tag = reader.byte();
    const length = reader.number();
    const payload = length === undefined ? undefined : reader.take(length);
    if (tag === undefined || payload === undefined || count >= RECORDS_MAX) return undefined;
    const kind = KINDS.get(tag);
    if (kind === undefined) continue;
    const record = CODECS[kind].read(createByteReader(payload));
    if (record === undefined) return undefined;
    records.push(record);
  }
  return records;
}

/** One statement's part of a vantage point's digest, which is the exclusive or of all of them. */
export function statementHash(key: string, seq: number): number {
  let hash = 0x811c9dc5 ^ seq;
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

type Kind = WireRecord['kind'];
const TAGS: Readonly<Record<Kind, number>> = {
  vantage: 1,
  statement: 2,
  report: 3,
  need: 4,
  through: 5,
  fact: 6,
  digest: 7,
  node: 8,
  held: 9,
  outlive: 10,
};
const KINDS = new Map(Object.entries(TAGS).map(([kind, tag]) => [tag, kind as Kind]));

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

const CODECS: Codecs = {
  vantage: {
    write(writer, { digest, group, incarnation, reason, seq, trusted, vantage }) {
      writer.text(vantage);
      writer.text(group);
      writer.number(incarnation);
      writer.number(seq);
      writer.number(digest);
      writer.byte(Number(trusted));
      writer.text(reason);
    },
    read: (reader) =>
      whole({
        kind: 'vantage',
        vantage: reader.text(),
        group: reader.text(),
        incarnation: reader.number(),
        seq: reader.number(),
        digest: reader.number(),
        trusted: flag(reader),
        reason: reader.text(),
      }),
  },
  statement: {
    write(writer, record) {
      const { failing, last, slow, verdict, withdrawn } = record;
      const flags =
        VERDICTS.indexOf(verdict) |
        (slow ? FLAG_SLOW : 0) |
        (failing ? FLAG_FAILING : 0) |
        (withdrawn ? FLAG_WITHDRAWN : 0);
      writer.text(record.vantage);
      writer.number(record.incarnation);
      writer.number(record.seq);
      writer.text(record.key);
      writer.byte(flags);
      if (withdrawn) return;
      writer.number(record.leaseMs);
      writer.number(record.secondsToChange * 1000);
      writer.number(record.sinceAgeMs);
      writer.text(record.reason);
      writer.number(last.ageMs);
      writer.byte(Number(last.ok));
      writer.number(last.rttMs * RTT_SCALE);
      writer.text(last.reason === record.reason ? '' : last.reason);
    },
    read: readStatement,
  },
  report: {
    write(writer, record) {
      writer.text(record.node);
      writer.text(record.region);
      writer.text(record.address);
      writer.number(record.port);
      writer.byte(Number(record.ready));
      writer.text(record.reason);
      writer.number(record.serversUsable);
      writer.number(record.serversTotal);
      writer.number(record.requestsPerSecond);
      writer.number(record.active);
      writer.number(record.leaseMs);
    },
    read: (reader) =>
      whole({
        kind: 'report',
        node: reader.text(),
        region: reader.text(),
        address: reader.text(),
        port: reader.number(),
        ready: flag(reader),
        reason: reader.text(),
        serversUsable: reader.number(),
        serversTotal: reader.number(),
        requestsPerSecond: reader.number(),
        active: reader.number(),
        leaseMs: reader.number(),
      }),
  },
  need: {
    write(writer, { since, vantage }) {
      writer.text(vantage);
      writer.number(since);
    },
    read: (reader) => whole({ kind: 'need', vantage: reader.text(), since: reader.number() }),
  },
  through: {
    write(writer, { since, through, vantage }) {
      writer.text(vantage);
      writer.number(since);
      writer.number(through);
    },
    read: (reader) =>
      whole({
        kind: 'through',
        vantage: reader.text(),
        since: reader.number(),
        through: reader.number(),
      }),
  },
  fact: {
    write(writer, { key, text }) {
      writer.text(key);
      writer.text(text);
    },
    read: (reader) => whole({ kind: 'fact', key: reader.text(), text: reader.text() }),
  },
  digest: {
    write: (writer, { text }) => writer.text(text),
    read: (reader) => whole({ kind: 'digest', text: reader.text() }),
  },
  node: {
    write: (writer, { text }) => writer.text(text),
    read: (reader) => whole({ kind: 'node', text: reader.text() }),
  },
  outlive: {
    write(writer, { incarnation, vantage }) {
      writer.text(vantage);
      writer.number(incarnation);
    },
    read: (reader) =>
      whole({ kind: 'outlive', vantage: reader.text(), incarnation: reader.number() }),
  },
  held: {
    write(writer, { ageMs, health, id }) {
      writer.text(id);
      writer.byte(Number(health === 'up'));
      writer.number(ageMs);
    },
    read(reader) {
      const record = whole({
        kind: 'held',
        id: reader.text(),
        isUp: flag(reader),
        ageMs: reader.number(),
      } as const);
      if (record === undefined) return undefined;
      return {
        kind: 'held',
        id: record.id,
        health: record.isUp ? 'up' : 'down',
        ageMs: record.ageMs,
      };
    },
  },
};

function readStatement(reader: ByteReader): StatementRecord | undefined {
  const head = whole({
    vantage: reader.text(),
    incarnation: reader.number(),
    seq: reader.number(),
    key: reader.text(),
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
    reason: reader.text(),
    ageMs: reader.number(),
    ok: flag(reader),
    rtt: reader.number(),
    lastReason: reader.text(),
  });
  if (body === undefined) return undefined;
  const { ageMs, lastReason, leaseMs, msToChange, ok, reason, rtt, sinceAgeMs } = body;
  return {
    ...common,
    verdict: body.verdict,
    slow: (flags & FLAG_SLOW) !== 0,
    failing: (flags & FLAG_FAILING) !== 0,
    leaseMs,
    secondsToChange: msToChange / 1000,
    sinceAgeMs,
    reason,
    last: { ageMs, ok, rttMs: rtt / RTT_SCALE, reason: lastReason === '' ? reason : lastReason },
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
  last: { ageMs: 0, ok: false, rttMs: 0, reason: '' },
} as const;

function flag(reader: ByteReader): boolean | undefined {
  const byte = reader.byte();
  return byte === undefined ? undefined : byte !== 0;
}

type Whole<Parts> = { readonly [Key in keyof Parts]: Exclude<Parts[Key], undefined> };

/** The parts when all of them are there. */
function whole<const Parts extends Readonly<Record<string, unknown>>>(
  parts: Parts,
): Whole<Parts> | undefined {
  return Object.values(parts).includes(undefined) ? undefined : (parts as Whole<Parts>);
}
