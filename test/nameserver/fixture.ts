/**
 * A nameserver without sockets: three regions far apart, one zone with everything in it, and a way
 * to ask. Replies are decoded by dns-packet, which knows nothing of our codec.
 */

import dnsPacket from 'dns-packet';
import { resolveCapacity } from '../../src/config/capacity-config.ts';
import { capacity } from '../../src/config/capacity-schema.ts';
import type { Config, PoolConfig, RrsetConfig, SteeredConfig } from '../../src/config/config.ts';
import { resolveLatency } from '../../src/config/latency-config.ts';
import { latency } from '../../src/config/latency-schema.ts';
import { composeGeo, type GeoDatabase } from '../../src/geo/database.ts';
import type { HealthWords } from '../../src/health/health-words.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import {
  type Client,
  createClient,
  TRANSPORT_TCP,
  TRANSPORT_UDP,
} from '../../src/nameserver/client.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import type { Stopwatch } from '../../src/nameserver/durations.ts';
import { respond } from '../../src/nameserver/respond.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { rowLength } from '../../src/nameserver/tallies.ts';
import {
  createWorkerState,
  setSnapshot,
  type WorkerState,
} from '../../src/nameserver/worker-state.ts';
import { createCounterRow } from '../../src/telemetry/counters.ts';
import { buildQuery, ecs, opt } from '../dns/query-builder.ts';

export const NOW_MS = 1_780_000_000_000;

/** Client networks of each region, and the region's place. */
export const US = { latitude: 39, longitude: -77.5, country: 'US' };
export const EU = { latitude: 50.1, longitude: 8.7, country: 'DE' };
export const AP = { latitude: 1.35, longitude: 103.8, country: 'SG' };

export const geo: GeoDatabase = composeGeo(
  [],
  [
    { networks: ['20.0.0.0/8', '2001:db8:1000::/36'], location: US },
    { networks: ['80.0.0.0/8', '2001:db8:2000::/36'], location: EU },
    { networks: ['110.0.0.0/8', '80.1.2.0/26', '2001:db8:3000::/36'], location: AP },
  ],
);

export const APEX_RECORDS: readonly RrsetConfig[] = [
  rrset('gslb.example.', 'NS', ['ns1.gslb.example.', 'ns2.gslb.example.']),
  rrset('ns1.gslb.example.', 'A', ['192.0.2.53']),
  rrset('ns2.gslb.example.', 'A', ['192.0.2.54']),
];

export function rrset(
  owner: string,
  type: string,
  data: readonly string[],
  ttl = 300,
): RrsetConfig {
  return { owner, type, ttl, data };
}

