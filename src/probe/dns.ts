import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { Packet } from 'dns2';
import { z } from 'zod';
import { CLASS_IN, TYPE_TXT, UDP_SIZE_DEFAULT } from '../dns/constants.ts';
import { type DecodedMessage, decodeMessage } from '../dns/decode.ts';
import { rcodeName } from '../dns/mnemonic.ts';
import { formatName, parseName } from '../dns/name.ts';
import { formatRdata, parseRdata } from '../dns/rdata/registry.ts';
import { typeNumber } from '../dns/type-names.ts';
import { openConnection } from './connection.ts';
import { type Course, runCourse } from './course.ts';
import { type Finding, shorten } from './failure.ts';
import type { ProbeKind } from './probe.ts';

/**
 * Octets of an answer that are looked at. More is no answer to a health check, and a message of
 * 64 KiB can be built so that reading its names takes longer than the probe may.
 */
export const MESSAGE_BYTES_MAX = 8192;
const ROOT = Uint8Array.of(0);

const dnsOptions = z
  .strictObject({
    name: z
      .string()
      .refine(
        (text) => !text.includes('\\') && parseName(text, ROOT) !== undefined,
        'a domain name',
      )
      .describe('Name that is asked for.'),
    type: z
      .string()
      .refine((text) => typeNumber(text) !== undefined, 'a record type like A or TYPE65')
      .default('A')
      .describe('Type that is asked for.'),
    transport: z
      .enum(['udp', 'tcp'])
      .default('udp')
      .describe('How it is asked; a truncated answer over UDP is fetched over TCP.'),
    recursion: z
      .boolean()
      .default(false)
      .describe('Asks the server to look elsewhere (RD): for resolvers.'),
    rcode: z
      .enum(['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'])
      .default('NOERROR')
      .describe('Response code that is expected.'),
    expect: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(64)])
      .optional()
      .describe(
        'Data that the answer must have, as in a zone file: an address, a text; or several.',
      ),
    empty: z
      .boolean()
      .default(false)
      .describe('Whether NOERROR without a record of the type will do.'),
  })
  .refine(
    ({ expect, type }) => typeNumber(type) === undefined || wantedData(type, expect) !== undefined,
    { path: ['expect'], error: 'is not data of that type' },
  );
export type DnsProbeOptions = z.infer<typeof dnsOptions>;

/**
 * Asks a nameserver one question. dns2 writes it and cuts messages out of a TCP stream; the answer is
 * read by our own decoder, which drops nothing and follows no pointer forwards. Nothing in it is
 * believed beyond the check: it is not cached, followed or used.
 */
export const dns: ProbeKind<DnsProbeOptions> = {
  kind: 'dns',
  summary: 'DNS question over UDP or TCP; checks the response code and, if wanted, the data',
  options: dnsOptions,
  run: (target, options, signal) =>
    runCourse(target, signal, async (course) => {
      const id = Packet.uuid();
      const query = writeQuery(id, options);
      let bytes = await (options.transport === 'udp' ? askUdp : askTcp)(course, query, id);
      let reply = readReply(bytes, id, options);
      if (typeof reply !== 'string' && reply.truncated && options.transport === 'udp') {
        bytes = await askTcp(course, query);
        reply = readReply(bytes, id, options);
      }
      if (typeof reply === 'string') return { ok: false, reason: shorten(reply) };
      return judgeReply(reply, options);
    }),
};

function writeQuery(id: number, { name, recursion, type }: DnsProbeOptions): Buffer {
  const packet = new Packet();
  packet.header = new Packet.Header({ id, rd: recursion ? 1 : 0 });
  packet.questions.push(
    new Packet.Question({
      name: name.replace(/\.$/, ''),
      type: typeNumber(type)!,
      class: Packet.CLASS.IN,
    }),
  );
  packet.additionals.push(Packet.Resource.EDNS([], { udpPayloadSize: UDP_SIZE_DEFAULT }));
  return packet.toBuffer();
}

