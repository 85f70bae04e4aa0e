import {
  FLAG_AA,
  RCODE_FORMERR,
  RCODE_NOTIMP,
  RCODE_SERVFAIL,
  TYPE_AXFR,
  TYPE_IXFR,
  TYPE_SOA,
} from '../dns/constants.ts';
import { readWord } from '../dns/message.ts';
import { isNewerSerial } from '../dns/serial.ts';
import { signTsig, type TsigKey } from '../dns/tsig.ts';
import { readReply } from '../secondary/reply-message.ts';
import {
  createReplySignatures,
  type ReplySignatures,
  unsignedReply,
} from '../secondary/reply-signature.ts';
import { createTransferReader, type Transfer } from '../secondary/transfer-in.ts';
import { readExpire, writeTransferQuery } from '../secondary/transfer-query.ts';
import { changedCopy, copyOf } from '../secondary/zone-copy.ts';
import { serialOf, type ZoneContent } from '../zone/zone-content.ts';
import type { Peer } from './datagrams.ts';
import type { OpenStream, StreamLink } from './stream-link.ts';

/**
 * One look at one primary: its SOA, and what has changed since ours when it is newer; where that cannot be had or does
 * not fit, all of it. Over one connection of TCP: nobody can forge it from elsewhere, and nothing is cut short.
 */
export type LookAnswer =
  | { readonly kind: 'current'; readonly expireSeconds?: number }
  | {
      readonly kind: 'copied';
      readonly content: ZoneContent;
      readonly way: 'AXFR' | 'IXFR';
      /** How long the primary's own copy is good, where it says so (RFC 7314). */
      readonly expireSeconds?: number;
    }
  | { readonly kind: 'failed'; readonly reason: string };

export type Primary = Peer & { readonly key: TsigKey | undefined };

export type LookParts = {
  readonly open: OpenStream;
  /** 16 random bits. */
  drawId(): number;
  /** Seconds since 1970, for signatures. */
  wallSeconds(): number;
  /** Waits until no other large zone is being read, for they share memory; returns what ends one's turn. */
  readonly enterLarge?: () => Promise<() => void>;
};

/** Of more records there is one zone at a time. */
export const LARGE_ZONE_RECORDS = 100_000;

/** RCODEs of who does not know EDNS (RFC 6891 7). */
const NO_EDNS: readonly (number | undefined)[] = [RCODE_FORMERR, RCODE_NOTIMP, RCODE_SERVFAIL];

/** @param copy what is there already, and may be followed by newer ones only; undefined = whatever there is */
export async function lookAt(
  parts: LookParts,
  primary: Primary,
  apex: Uint8Array,
  copy: ZoneContent | undefined,
): Promise<LookAnswer> {
  if (copy !== undefined) {
    const changed = await withLink(parts, primary, (link) => lookForChanges(link, apex, copy));
    if (changed !== undefined) return changed;
  }
  const first = await lookForAll(parts, primary, apex, copy, true);
  // Who does not know EDNS, or IXFR with it, may still give all without.
  return (
    first ?? (await lookForAll(parts, primary, apex, copy, false)) ?? failed('it gives no zone')
  );
}

/** Undefined = it may be the EDNS of the question that is not known. */
async function lookForAll(
  parts: LookParts,
  primary: Primary,
  apex: Uint8Array,
  copy: ZoneContent | undefined,
  hasEdns: boolean,
): Promise<LookAnswer | undefined> {
  return withLink(parts, primary, async (link) => {
    link.hasEdns = hasEdns;
    const got = await transfer(link, apex, TYPE_AXFR, undefined);
    if (typeof got === 'string') return failed(got);
    if ('rcode' in got) {
      return hasEdns && NO_EDNS.includes(got.rcode) ? undefined : failed(got.reason);
    }
    if (got.kind !== 'whole') return failed('it gives no zone');
    if (copy !== undefined && !isNewerSerial(serialOf(got.soa), copy.serial)) {
      return failed(olderThan(serialOf(got.soa), copy));
    }
    return copied(copyOf(apex, got.soa, got.records), 'AXFR', link.expireSeconds);
  });
}

type Asker = LookParts & {
  readonly primary: Primary;
  readonly link: StreamLink;
  leaveLarge: (() => void) | undefined;
  hasEdns: boolean;
  /** As the primary said it last. */
  expireSeconds: number | undefined;
};

async function withLink<T>(
  parts: LookParts,
  primary: Primary,
  act: (asker: Asker) => Promise<T>,
): Promise<T> {
  const link = parts.open(primary);
  const asker: Asker = {
    ...{ ...parts, primary, link, hasEdns: true },
    ...{ leaveLarge: undefined, expireSeconds: undefined },
  };
  try {
    return await act(asker);
  } finally {
    link.close();
    asker.leaveLarge?.();
  }
}