export const RECORDS: readonly RrsetConfig[] = [
  ...APEX_RECORDS,
  rrset('static.gslb.example.', 'A', ['192.0.2.1', '192.0.2.2']),
  rrset('static.gslb.example.', 'TXT', ['"hello"']),
  rrset('mail.gslb.example.', 'MX', ['10 mx.gslb.example.', '20 mx.other.example.']),
  rrset('deep.ent.gslb.example.', 'A', ['192.0.2.3']),
  rrset('*.wild.gslb.example.', 'A', ['192.0.2.4']),
  rrset('*.wild.gslb.example.', 'MX', ['5 mx.gslb.example.']),
  rrset('known.wild.gslb.example.', 'TXT', ['"blocks"']),
  rrset('sub.gslb.example.', 'NS', ['ns.sub.gslb.example.', 'ns1.gslb.example.', 'ns.else.test.']),
  rrset('ns.sub.gslb.example.', 'A', ['192.0.2.60']),
  rrset('ns.sub.gslb.example.', 'AAAA', ['2001:db8::60']),
  rrset('sub.gslb.example.', 'DS', [`\\# 8 0001 0d09 abcdef01`]),
  rrset('alias.gslb.example.', 'CNAME', ['static.gslb.example.']),
  rrset('twice.gslb.example.', 'CNAME', ['alias.gslb.example.']),
  rrset('away.gslb.example.', 'CNAME', ['www.elsewhere.test.']),
  rrset('gone.gslb.example.', 'CNAME', ['missing.gslb.example.']),
  rrset('into-sub.gslb.example.', 'CNAME', ['host.sub.gslb.example.']),
  rrset('*.into.gslb.example.', 'CNAME', ['host.sub.gslb.example.']),
  rrset('loop.gslb.example.', 'CNAME', ['pool.gslb.example.']),
  rrset('pool.gslb.example.', 'CNAME', ['loop.gslb.example.']),
  rrset('to-steered.gslb.example.', 'CNAME', ['www.gslb.example.']),
  rrset('cross.gslb.example.', 'CNAME', ['host.second.test.']),
  rrset('*.star.gslb.example.', 'CNAME', ['Static.gslb.example.']),
  rrset('old.gslb.example.', 'DNAME', ['New.gslb.example.'], 77),
  rrset('old.gslb.example.', 'TXT', ['"at the DNAME"']),
  rrset('x.new.gslb.example.', 'A', ['192.0.2.7']),
  rrset('c.new.gslb.example.', 'CNAME', ['y.old.gslb.example.']),
  rrset('y.new.gslb.example.', 'A', ['192.0.2.8']),
  rrset('out.gslb.example.', 'DNAME', ['elsewhere.test.']),
  rrset('spin.gslb.example.', 'DNAME', ['a.spin.gslb.example.']),
  rrset(`long.gslb.example.`, 'DNAME', [`${`${'d'.repeat(60)}.`.repeat(3)}test.`]),
  rrset('www.gslb.example.', 'TXT', ['"beside the steered addresses"']),
  rrset(
    'big.gslb.example.',
    'TXT',
    Array.from({ length: 30 }, (_, i) => `"${'x'.repeat(40)}${i}"`),
  ),
];

export const STEERED: readonly SteeredConfig[] = [
  { owner: 'www.gslb.example.', pool: 'web', policy: 'near', ttlMin: 5, ttlMax: 30 },
  { owner: 'gslb.example.', pool: 'web', policy: 'near', ttlMin: 5, ttlMax: 30 },
  { owner: 'v4.gslb.example.', pool: 'legacy', policy: 'near', ttlMin: 5, ttlMax: 30 },
  { owner: 'share.gslb.example.', pool: 'web', policy: 'shared', ttlMin: 5, ttlMax: 30 },
  { owner: '*.app.gslb.example.', pool: 'web', policy: 'shared', ttlMin: 5, ttlMax: 30 },
];

export const WEB_POOL: PoolConfig = {
  endpoints: [
    { region: 'us', weight: 1, addresses: [] },
    { region: 'eu', weight: 2, addresses: [] },
    { region: 'ap', weight: 1, addresses: [] },
  ],
  port: 80,
  quorumMin: 1,
  downShare: 0.5,
  panicThreshold: 0,
  ramp: { from: 0.1, overMs: 0 },
  withdrawals: { shareMax: 1, countMax: 100, windowMs: 300_000 },
  sorry: ['192.0.2.99', '2001:db8::99'],
};

