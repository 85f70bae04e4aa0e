import { TYPE_A, TYPE_AAAA } from '../dns/constants.ts';
import { rcodeName } from '../dns/mnemonic.ts';
import { parseName } from '../dns/name.ts';
import { type Steered, steeredAnswers } from '../doctor/client-subnet.ts';
import type { Finding, Severity } from '../doctor/finding.ts';
import type { NameserverSights, Observation } from '../doctor/observation.ts';
import { diagnose } from '../doctor/registry.ts';
import { type Standing, serving, standingOf } from '../doctor/standing.ts';
import { parseAddress } from '../ip/address.ts';
import { formatPrefix, networkOf, type Prefix, parsePrefix } from '../ip/prefix.ts';
import type { DnsServer } from './dns-client.ts';
import { readServer, systemResolvers } from './dns-servers.ts';
import type { DoctorFlags } from './doctor.ts';
import { type DoctorTask, observeDelegation } from './doctor-observations.ts';
import { CliExit, EXIT_NO, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE } from './exit.ts';
import type { Output, Paint, Style } from './output.ts';
import { formatTable } from './table.ts';

/**
 * The work of `meridian doctor`, apart from its declaration so that the other commands start without
 * the DNS codecs. Returns the exit code: 0 when nothing is bad.
 */
export async function examine(
  typed: DoctorFlags & { readonly zone: string },
  output: Output,
  nowMs: () => number,
): Promise<number> {
  const observation = await observeDelegation(taskOf(typed), nowMs);
  if (typeof observation === 'string') {
    throw new CliExit(
      EXIT_UNAVAILABLE,
      observation,
      'Name a resolver that answers with --resolver ADDRESS, or the servers of the zone above with --parent ADDRESS.',
    );
  }
  const findings = diagnose(observation);
  await output.result(reportRecord(observation, findings), () =>
    reportText(observation, findings, output.paint),
  );
  return findings.some(({ severity }) => severity === 'bad') ? EXIT_NO : EXIT_OK;
}

/**
 * Clients that are somewhere for sure: the offices of the five registries of addresses, in Amsterdam,
 * Chantilly (Virginia), Brisbane, Montevideo and Johannesburg, and a university in Tokyo.
 */
const CLIENTS = [
  '193.0.6.0/24',
  '192.149.252.0/24',
  '200.7.84.0/24',
  '196.216.2.0/24',
  '133.11.0.0/24',
  '202.12.29.0/24',
  '2001:67c:2e8::/48',
  '2001:500:4::/48',
  '2001:dc0:2001::/48',
];

const STEERED_TYPES: Readonly<Record<string, number>> = { A: TYPE_A, AAAA: TYPE_AAAA };

function taskOf(typed: DoctorFlags & { readonly zone: string }): DoctorTask {
  const zone = nameOf(typed.zone);
  if (zone.length === 1) throw wrong(typed.zone, 'The root has no zone above it.');
  const type = STEERED_TYPES[typed.type.toUpperCase()];
  if (type === undefined) throw wrong(typed.type, 'Steered names have A and AAAA records.');
  const port = /^\d{1,5}$/.test(typed.port) ? Number(typed.port) : 0;
  if (port < 1 || port > 65535) throw wrong(typed.port, 'Give a port from 1 to 65535.');
  const clients = typed.client ?? CLIENTS;
  return {
    zone,
    port,
    parents: (typed.parent ?? []).map(serverOf),
    resolvers: typed.resolver?.map(serverOf) ?? systemResolvers(),
    timeoutMs: typed.timeout * 1000,
    walk:
      typed.name === undefined
        ? undefined
        : { name: nameOf(typed.name), type, clients: clients.map(clientOf) },
  };
}

function serverOf(text: string): DnsServer {
  const server = readServer(text);
  if (server !== undefined) return server;
  throw wrong(
    text,
    'Give an address, with a port or without: 192.0.2.1, 127.0.0.1:5300, [::1]:5300.',
  );
}

function nameOf(text: string): Uint8Array {
  const name = parseName(text.endsWith('.') ? text : `${text}.`);
  if (name !== undefined) return name;
  throw wrong(text, 'It is not a name of the DNS.');
}

function clientOf(text: string): Prefix {
  const host = parseAddress(text);
  // An address stands for the network that resolvers send of it (RFC 7871 11.1).
  if (host !== undefined) return networkOf(host, host.family === 4 ? 24 : 56);
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return prefix;
  throw wrong(text, 'Give a network such as 203.0.113.0/24 or 2001:db8::/48.');
}

function wrong(text: string, why: string): CliExit {
  return new CliExit(EXIT_USAGE, `"${text}" will not do. ${why}`, 'See "meridian help doctor".');
}

type Marks = Readonly<Record<Severity, readonly [mark: string, style: Style]>>;
const MARKS: Marks = { ok: ['+', 'green'], warn: ['!', 'yellow'], bad: ['x', 'red'] };

