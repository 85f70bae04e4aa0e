/**
 * Zone transfers out (RFC 5936, RFC 1995) as the messages that they are: pure, one message at a time, so that
 * whoever sends them can wait for a slow reader between two. The records come in order; a message holds as
 * many as fit.
 */
import { FLAG_AA, RCODE_NOERROR, SECTION_ANSWER } from '../dns/constants.ts';
import { EDE_NONE, writeOpt } from '../dns/edns.ts';
import { beginReply, createReply, finishReply, writeRecord } from '../dns/encode.ts';
import type { Query } from '../dns/message.ts';
import {
  type ContentRecord,
  compareContents,
  recordsOf,
  type ZoneContent,
} from '../zone/zone-content.ts';

/** Octets of one message. Smaller ones leave room for other connections in between. */
export const TRANSFER_MESSAGE_BYTES = 16_384;
/** Room for a signature behind the records. */
const TSIG_ROOM = 400;

/** All records, the SOA first and last (RFC 5936 2.2). */
export function* fullTransfer(content: ZoneContent): Generator<ContentRecord> {
  yield content.soa;
  yield* recordsOf(content);
  yield content.soa;
}

/**
 * The changes from an older content to the newest, oldest first (RFC 1995 4): each from a SOA to the next.
 * @param contents of successive serials, the last being served
 */
export function* incrementalTransfer(contents: readonly ZoneContent[]): Generator<ContentRecord> {
  const newest = contents.at(-1)!;
  yield newest.soa;
  for (const [index, after] of contents.entries()) {
    const before = contents[index - 1];
    if (before === undefined) continue;
    const { added, removed } = compareContents(before, after);
    yield before.soa;
    yield* removed;
    yield after.soa;
    yield* added;
  }
  yield newest.soa;
}

/** What IXFR says to a secondary that has the newest serial already, or a newer one (RFC 1995 2). */
export function* upToDate({ soa }: ZoneContent): Generator<ContentRecord> {
  yield soa;
}

/**
 * The records in messages. The question is in the first one (RFC 5936 2.2.1 lets it be left out after).
 * Each message is in fresh memory, to be kept until it is sent. OPT is in the first one when the request has it
 * (2.2.5), where the SOA leaves it room.
 * @param udpSizeMax what OPT tells of us
 */
export function* transferMessages(
  query: Query,
  bytes: Uint8Array,
  records: Iterable<ContentRecord>,
  udpSizeMax: number,
): Generator<Uint8Array> {
  const reply = createReply();
  const out = new Uint8Array(TRANSFER_MESSAGE_BYTES);
  const begin = (hasEdns: boolean): void =>
    beginReply(reply, out, { ...query, hasEdns }, bytes, TRANSFER_MESSAGE_BYTES - TSIG_ROOM);
  const take = (): Uint8Array => {
    writeOpt(reply, udpSizeMax, 0, EDE_NONE);
    return out.slice(0, finishReply(reply, RCODE_NOERROR, FLAG_AA));
  };
  begin(query.hasEdns);
  let held = 0;
  for (const { owner, rdata, ttlSeconds, type } of records) {
    const write = (): boolean =>
      writeRecord(reply, SECTION_ANSWER, owner, 0, type, ttlSeconds, rdata, 0, rdata.length);
    if (!write()) {
      // An empty message would end some readers' patience.
      if (held > 0) yield take();
      begin(false);
      held = 0;
      // A record longer than a message of the usual length has one of its own.
      if (!write()) yield* longRecord(query, bytes, { owner, rdata, ttlSeconds, type });
      else held = 1;
    } else held += 1;
  }
  if (held > 0) yield take();
}

function* longRecord(
  query: Query,
  bytes: Uint8Array,
  { owner, rdata, ttlSeconds, type }: ContentRecord,
): Generator<Uint8Array> {
  const reply = createReply();
  const out = new Uint8Array(65_535);
  beginReply(reply, out, { ...query, hasEdns: false }, bytes, out.length - TSIG_ROOM);
  const fits = writeRecord(
    reply,
    SECTION_ANSWER,
    owner,
    0,
    type,
    ttlSeconds,
    rdata,
    0,
    rdata.length,
  );
  // compile.ts bounds RRsets so that every record fits.
  if (fits) yield out.slice(0, finishReply(reply, RCODE_NOERROR, FLAG_AA));
}