export function createConfig(changes: Partial<Config> = {}): Config {
  return {
    node: {
      name: 'test',
      roles: ['nameserver'],
      workers: { dns: 1, balancer: 1 },
      vantages: [],
      canaries: [],
    },
    regions: {
      us: { location: US, vips: ['198.51.100.1', '2001:db8::1'], capacity: 0 },
      eu: { location: EU, vips: ['198.51.100.2', '2001:db8::2'], capacity: 0 },
      ap: { location: AP, vips: ['198.51.100.3', '2001:db8::3'], capacity: 0 },
    },
    geo: { databases: [], overrides: [], resolvers: [], maxAgeMs: 180 * 86_400_000 },
    latency: resolveLatency({ latency: latency.parse({}) }),
    capacity: resolveCapacity({ capacity: capacity.parse({}) }),
    monitors: {},
    monitorGroups: {},
    cluster: { keys: [], keyFiles: [], listen: [], peers: [], sharedConfig: false },
    pools: {
      web: WEB_POOL,
      legacy: {
        ...WEB_POOL,
        sorry: [],
        endpoints: [
          { region: 'us', weight: 1, addresses: ['198.51.100.11'] },
          { region: 'eu', weight: 1, addresses: ['198.51.100.12', '2001:db8::12'] },
        ],
      },
    },
    policies: {
      near: {
        chain: [
          { kind: 'healthy', options: {} },
          { kind: 'nearest', options: {} },
          { kind: 'first', options: {} },
        ],
      },
      shared: {
        chain: [
          { kind: 'healthy', options: {} },
          { kind: 'weighted', options: {} },
          { kind: 'first', options: {} },
        ],
      },
    },
    zones: {
      'gslb.example': { ttl: 3600, soa: soa('gslb.example.'), rrsets: RECORDS, steered: STEERED },
      'second.test': {
        ttl: 3600,
        soa: soa('second.test.'),
        rrsets: [rrset('host.second.test.', 'MX', ['1 mail.second.test.'])],
        steered: [],
      },
    },
    dns: {
      listeners: [],
      udpSizeMax: 1232,
      udpEngine: 'auto',
      udpGatherUs: 0,
      tcp: {
        connectionsMax: 1,
        perClientMax: 1,
        idleTimeoutMs: 12_345,
        queriesPerSecond: 0,
        connectionsPerSecond: 0,
      },
      keys: {},
      identity: { id: 'node-1', version: 'Meridian' },
      rateLimit: {
        answersPerSecond: 0,
        negativesPerSecond: 0,
        errorsPerSecond: 0,
        responsesPerSecond: 0,
        slip: 2,
        ipv4Bits: 24,
        ipv6Bits: 56,
        exempt: [],
      },
      access: { allow: [], deny: [] },
      explain: { allow: ['127.0.0.0/8', '::1/128'] },
    },
    balancer: { engine: 'auto', upstreams: {}, listeners: [] },
    store: { kind: 'memory', options: {} },
    admin: { address: '127.0.0.1', port: 0, tokens: [] },
    log: { level: 'info' },
    ...changes,
  };
}

function soa(zone: string): Config['zones'][string]['soa'] {
  return {
    mname: `ns1.${zone}`,
    rname: `hostmaster.${zone}`,
    serial: 7,
    refresh: 3600,
    retry: 600,
    expire: 86400,
    minimum: 60,
  };
}

export function compiled(config: Config = createConfig(), generation = 1): Snapshot {
  const result = compileSnapshot(config, geo, generation, 1);
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  return result.snapshot;
}

/** Health word of a sound endpoint that will not change within a minute. */
export const UP = 60;

export function allUp(snapshot: Snapshot): Uint32Array {
  return new Uint32Array(snapshot.endpoints.length).fill(UP);
}

/** Words for everybody alike. */
export function healthOf(words: Uint32Array, exceptions = new Uint32Array(0)): HealthWords {
  return { words, exceptions };
}

export function startWorker(snapshot = compiled(), words = allUp(snapshot)): WorkerState {
  const length = rowLength(snapshot);
  const worker = createWorkerState(createCounterRow(length));
  setSnapshot(worker, snapshot, healthOf(words));
  return worker;
}

export type Ask = {
  readonly qclass?: number;
  readonly resolver?: string;
  /** `network/length`, or `family source octets…` as numbers. */
  readonly subnet?: string;
  readonly udpSize?: number;
  readonly edns?: boolean;
  /** DO. */
  readonly isSigned?: boolean;
  readonly flags?: number;
  readonly tcp?: boolean;
  readonly nowMs?: number;
};

export type Answered = {
  readonly bytes: Uint8Array;
  readonly rcode: string;
  readonly aa: boolean;
  readonly tc: boolean;
  /** `owner type data` of each record, sorted as sent. */
  readonly answer: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
  readonly data: readonly string[];
  readonly ttls: readonly number[];
  readonly negativeTtl: number | undefined;
  readonly hasOpt: boolean;
  /** SCOPE of the echoed client subnet. */
  readonly scope: number | undefined;
};

export const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  DNAME: 39,
  SVCB: 64,
  HTTPS: 65,
  DS: 43,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
};

export function wireName(name: string): number[] {
  const labels = name.split('.').filter((label) => label !== '');
  return [
    ...labels.flatMap((label) => [label.length, ...Array.from(label, (c) => c.charCodeAt(0))]),
    0,
  ];
}

