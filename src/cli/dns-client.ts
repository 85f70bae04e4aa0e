import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { Packet } from 'dns2';
import { OPTION_CLIENT_SUBNET, UDP_SIZE_DEFAULT } from '../dns/constants.ts';
import { type DecodedMessage, decodeMessage } from '../dns/decode.ts';
import { formatAddress } from '../ip/address.ts';
import type { Prefix } from '../ip/prefix.ts';

/**
 * One DNS question to one server. dns2 writes the query and cuts messages out of a TCP stream; its
 * clients are not used, because they hide the message's octets, know no client network of IPv6 and
 * no time limit over TCP; and our own decoder reads the reply, because dns2 drops options and types
 * that it does not know.
 */
export type DnsQuestion = {
  readonly name: string;
  readonly type: number;
  readonly subnet: Prefix | undefined;
};
export type DnsServer = { readonly address: string; readonly port: number };
export type DnsReply =
  | {
      readonly ok: true;
      readonly message: DecodedMessage;
      readonly transport: 'UDP' | 'TCP';
      readonly sizeBytes: number;
      readonly rttMs: number;
      /** True when the UDP answer was cut short and TCP was asked for the rest. */
      readonly retriedOverTcp: boolean;
    }
  | {
      readonly ok: false;
      readonly reason: string;
      /** The system's error, when it is one. */
      readonly code?: string;
    };

export const DNS_TIMEOUT_MS = 3000;

/** Asks over UDP, and over TCP when the answer is truncated or `tcp` says so. Failures are values. */
export async function askDns(
  server: DnsServer,
  question: DnsQuestion,
  {
    tcp = false,
    timeoutMs = DNS_TIMEOUT_MS,
  }: { readonly tcp?: boolean; readonly timeoutMs?: number } = {},
): Promise<DnsReply> {
  return sendQuery(server, writeQuery(Packet.uuid(), question), { tcp, timeoutMs });
}

/** As askDns(), for a query that was written elsewhere; `retry: false` keeps a truncated answer. */
export async function sendQuery(
  server: DnsServer,
  query: Buffer,
  {
    tcp = false,
    timeoutMs = DNS_TIMEOUT_MS,
    retry = true,
  }: { readonly tcp?: boolean; readonly timeoutMs?: number; readonly retry?: boolean } = {},
): Promise<DnsReply> {
  const id = query.readUInt16BE(0);
  if (tcp) return readReply(() => exchangeTcp(server, query, timeoutMs), id, 'TCP', false);
  const reply = await readReply(() => exchangeUdp(server, query, id, timeoutMs), id, 'UDP', false);
  if (!reply.ok || !reply.message.truncated || !retry) return reply;
  return readReply(() => exchangeTcp(server, query, timeoutMs), id, 'TCP', true);
}

function writeQuery(id: number, { name, type, subnet }: DnsQuestion): Buffer {
  const packet = new Packet();
  packet.header = new Packet.Header({ id });
  packet.questions.push(new Packet.Question({ name, type, class: Packet.CLASS.IN }));
  const options = subnet === undefined ? [] : [subnetOption(subnet)];
  packet.additionals.push(Packet.Resource.EDNS(options, { udpPayloadSize: UDP_SIZE_DEFAULT }));
  return packet.toBuffer();
}

/** dns2's own constructor takes every address for IPv4. */
function subnetOption({ address, length }: Prefix) {
  return {
    ednsCode: OPTION_CLIENT_SUBNET,
    family: address.family === 4 ? 1 : 2,
    sourcePrefixLength: length,
    scopePrefixLength: 0,
    ip: formatAddress(address),
  };
}

async function readReply(
  exchange: () => Promise<Uint8Array>,
  id: number,
  transport: 'UDP' | 'TCP',
  retriedOverTcp: boolean,
): Promise<DnsReply> {
  const startedAtMs = performance.now();
  let bytes: Uint8Array;
  try {
    bytes = await exchange();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const reason = code === 'ECONNREFUSED' ? 'nothing listens there' : message;
    return code === undefined ? { ok: false, reason } : { ok: false, reason, code };
  }
  const rttMs = performance.now() - startedAtMs;
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return { ok: false, reason: `the reply is malformed (${decoded.reason})` };
  if (decoded.message.id !== id) return { ok: false, reason: 'the reply belongs to another query' };
  const { message } = decoded;
  return { ok: true, message, transport, sizeBytes: bytes.length, rttMs, retriedOverTcp };
}

/** Replies with another id are not ours (late, or forged) and are waited past. */
function exchangeUdp(
  { address, port }: DnsServer,
  query: Buffer,
  id: number,
  timeoutMs: number,
): Promise<Uint8Array> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  return new Promise<Uint8Array>((resolve, reject) => {
    const timer = setTimeout(() => reject(timedOut(timeoutMs)), timeoutMs);
    socket.on('error', reject);
    socket.on('message', (message) => {
      if (message.length >= 2 && message.readUInt16BE(0) === id) resolve(message);
    });
    socket.on('close', () => clearTimeout(timer));
    // Connected, so that only the server's datagrams arrive and a closed port is an error at once.
    // Without a way to the server it is the callback that gets the error.
    socket.connect(port, address, (error?: Error) => {
      if (error === undefined) socket.send(query);
      else reject(error);
    });
  }).finally(() => socket.close());
}

async function exchangeTcp(
  { address, port }: DnsServer,
  query: Buffer,
  timeoutMs: number,
): Promise<Uint8Array> {
  const socket = connect({ host: address, port });
  const timer = setTimeout(() => socket.destroy(timedOut(timeoutMs)), timeoutMs);
  socket.on('error', () => {}); // readStream rejects with it; without a listener it would be thrown.
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  socket.write(Buffer.concat([length, query]));
  try {
    return await Packet.readStream(socket);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

const timedOut = (timeoutMs: number): Error => new Error(`no reply within ${timeoutMs / 1000} s`);
