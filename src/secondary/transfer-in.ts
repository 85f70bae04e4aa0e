/**
 * The messages of a transfer, one after the other, as what they say (RFC 5936 2.2, RFC 1995 4): all of the zone, the
 * changes since a serial, or that there are none. Nothing of it is believed before its end has come and is signed.
 *
 *   AXFR   SOA, records …, the same SOA
 *   IXFR   SOA alone                                       nothing newer
 *          SOA, (SOA before, removed …, SOA after, added …)…, SOA
 *          as AXFR                                         where the primary does not know the changes
 */
import { TYPE_IXFR, TYPE_SOA } from '../dns/constants.ts';
import { equalNames } from '../dns/name.ts';
import { rdataByType } from '../dns/rdata/registry.ts';
import { isNewerSerial } from '../dns/serial.ts';
import { type ContentRecord, serialOf } from '../zone/zone-content.ts';
import { type Asked, readReply } from './reply-message.ts';
import type { ReplySignatures } from './reply-signature.ts';

/** From one serial to a newer one. */
export type CopyChange = {
  readonly removed: readonly ContentRecord[];
  readonly soa: ContentRecord;
  readonly added: readonly ContentRecord[];
};

export type Transfer =
  | {
      readonly kind: 'whole';
      readonly soa: ContentRecord;
      readonly records: readonly ContentRecord[];
    }
  | { readonly kind: 'changes'; readonly changes: readonly CopyChange[] }
  /** Nothing newer than what was asked with. */
  | { readonly kind: 'current' };

export type TransferStep =
  | { readonly state: 'more' }
  | { readonly state: 'done'; readonly transfer: Transfer }
  | { readonly state: 'refused'; readonly reason: string; readonly rcode?: number };

export type TransferReader = {
  take(message: Uint8Array, nowSeconds: number): TransferStep;
  /** That have come so far. */
  records(): number;
};

export type TransferLimits = {
  /** Records of one transfer, those of changes included. */
  readonly records: number;
  /** Octets of their owners and data, uncompressed. */
  readonly bytes: number;
};
export const TRANSFER_IN_LIMITS = {
  records: 1_000_000,
  bytes: 256 * 1024 * 1024,
} satisfies TransferLimits;

/** Octets of a record besides owner and data, as they are kept. */
const RECORD_OCTETS = 10;
/** Messages without a record are no progress. */
const EMPTY_MESSAGES_MAX = 16;

/** @param serial of the copy, for IXFR */
export function createTransferReader(
  asked: Asked & { readonly serial?: number },
  signatures: ReplySignatures,
  limits: TransferLimits = TRANSFER_IN_LIMITS,
): TransferReader {
  const course = createCourse(asked);
  let records = 0;
  let bytes = 0;
  let empty = 0;
  return {
    records: () => records,
    take(message, nowSeconds) {
      const untrusted = signatures.take(message, nowSeconds);
      const reply = readReply(message, asked);
      if (untrusted !== undefined) {
        const rcode = reply.ok ? undefined : reply.rcode;
        return { state: 'refused', reason: untrusted, ...(rcode === undefined ? {} : { rcode }) };
      }
      if (!reply.ok) {
        const { reason, rcode } = reply;
        return { state: 'refused', reason, ...(rcode === undefined ? {} : { rcode }) };
      }
      if (reply.records.length === 0) empty += 1;
      if (empty > EMPTY_MESSAGES_MAX) return refused('messages without records');
      for (const record of reply.records) {
        records += 1;
        bytes += record.owner.length + RECORD_OCTETS + record.rdata.length;
        if (records > limits.records) return refused(`more than ${limits.records} records`);
        if (bytes > limits.bytes) return refused(`more than ${limits.bytes} octets`);
        const problem = course.take(record);
        if (problem !== undefined) return refused(problem);
      }
      const transfer = course.end();
      if (transfer === undefined) return { state: 'more' };
      return signatures.isSigned()
        ? { state: 'done', transfer }
        : refused('the last message is not signed');
    },
  };
}

const refused = (reason: string): TransferStep => ({ state: 'refused', reason });

const isSoaData = (rdata: Uint8Array): boolean =>
  rdataByType(TYPE_SOA)?.format(rdata) !== undefined;

type Course = {
  /** Why the record cannot come next; undefined = it can. */
  take(record: ContentRecord): string | undefined;
  /** What has come, once it is whole. */
  end(): Transfer | undefined;
};

type Phase = 'first' | 'second' | 'whole' | 'removed' | 'added' | 'over';

function createCourse({ apex, serial, type }: Asked & { readonly serial?: number }): Course {
  let phase: Phase = 'first';
  let newest: ContentRecord | undefined;
  let ended: Transfer | undefined;
  const records: ContentRecord[] = [];
  const changes: CopyChange[] = [];
  let removed: ContentRecord[] = [];
  let added: ContentRecord[] = [];
  let after: ContentRecord | undefined;
  const finish = (transfer: Transfer): undefined => {
    phase = 'over';
    ended = transfer;
  };
  const takeFirst = (record: ContentRecord): string | undefined => {
    if (record.type !== TYPE_SOA) return 'it does not begin with the SOA';
    newest = record;
    phase = type === TYPE_IXFR ? 'second' : 'whole';
    if (type !== TYPE_IXFR || serial === undefined) return undefined;
    return isNewerSerial(serialOf(record), serial) ? undefined : finish({ kind: 'current' });
  };
  const takeWhole = (record: ContentRecord): string | undefined => {
    if (record.type !== TYPE_SOA) {
      records.push(record);
      return undefined;
    }
    if (serialOf(record) !== serialOf(newest!)) return 'the zone changed while it was copied';
    return finish({ kind: 'whole', soa: newest!, records });
  };
  const takeSecond = (record: ContentRecord): string | undefined => {
    phase = 'whole';
    if (record.type !== TYPE_SOA || serialOf(record) === serialOf(newest!))
      return takeWhole(record);
    if (serialOf(record) !== serial)
      return `changes since ${serialOf(record)} instead of ${serial}`;
    phase = 'removed';
    return undefined;
  };
  /** The SOA behind the records of a change: the same as ended it, and the last of all or the next one's first. */
  const takeAfterAdded = (record: ContentRecord): string | undefined => {
    changes.push({ removed, soa: after!, added });
    removed = [];
    added = [];
    if (serialOf(record) !== serialOf(after!)) return 'changes with a gap between serials';
    if (serialOf(record) === serialOf(newest!)) return finish({ kind: 'changes', changes });
    phase = 'removed';
    return undefined;
  };
  const takeOne = (record: ContentRecord): string | undefined => {
    const isSoa = record.type === TYPE_SOA;
    switch (phase) {
      case 'first':
        return takeFirst(record);
      case 'second':
        return takeSecond(record);
      case 'whole':
        return takeWhole(record);
      case 'removed':
        if (!isSoa) removed.push(record);
        else {
          after = record;
          phase = 'added';
        }
        return undefined;
      case 'added':
        if (isSoa) return takeAfterAdded(record);
        added.push(record);
        return undefined;
      case 'over':
        return 'records behind the end';
    }
  };
  return {
    take(record) {
      if (record.type === TYPE_SOA && !equalNames(record.owner, apex))
        return 'a SOA of another zone';
      if (record.type === TYPE_SOA && !isSoaData(record.rdata)) return 'a broken SOA';
      return takeOne(record);
    },
    end: () => ended,
  };
}
