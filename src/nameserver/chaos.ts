/**
 * What a nameserver says of itself, in the class CHAOS: TXT of `version.bind.`, `version.server.` (who made it),
 * `id.server.`, `hostname.bind.` (which one answers, RFC 4892). Everything can be hidden.
 */
import { CLASS_CH, SECTION_ANSWER, TYPE_ANY, TYPE_TXT } from '../dns/constants.ts';
import {
  countRecords,
  endRdata,
  type Reply,
  writeBytes,
  writeRecordHeader,
} from '../dns/encode.ts';
import type { Query } from '../dns/message.ts';
import { parseName } from '../dns/name.ts';
import type { ServerIdentity } from './snapshot.ts';

const VERSION_NAMES = ['version.bind.', 'version.server.'].map(wireName);
const ID_NAMES = ['id.server.', 'hostname.bind.'].map(wireName);

function wireName(text: string): Uint8Array {
  return parseName(text)!; // Constants.
}

/** The text for the question, as a character-string's octets; undefined when it is not told. */
export function chaosText(query: Query, identity: ServerIdentity): Uint8Array | undefined {
  if (query.qtype !== TYPE_TXT && query.qtype !== TYPE_ANY) return undefined;
  if (VERSION_NAMES.some((name) => isAsked(query, name))) return identity.version;
  return ID_NAMES.some((name) => isAsked(query, name)) ? identity.id : undefined;
}

function isAsked({ qname, qnameLength }: Query, name: Uint8Array): boolean {
  if (qnameLength !== name.length) return false;
  for (let index = 0; index < qnameLength; index += 1) {
    if (qname[index] !== name[index]) return false;
  }
  return true;
}

/** Writes the record; it is not to be kept by caches. False when it does not fit: the reply is then to be truncated. */
export function writeChaos(reply: Reply, text: Uint8Array): boolean {
  if (!writeRecordHeader(reply, reply.query.qname, 0, TYPE_TXT, CLASS_CH, 0)) return false;
  const start = reply.position;
  if (!writeBytes(reply, Uint8Array.of(text.length), 0, 1)) return false;
  if (!writeBytes(reply, text, 0, text.length)) return false;
  endRdata(reply, start);
  countRecords(reply, SECTION_ANSWER, 1);
  return true;
}