/** Undefined = all of the zone is to be fetched. */
async function lookForChanges(
  asker: Asker,
  apex: Uint8Array,
  copy: ZoneContent,
): Promise<LookAnswer | undefined> {
  let serial = await askSerial(asker, apex);
  if (typeof serial !== 'number' && NO_EDNS.includes(serial.rcode)) {
    asker.hasEdns = false;
    serial = await askSerial(asker, apex);
  }
  if (typeof serial !== 'number') return failed(serial.reason);
  if (serial === copy.serial) return { kind: 'current', ...present(asker.expireSeconds) };
  if (!isNewerSerial(serial, copy.serial)) {
    return failed(olderThan(serial, copy));
  }
  const got = await transfer(asker, apex, TYPE_IXFR, copy);
  // Some close the connection, some refuse, some say nothing: of all of them one may ask for all of it.
  if (typeof got === 'string' || 'rcode' in got) return undefined;
  // It has just said that it has more: perhaps not all of what answers there is one server.
  if (got.kind === 'current')
    return failed('it says that there is something new, and gives nothing');
  const { expireSeconds } = asker;
  if (got.kind === 'whole') {
    return copied(copyOf(apex, got.soa, got.records), 'AXFR', expireSeconds);
  }
  const changed = changedCopy(copy, got.changes);
  return changed.ok ? copied(changed, 'IXFR', expireSeconds) : undefined;
}

const present = (expireSeconds: number | undefined) =>
  expireSeconds === undefined ? {} : { expireSeconds };

function copied(
  result: ReturnType<typeof copyOf>,
  way: 'AXFR' | 'IXFR',
  expireSeconds: number | undefined,
): LookAnswer {
  if (!result.ok) return failed(result.reason);
  return { kind: 'copied', content: result.content, way, ...present(expireSeconds) };
}

const olderThan = (serial: number, copy: ZoneContent): string =>
  `it has the serial ${serial}, older than ${copy.serial}`;

const failed = (reason: string): LookAnswer => ({ kind: 'failed', reason });

/** Sends a question; returns its id and how its answer is to be signed. */
function ask(
  { drawId, hasEdns, link, primary, wallSeconds }: Asker,
  apex: Uint8Array,
  type: number,
  copy?: ZoneContent,
): { readonly id: number; readonly signatures: ReplySignatures } {
  const id = drawId();
  const query = writeTransferQuery(id, apex, type, copy, hasEdns);
  const { key } = primary;
  if (key === undefined) {
    link.send(query);
    return { id, signatures: unsignedReply };
  }
  const signed = signTsig(query, key, wallSeconds());
  link.send(signed.message);
  return { id, signatures: createReplySignatures(key, signed.mac) };
}

type Refusal = { readonly reason: string; readonly rcode: number | undefined };

/** The serial that the primary has, or why it is not known. */
async function askSerial(asker: Asker, apex: Uint8Array): Promise<number | Refusal> {
  const no = (reason: string, rcode?: number): Refusal => ({ reason, rcode });
  const { id, signatures } = ask(asker, apex, TYPE_SOA);
  const message = await asker.link.receive();
  if (typeof message === 'string') return no(message);
  const untrusted = signatures.take(message, asker.wallSeconds());
  if (untrusted !== undefined) return no(untrusted);
  const reply = readReply(message, { id, apex, type: TYPE_SOA });
  if (!reply.ok) return no(reply.reason, reply.rcode);
  const soa = reply.records.find(({ type }) => type === TYPE_SOA);
  if (soa === undefined || soa.rdata.length < 22) return no('it has no SOA for the zone');
  // Who has lost the zone may still remember its SOA.
  if ((readWord(message, 2) & FLAG_AA) === 0) return no('it is not authoritative');
  asker.expireSeconds = readExpire(message);
  return serialOf(soa);
}

/** What the primary gives; a text = the connection failed. */
async function transfer(
  asker: Asker,
  apex: Uint8Array,
  type: number,
  copy: ZoneContent | undefined,
): Promise<Transfer | Refusal | string> {
  const { id, signatures } = ask(asker, apex, type, copy);
  const serial = copy === undefined ? {} : { serial: copy.serial };
  const reader = createTransferReader({ id, apex, type, ...serial }, signatures);
  for (;;) {
    const message = await asker.link.receive();
    if (typeof message === 'string') return message;
    const step = reader.take(message, asker.wallSeconds());
    asker.expireSeconds = readExpire(message) ?? asker.expireSeconds;
    if (step.state === 'done') return step.transfer;
    if (step.state === 'refused') return { reason: step.reason, rcode: step.rcode };
    if (reader.records() > LARGE_ZONE_RECORDS) {
      asker.leaveLarge ??= await asker.enterLarge?.();
    }
  }
}