async function askUdp(course: Course, query: Buffer, id: number): Promise<Uint8Array> {
  const { address, port, sourceAddress } = course.target;
  const type = isIPv6(address) ? 'udp6' : 'udp4';
  // Addresses are literals: nothing is looked up, and so events may come before a call returns.
  const socket = createSocket({
    type,
    lookup: (name, _options, done) => done(null, name, type === 'udp6' ? 6 : 4),
  });
  course.onEnd(() => socket.close());
  const failed = new Promise<never>((_, fail) => socket.on('error', fail));
  // Whoever waits is told; when nobody does, it is no news.
  failed.catch(() => undefined);
  if (sourceAddress !== undefined) {
    const bound = once(socket, 'listening');
    socket.bind({ address: sourceAddress, exclusive: true });
    await Promise.race([bound, failed]);
  }
  // Connected, so that only the server's datagrams arrive and a closed port is an error at once.
  const connected = once(socket, 'connect');
  socket.connect(port, address);
  await Promise.race([connected, failed]);
  const answered = new Promise<Uint8Array>((resolve) => {
    // Another id is not ours: late, or forged. It is waited past.
    socket.on('message', (message) => {
      if (message.length >= 2 && message.readUInt16BE(0) === id) resolve(message);
    });
  });
  const sentMs = course.nowMs();
  socket.send(query);
  const answer = await Promise.race([answered, failed]);
  course.note('firstByteMs', sentMs);
  return answer;
}

async function askTcp(course: Course, query: Buffer): Promise<Uint8Array> {
  const socket = await openConnection(course);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  const sentMs = course.nowMs();
  socket.write(Buffer.concat([length, query]));
  const answer = await Packet.readStream(socket);
  course.note('firstByteMs', sentMs);
  return answer;
}

/** The answer to this question, or why it is none. */
export function readReply(
  bytes: Uint8Array,
  id: number,
  { name, type }: Pick<DnsProbeOptions, 'name' | 'type'>,
): DecodedMessage | string {
  if (bytes.length > MESSAGE_BYTES_MAX) return `the answer is too large: ${bytes.length} octets`;
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return `the answer is malformed: ${decoded.reason}`;
  const { message } = decoded;
  if (message.id !== id || !message.response) return 'the answer belongs to another question';
  const [question, ...more] = message.question;
  // A server that could not read the question need not repeat it.
  if (question === undefined && message.rcode !== 0) return message;
  const isOurs =
    question !== undefined &&
    more.length === 0 &&
    question.name.toLowerCase() === formatName(parseName(name, ROOT)!).toLowerCase() &&
    question.type === typeNumber(type) &&
    question.class === CLASS_IN;
  return isOurs ? message : 'the answer belongs to another question';
}

function judgeReply(message: DecodedMessage, options: DnsProbeOptions): Finding {
  const rcode = rcodeName(message.rcode);
  if (rcode !== options.rcode) return { ok: false, reason: `${rcode}, wanted ${options.rcode}` };
  const type = typeNumber(options.type)!;
  const data = message.answer
    .filter((record) => record.type === type)
    .map((record) => comparable(type, record.text));
  const missing = wantedData(options.type, options.expect)?.find((each) => !data.includes(each));
  if (missing !== undefined) {
    return {
      ok: false,
      reason: shorten(`the answer has no ${missing}: ${data.join(', ') || 'empty'}`),
    };
  }
  if (rcode === 'NOERROR' && data.length === 0 && !options.empty) {
    return { ok: false, reason: `NOERROR, but no ${options.type.toUpperCase()} record` };
  }
  return { ok: true, reason: shorten(data.length === 0 ? rcode : `${rcode}: ${data.join(', ')}`) };
}

/** What is expected, as answers are written; undefined when it is not of the type. */
function wantedData(
  kind: string,
  expect: string | readonly string[] | undefined,
): readonly string[] | undefined {
  const type = typeNumber(kind);
  if (type === undefined) return undefined;
  const wanted: string[] = [];
  for (const text of expect === undefined ? [] : [expect].flat()) {
    // A text without quotes is one text, blanks included, as in zones of the configuration.
    const isBare = type === TYPE_TXT && !text.includes('"');
    const parsed = parseRdata(kind, isBare ? JSON.stringify(text) : text, ROOT);
    if (!parsed.ok) return undefined;
    wanted.push(comparable(type, formatRdata(type, parsed.rdata)));
  }
  return wanted;
}

/** Names and numbers are alike in any case; texts are not. */
function comparable(type: number, text: string): string {
  return type === TYPE_TXT ? text : text.toLowerCase();
}
