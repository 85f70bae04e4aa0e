import { randomInt } from 'node:crypto';
import { TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_NS } from '../dns/constants.ts';
import { rcodeName } from '../dns/mnemonic.ts';
import { formatName, lowerName, parentName, parseName } from '../dns/name.ts';
import type { Sight } from '../doctor/observation.ts';
import { type Question, writeQuery } from '../doctor/query.ts';
import { addressesOf, namesOf, recordsOf } from '../doctor/reading.ts';
import { type DnsServer, sendQuery } from './dns-client.ts';

/** Asks questions as the doctor wants them asked: every failure is a sight, and one lost datagram is none. */
export type Asker = {
  /** By UDP; a truncated answer stays as it is unless `full`, and is then asked for by TCP. */
  udp(server: DnsServer, question: Question, options?: { readonly full?: boolean }): Promise<Sight>;
  tcp(server: DnsServer, question: Question): Promise<Sight>;
};

/** Datagrams get lost without anybody's fault. */
const UDP_ATTEMPTS = 2;

export function createAsker(timeoutMs: number): Asker {
  const once = async (
    server: DnsServer,
    question: Question,
    options: { readonly tcp?: boolean; readonly retry?: boolean },
  ): Promise<{ readonly sight: Sight; readonly isFinal: boolean }> => {
    const query = Buffer.from(writeQuery(randomInt(0x10000), question));
    const reply = await sendQuery(server, query, { ...options, timeoutMs });
    if (!reply.ok) {
      const { code, reason } = reply;
      if (code === undefined) return { sight: { ok: false, reason }, isFinal: false };
      return { sight: failure(code, reason, server), isFinal: true };
    }
    const { message, rttMs, sizeBytes } = reply;
    if (!message.response || !isAbout(message.question[0], question)) {
      return { sight: { ok: false, reason: 'the reply is to another question' }, isFinal: true };
    }
    return { sight: { ok: true, message, rttMs, sizeBytes }, isFinal: true };
  };
  return {
    async udp(server, question, { full = false } = {}) {
      for (let attempt = 1; ; attempt += 1) {
        const { isFinal, sight } = await once(server, question, { retry: full });
        if (isFinal || attempt === UDP_ATTEMPTS) return sight;
      }
    },
    tcp: async (server, question) => (await once(server, question, { tcp: true })).sight,
  };
}

/** Errors of this machine's own routing: they say nothing about the server. */
const LOCAL_ERRORS = [
  ...['ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL'],
  // Its own packet filter.
  ...['EACCES', 'EPERM'],
];

function failure(code: string, reason: string, { address }: DnsServer): Sight {
  if (!LOCAL_ERRORS.includes(code)) return { ok: false, reason };
  const family = address.includes(':') ? 'IPv6' : 'IPv4';
  return { ok: false, reason: `this machine has no way there by ${family}`, isLocal: true };
}

/** An error may come without the question (RFC 1035 4.1.1: a server may not understand it). */
function isAbout(
  answered: { readonly name: string; readonly type: number } | undefined,
  { name, type }: Question,
): boolean {
  if (answered === undefined) return true;
  return answered.type === type && answered.name.toLowerCase() === nameText(name);
}

/** The name as sights hold it. */
export const nameText = (name: Uint8Array): string => formatName(lowerName(name));

/** What resolvers know: used for names outside of the zone only. */
export type Resolver = {
  /** The closest zone above with its nameservers' addresses; a sentence when it cannot be found. */
  findParent(zone: Uint8Array): Promise<FoundParent | string>;
  /** All addresses of a name, through aliases. */
  addresses(name: string): Promise<{
    readonly addresses: readonly string[];
    readonly isAlias: boolean;
    readonly problem: string | undefined;
  }>;
};
export type FoundParent = { readonly name: string; readonly addresses: readonly string[] };

/** More servers of the parent than this say the same. */
const PARENT_SERVERS_MAX = 4;

export function createResolver(asker: Asker, servers: readonly DnsServer[]): Resolver {
  /** The first resolver that answers; resolvers are asked in order. */
  const ask = async (name: Uint8Array, type: number): Promise<Sight> => {
    let last: Sight = { ok: false, reason: 'no resolver is known' };
    for (const server of servers) {
      last = await asker.udp(server, { name, type, recursion: true, edns: {} }, { full: true });
      const isAnswer = last.ok && ANSWERS.includes(last.message.rcode);
      if (isAnswer) return last;
      const what = last.ok ? `answers ${rcodeName(last.message.rcode)}` : last.reason;
      last = { ok: false, reason: `the resolver ${server.address}: ${what}` };
    }
    return last;
  };
  const addresses: Resolver['addresses'] = async (name) => {
    const wire = parseName(name)!;
    const sights = await Promise.all([TYPE_A, TYPE_AAAA].map((type) => ask(wire, type)));
    const records = sights.flatMap((sight) => (sight.ok ? sight.message.answer : []));
    const failed = sights.find((sight) => !sight.ok);
    return {
      addresses: addressesOf(records),
      isAlias: recordsOf(records, name, TYPE_CNAME).length > 0,
      problem: failed === undefined || failed.ok ? undefined : failed.reason,
    };
  };
  return {
    addresses,
    async findParent(zone) {
      for (let above = parentName(zone); above !== undefined; above = parentName(above)) {
        const sight = await ask(above, TYPE_NS);
        if (!sight.ok) return `${sight.reason}, asked for the nameservers of ${nameText(above)}`;
        const names = namesOf(recordsOf(sight.message.answer, nameText(above), TYPE_NS));
        if (names.length === 0) continue;
        const found = await Promise.all(names.slice(0, PARENT_SERVERS_MAX).map(addresses));
        return { name: nameText(above), addresses: found.flatMap((one) => one.addresses) };
      }
      return 'no zone above has nameservers, as far as the resolver knows';
    },
  };
}

/** NOERROR and NXDOMAIN. */
const ANSWERS = [0, 3];
