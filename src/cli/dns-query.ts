import { formatMessage, formatRecord } from '../dns/format.ts';
import { extendedErrorName, rcodeName } from '../dns/mnemonic.ts';
import { parseName } from '../dns/name.ts';
import { typeName, typeNumber } from '../dns/type-names.ts';
import { parseAddress } from '../ip/address.ts';
import { formatPrefix, networkOf, type Prefix } from '../ip/prefix.ts';
import { askDns, type DnsReply, type DnsServer } from './dns-client.ts';
import { CliExit, EXIT_NO, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE } from './exit.ts';
import type { Output, Paint } from './output.ts';

/**
 * The work of `meridian query`, apart from its declaration so that the other commands start without
 * the DNS codecs. Everything comes as it was typed; what is wrong with it is a CliExit.
 */
export type TypedQuestion = {
  readonly name: string;
  readonly type: string;
  readonly server: string;
  readonly subnet: string | undefined;
  readonly tcp: boolean;
};

/** Asks, writes the reply, and returns the exit code: 0 when there is an answer. */
export async function queryDns(typed: TypedQuestion, output: Output): Promise<number> {
  const name = nameOf(typed.name);
  const type = typeOf(typed.type);
  const server = serverOf(typed.server);
  const subnet = typed.subnet === undefined ? undefined : subnetOf(typed.subnet);
  const reply = await askDns(server, { name, type, subnet }, { tcp: typed.tcp });
  if (!reply.ok) throw noAnswer(server, reply.reason);
  await output.result(replyRecord(reply, server), () => replyText(reply, server, output.paint));
  const { rcode, answer } = reply.message;
  return rcode === 0 && answer.length > 0 ? EXIT_OK : EXIT_NO;
}

type Answered = DnsReply & { readonly ok: true };

const DNS_PORT = 53;

function noAnswer({ address, port }: DnsServer, reason: string): CliExit {
  return new CliExit(
    EXIT_UNAVAILABLE,
    `The nameserver at ${address}, port ${port} does not answer: ${reason}.`,
    'Start a node with "meridian run" or "meridian quickstart", or name another server with --server ADDRESS:PORT.',
  );
}

function replyText(reply: Answered, server: DnsServer, paint: Paint): string {
  const { message, transport, sizeBytes, rttMs, retriedOverTcp } = reply;
  const lines = [formatMessage(message), ''];
  const ecs = message.edns?.ecs;
  if (ecs !== undefined) lines.push(paint('cyan', `;; ${scopeText(ecs)}`));
  if (retriedOverTcp) lines.push(';; The UDP answer was truncated; this is the one over TCP.');
  lines.push(
    `;; ${server.address}#${server.port} (${transport}), ${sizeBytes} octets, ${rttMs.toFixed(1)} ms`,
  );
  return `${lines.join('\n')}\n`;
}

/** What a resolver may do with the answer (RFC 7871, section 7.3). */
function scopeText({
  address,
  scope,
}: {
  readonly address: string;
  readonly scope: number;
}): string {
  if (scope === 0) return 'Scope /0: a resolver may give this answer to every client.';
  const parsed = parseAddress(address);
  const network = parsed === undefined ? `/${scope}` : formatPrefix(networkOf(parsed, scope));
  return `Scope /${scope}: a resolver may give this answer to clients in ${network} only.`;
}

/** The reply for programs: text instead of octets. */
function replyRecord({ message, transport, sizeBytes, rttMs }: Answered, server: DnsServer) {
  const record = (one: (typeof message.answer)[number]) => ({
    name: one.name,
    type: typeName(one.type),
    ttlSeconds: one.ttlSeconds,
    data: one.text,
    text: formatRecord(one),
  });
  return {
    server: `${server.address}#${server.port}`,
    transport,
    sizeBytes,
    rttMs,
    status: rcodeName(message.rcode),
    authoritative: message.authoritative,
    truncated: message.truncated,
    answer: message.answer.map(record),
    authority: message.authority.map(record),
    additional: message.additional.map(record),
    clientSubnet: message.edns?.ecs,
    extendedErrors: (message.edns?.extendedErrors ?? []).map(({ code, text }) => ({
      code,
      name: extendedErrorName(code),
      text,
    })),
  };
}

function nameOf(text: string): string {
  if (!text.includes('\\') && parseName(text.endsWith('.') ? text : `${text}.`) !== undefined)
    return text;
  throw wrong(text, 'It is not a host name; names with escapes cannot be asked here.');
}

function typeOf(text: string): number {
  const type = typeNumber(text.toUpperCase());
  if (type !== undefined) return type;
  throw wrong(text, 'It is not a record type; write for instance A, AAAA, TXT or TYPE65.');
}

function serverOf(text: string): DnsServer {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const name = match?.[1] ?? match?.[2] ?? text;
  const address = name === 'localhost' ? '127.0.0.1' : name;
  const port = match?.[3] === undefined ? DNS_PORT : Number(match[3]);
  if (parseAddress(address) !== undefined && port >= 1 && port <= 65535) return { address, port };
  throw wrong(text, 'Give an address and port: 127.0.0.1:5300 or [::1]:5300.');
}

function subnetOf(text: string): Prefix {
  const [addressText = '', lengthText] = text.split('/');
  const address = parseAddress(addressText);
  const bits = (address?.bytes.length ?? 0) * 8;
  const length =
    lengthText === undefined ? bits : /^\d{1,3}$/.test(lengthText) ? Number(lengthText) : -1;
  // Host bits are cleared: a resolver must not send them (RFC 7871, section 6).
  if (address !== undefined && length >= 0 && length <= bits) return networkOf(address, length);
  throw wrong(text, 'Give a network such as 203.0.113.0/24 or 2001:db8::/48.');
}

function wrong(text: string, why: string): CliExit {
  return new CliExit(EXIT_USAGE, `"${text}" will not do. ${why}`, 'See "meridian help query".');
}
