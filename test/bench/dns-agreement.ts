/** Whether two servers answer the same: a comparison of speeds means nothing otherwise. */

import { createSocket } from 'node:dgram';
import { TYPE_RRSIG, TYPE_SOA } from '../../src/dns/constants.ts';
import { type DecodedRecord, decodeMessage } from '../../src/dns/decode.ts';
import { COOKIE_CLIENT_LENGTH } from '../../src/dns/message.ts';
import { TTL_JITTER } from '../../src/nameserver/jitter.ts';

export type Reply = {
  readonly rcode: number;
  readonly ttlSeconds: number | undefined;
  /** Data of the answer section, sorted. */
  readonly data: readonly string[];
  /** Whether the zone's SOA says for how long there is no answer (RFC 2308 section 3). */
  readonly isDenial: boolean;
  /** Scope and source of the client subnet, such as `/13 for 192.0.2.0/24`. */
  readonly scope: number | undefined;
  readonly subnet: string | undefined;
  /** Whether the server gave its own, behind the client's. */
  readonly hasServerCookie: boolean;
  /** Of the whole message. */
  readonly octets: number;
};

export type Agreement = {
  readonly asked: number;
  /** Same RCODE, same data, the TTL the same but for the jitter. */
  readonly same: number;
  /** Of these, with the same scope of the client subnet. */
  readonly sameScope: number;
  /** The first few that differ, for people. */
  readonly differences: readonly string[];
};

/** Where servers listen. */
export type Loopback = '127.0.0.1' | '::1';
export const LOOPBACK = '127.0.0.1';

const WINDOW = 50;
const TIMEOUT_MS = 3000;
const DIFFERENCES_MAX = 5;

/** Asks both servers the same queries. */
export async function compareServers(
  ports: readonly [number, number],
  queries: readonly Uint8Array[],
  address: Loopback = LOOPBACK,
): Promise<Agreement> {
  const replies = await Promise.all(ports.map((port) => ask(port, queries, TIMEOUT_MS, address)));
  return compareReplies(replies[0]!, replies[1]!);
}

/** What two servers said to the same queries; undefined is no reply. */
export function compareReplies(
  first: readonly (Reply | undefined)[],
  second: readonly (Reply | undefined)[],
): Agreement {
  let same = 0;
  let sameScope = 0;
  const differences: string[] = [];
  for (const index of first.keys()) {
    const [a, b] = [first[index], second[index]];
    if (a === undefined || b === undefined || !isAlike(a, b)) {
      const question = a?.subnet ?? b?.subnet ?? `query ${index}`;
      differences.push(`${question}: ${describe(a)} and ${describe(b)}`);
      continue;
    }
    same++;
    if (a.scope === b.scope) sameScope++;
  }
  differences.splice(DIFFERENCES_MAX);
  return { asked: first.length, same, sameScope, differences };
}

/** Meridian's TTLs are up to a tenth shorter, not the same for everybody. */
function isAlike(a: Reply, b: Reply): boolean {
  const [one = 0, other = 0] = [a.ttlSeconds, b.ttlSeconds];
  const isNear = Math.abs(one - other) <= TTL_JITTER * Math.max(one, other);
  const plain = (reply: Reply): string => describe({ ...reply, ttlSeconds: undefined });
  return isNear && plain(a) === plain(b);
}

/** The replies in the order of the queries; undefined where none came within the time. */
export async function ask(
  port: number,
  queries: readonly Uint8Array[],
  timeoutMs: number,
  address: Loopback = LOOPBACK,
): Promise<readonly (Reply | undefined)[]> {
  const replies: (Reply | undefined)[] = [];
  for (let start = 0; start < queries.length; start += WINDOW) {
    const window = queries.slice(start, start + WINDOW);
    replies.push(...(await askWindow(port, window, timeoutMs, address)));
  }
  return replies;
}

/** All queries at once; the message ID is the place in the window. */
function askWindow(
  port: number,
  queries: readonly Uint8Array[],
  timeoutMs: number,
  address: Loopback,
): Promise<readonly (Reply | undefined)[]> {
  const replies: (Reply | undefined)[] = queries.map(() => undefined);
  let missing = queries.length;
  const socket = createSocket(address === LOOPBACK ? 'udp4' : 'udp6');
  return new Promise((done) => {
    const finish = (): void => {
      clearTimeout(timer);
      socket.close();
      done(replies);
    };
    const timer = setTimeout(finish, timeoutMs);
    // Nobody listens there yet.
    socket.on('error', finish);
    socket.on('message', (bytes) => {
      const [id, reply] = readReply(bytes) ?? [];
      if (id === undefined || replies[id] !== undefined) return;
      replies[id] = reply;
      missing--;
      if (missing === 0) finish();
    });
    socket.connect(port, address, () => {
      for (const [index, query] of queries.entries()) {
        const packet = Uint8Array.from(query);
        packet[0] = index >> 8;
        packet[1] = index & 0xff;
        socket.send(packet, () => {});
      }
    });
  });
}

/** The ID of a message and what is compared of it; undefined for bytes that are none. */
export function readReply(bytes: Uint8Array): readonly [number, Reply] | undefined {
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return undefined;
  const { answer, authority, edns, id, rcode } = decoded.message;
  const reply = {
    rcode,
    ttlSeconds: answer[0]?.ttlSeconds,
    data: answer.map(dataOf).sort(),
    isDenial: authority.some(({ type }) => type === TYPE_SOA),
    scope: edns?.ecs?.scope,
    subnet: edns?.ecs && `${edns.ecs.address}/${edns.ecs.source}`,
    hasServerCookie: (edns?.cookie?.length ?? 0) > COOKIE_CLIENT_LENGTH,
    octets: bytes.length,
  };
  return [id, reply];
}

/** Everybody signs with a key of their own, at a time of their own: that there is a signature is what can be equal. */
function dataOf({ text, type }: DecodedRecord): string {
  return type === TYPE_RRSIG ? `RRSIG ${text.split(' ').slice(0, 3).join(' ')}` : text;
}

function describe(reply: Reply | undefined): string {
  if (reply === undefined) return 'no reply';
  const data = [...reply.data];
  if (reply.isDenial) data.push('SOA in authority');
  if (reply.hasServerCookie) data.push('a server cookie');
  return `rcode ${reply.rcode}, ${data.join(' ')}, TTL ${reply.ttlSeconds}`;
}