export function queryBytes(name: string, type: string, ask: Ask = {}): Uint8Array {
  const question = [...wireName(name), 0, TYPES[type]!, 0, ask.qclass ?? 1];
  const options = ask.subnet === undefined ? [] : subnetOption(ask.subnet);
  const wantsEdns = ask.edns ?? (ask.subnet !== undefined || ask.udpSize !== undefined);
  return buildQuery({
    question,
    flags: ask.flags ?? 0,
    records: wantsEdns
      ? [opt(options, ask.udpSize ?? 1232, [0, 0, ask.isSigned ? 0x80 : 0, 0])]
      : [],
  });
}

function subnetOption(subnet: string): number[] {
  const prefix = parsePrefix(subnet);
  if (prefix === undefined) throw new Error(subnet);
  const { address, length } = prefix;
  const octets = address.bytes.subarray(0, (length + 7) >> 3);
  return ecs(address.family === 4 ? 1 : 2, length, 0, [...octets]);
}

export function clientAt(text: string, tcp = false): Client {
  const client = createClient(tcp ? TRANSPORT_TCP : TRANSPORT_UDP);
  const address = parseAddress(text)!;
  client.family = address.family;
  client.address.set(address.bytes);
  return client;
}

/** Asks and decodes. */
export function ask(worker: WorkerState, name: string, type: string, how: Ask = {}): Answered {
  const query = queryBytes(name, type, how);
  const client = clientAt(how.resolver ?? '192.0.2.200', how.tcp);
  const reply = new Uint8Array(65535);
  const length = respond(worker, client, query, query.length, how.nowMs ?? NOW_MS, reply);
  if (length <= 0) throw new Error(`no reply: ${length}`);
  return decode(reply.slice(0, length));
}

export function decode(bytes: Uint8Array): Answered {
  const packet = dnsPacket.decode(Buffer.from(bytes));
  const records = (section: readonly dnsPacket.Answer[] = []): readonly string[] =>
    section
      .filter((record) => record.type !== 'OPT')
      .map((record) => `${record.name} ${record.type} ${dataText(record)}`);
  const opts = (packet.additionals ?? []).filter((record) => record.type === 'OPT');
  const option = opts[0]?.options.find((candidate) => candidate.code === 8);
  // The decoder's option has the field that its type lacks.
  const scope = (option as { scopePrefixLength?: number } | undefined)?.scopePrefixLength;
  const answers = packet.answers ?? [];
  const soaRecord = packet.authorities?.find((record) => record.type === 'SOA');
  return {
    bytes,
    rcode: rcodeOf(bytes, opts[0]),
    aa: packet.flag_aa,
    tc: packet.flag_tc,
    answer: records(answers),
    authority: records(packet.authorities),
    additional: records(packet.additionals),
    data: answers.map(dataText),
    ttls: answers.map((record) => ('ttl' in record ? (record.ttl ?? -1) : -1)),
    negativeTtl: soaRecord !== undefined && 'ttl' in soaRecord ? soaRecord.ttl : undefined,
    hasOpt: opts.length > 0,
    scope,
  };
}

const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

function rcodeOf(bytes: Uint8Array, opt: { readonly extendedRcode: number } | undefined): string {
  const code = (bytes[3]! & 15) | ((opt?.extendedRcode ?? 0) << 4);
  return RCODES[code] ?? (code === 16 ? 'BADVERS' : String(code));
}

function dataText(record: dnsPacket.Answer): string {
  if (!('data' in record)) return '';
  const data: unknown = record.data;
  if (typeof data === 'string') return data;
  if (Buffer.isBuffer(data)) return data.toString('latin1');
  if (Array.isArray(data)) return data.map(String).join(' ');
  if (record.type === 'MX') return `${record.data.preference} ${record.data.exchange}`;
  if (record.type === 'SOA') return `${record.data.mname} ${record.data.minimum}`;
  if (record.type === 'HINFO') return `${record.data.cpu} ${record.data.os}`;
  return JSON.stringify(data);
}

/** Measures nothing. */
export const NO_STOPWATCH: Stopwatch = { begin() {}, end() {}, cancel() {} };