function reportText(observation: Observation, findings: readonly Finding[], paint: Paint): string {
  const widest = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.map((finding) => {
    const [mark, style] = MARKS[finding.severity];
    const head = `${paint(style, `${mark} ${finding.severity.padEnd(4)}`)}  ${finding.check.padEnd(widest)}`;
    const hint = finding.severity === 'ok' ? '' : `        hint: ${finding.hint}\n`;
    return `${head}  ${finding.message}\n${hint}`;
  });
  return [
    headingText(observation, paint),
    serversText(observation, paint),
    walkText(observation, paint),
    lines.join(''),
    `${countText(findings)}\n`,
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function headingText({ parent, zone }: Observation, paint: Paint): string {
  const above = parent.name === undefined ? 'the zone above' : parent.name;
  return `${paint('bold', zone)} as ${above} delegates it (asked: ${parent.servers.map(({ address }) => address).join(', ')})\n`;
}

function serversText({ nameservers, zone }: Observation, paint: Paint): string {
  if (nameservers.length === 0) return '';
  return formatTable(
    [
      { title: 'NAMESERVER' },
      { title: 'ADDRESS' },
      { title: 'ANSWERS' },
      { title: 'SERIAL', align: 'right' },
      { title: 'RTT', align: 'right' },
      { title: 'NSID' },
    ],
    nameservers.map((server) => {
      const { nsid, rcode, rttMs, serial, standing } = serverRecord(server, zone);
      return [
        server.host,
        server.address,
        rcode ?? ANSWERS[standing],
        serial === undefined ? '-' : String(serial),
        rttMs === undefined ? '-' : `${rttMs.toFixed(1)} ms`,
        nsid ?? '-',
      ];
    }),
    (heading) => paint('bold', heading),
  );
}

/** The walk as the first nameserver that serves the zone answers it; differences are findings. */
function walkText(observation: Observation, paint: Paint): string {
  const answers = walkOf(observation);
  if (answers.length === 0) return '';
  return formatTable(
    [
      { title: 'CLIENT' },
      { title: 'ANSWER' },
      { title: 'SCOPE', align: 'right' },
      { title: 'TTL', align: 'right' },
    ],
    answers.map(({ client, data, scope, ttlSeconds }) => [
      formatPrefix(client),
      data.join(' ') || 'none',
      scope === undefined ? '-' : `/${scope}`,
      ttlSeconds === undefined ? '-' : `${ttlSeconds}s`,
    ]),
    (heading) => paint('bold', heading),
  );
}

function walkOf(observation: Observation): readonly Steered[] {
  const [first] = serving(observation);
  return first === undefined ? [] : steeredAnswers(first);
}

function countText(findings: readonly Finding[]): string {
  const count = (wanted: Severity): number =>
    findings.filter(({ severity }) => severity === wanted).length;
  return `${count('bad')} bad, ${count('warn')} warn, ${count('ok')} ok`;
}

/** The report for programs. */
function reportRecord(observation: Observation, findings: readonly Finding[]) {
  const { nameservers, parent, walk, zone } = observation;
  return {
    zone,
    parent: { name: parent.name, servers: parent.servers.map(({ address }) => address) },
    nameservers: nameservers.map((server) => ({
      name: server.host,
      address: server.address,
      ...serverRecord(server, zone),
    })),
    ...(walk === undefined
      ? {}
      : {
          steered: {
            name: walk.name,
            answers: walkOf(observation).map((one) => ({
              ...one,
              client: formatPrefix(one.client),
            })),
          },
        }),
    findings,
  };
}

function serverRecord(server: NameserverSights, zone: string) {
  const standing = standingOf(server, zone);
  const reply = [server.soa, server.plain, server.tcp].find((sight) => sight.ok);
  const nsid = server.soa.ok ? server.soa.message.edns?.nsid : undefined;
  return {
    standing: standing.kind,
    rcode: standing.kind === 'error' ? rcodeName(standing.rcode) : undefined,
    serial: standing.kind === 'authoritative' ? standing.soa.serial : undefined,
    rttMs: reply?.rttMs,
    nsid: nsid === undefined || nsid.length === 0 ? undefined : nsidText(nsid),
  };
}

const ANSWERS: Readonly<Record<Standing['kind'], string>> = {
  authoritative: 'yes',
  unseen: 'not asked',
  silent: 'no',
  error: 'an error',
  'not-authoritative': 'not aa',
  'no-zone': 'no SOA',
};

/** The text that most servers send, else hexadecimal (RFC 5001 2.3: any octets). */
function nsidText(nsid: Uint8Array): string {
  const text = Buffer.from(nsid).toString('latin1');
  return /^[\x21-\x7e]+$/.test(text) ? text : Buffer.from(nsid).toString('hex');
}
