import { readFileSync } from 'node:fs';
import dnsPacket from 'dns-packet';
import type { Config } from '../../src/config/config.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { parseCentroids } from '../../src/geo/centroids.ts';
import { composeGeo } from '../../src/geo/mmdb.ts';
import { checkKeys } from '../../src/health/composite.ts';
import type { Override } from '../../src/health/override.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { formatSocketAddress } from '../../src/ip/socket-address.ts';
import { createHealthDesk } from '../../src/monitoring/health-desk.ts';
import { healthEndpoints } from '../../src/monitoring/jobs.ts';
import { createClient, TRANSPORT_UDP } from '../../src/nameserver/client.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { counterLayout } from '../../src/nameserver/counters.ts';
import { respond } from '../../src/nameserver/respond.ts';
import {
  createWorkerState,
  setHealth,
  setSnapshot,
  type WorkerState,
} from '../../src/nameserver/worker-state.ts';
import type { ProbeKind } from '../../src/probe/probe.ts';
import { createCounterRow } from '../../src/telemetry/counters.ts';
import { createMovedClock } from './moved-clock.ts';
import type { Action, ScenarioQuestion } from './script.ts';

/**
 * A node without sockets: real configuration, monitoring, health and nameserver, on a clock that the
 * scenario moves. Only two things are made up: what probes see, and the datagrams' way.
 */
export type World = {
  pass(ms: number): Promise<void>;
  ask(question: ScenarioQuestion): Answer;
  probe(sight: Extract<Action, { kind: 'probe' }>): void;
  vantage(name: string, silent: boolean): void;
  override(action: Extract<Action, { kind: 'override' }>): void;
  clear(action: Extract<Action, { kind: 'clear' }>): void;
  /** State and reason of an endpoint. */
  health(endpoint: string): string;
  close(): Promise<void>;
};

export type Answer = {
  readonly rcode: string;
  readonly addresses: readonly string[];
  readonly ttls: readonly number[];
  readonly scope: number | undefined;
};

/** The instant at which every scenario begins. */
const START_MS = Date.UTC(2026, 5, 1, 12);
const UDP_SIZE = 1232;
const centroidsFile = new URL('../../geo/centroids.json', import.meta.url);

/** Builds the world; `watch` is called after every instant and every change of health. */
export function createWorld(configText: string, watch: (world: World) => void): World {
  const config = readConfig(configText);
  const clock = createMovedClock(START_MS);
  const { snapshot, worker } = startNameserver(config);
  const sights = createSights(config);
  let overrides: readonly Override[] = [];
  const desk = createHealthDesk({
    clock,
    draw: () => 0.5,
    probes: sights.kinds,
    log: { warn: (event, message) => assertNever(`${event}: ${message}`) },
    onWords: (words) => {
      if (!setHealth(worker, words, snapshot.generation)) throw new Error('health was not taken');
      watch(world);
    },
    onServers: () => {},
    onEvents: () => {},
    onStatement: () => {},
    onWithdrawn: () => {},
    onVantage: () => {},
  });
  desk.start(sights.config, overrides);
  setSnapshot(worker, snapshot, desk.words());
  const setOverrides = (next: readonly Override[]): void => {
    overrides = next;
    desk.setOverrides(next);
  };
  const without = (target: Override['target']): readonly Override[] =>
    overrides.filter(({ target: t }) => t.kind !== target.kind || t.name !== target.name);
  const world: World = {
    pass: (ms) => clock.pass(ms, () => watch(world)),
    ask: (question) => ask(worker, question, clock.nowMs()),
    probe: sights.set,
    vantage: (name, silent) => desk.setVantage(name, !silent),
    override({ action, target, forMs }) {
      const setAtMs = clock.nowMs();
      const expiresAtMs = forMs === undefined ? undefined : setAtMs + forMs;
      const override = { target, action, reason: '', by: 'scenario', setAtMs, expiresAtMs };
      setOverrides([...without(target), override]);
    },
    clear: ({ target }) => setOverrides(without(target)),
    health(endpoint) {
      const status = desk.status(endpoint);
      return status === undefined ? 'no such endpoint' : `${status.state} (${status.reason})`;
    },
    close: desk.close,
  };
  desk.probe();
  return world;
}

function readConfig(text: string): Config {
  const centroids = parseCentroids(JSON.parse(readFileSync(centroidsFile, 'utf8')));
  const validation = validateConfig(text, 'scenario', { HOSTNAME: 'scenario' }, centroids);
  if (validation.ok) return validation.config;
  const issues = validation.issues.map((issue) => `${issue.line}: ${issue.path} ${issue.message}`);
  throw new Error(`the configuration is not valid:\n${issues.join('\n')}`);
}

function startNameserver(config: Config) {
  const geo = composeGeo([], config.geo.overrides);
  const compilation = compileSnapshot(config, geo, 1, 1);
  if (!compilation.ok) throw new Error(compilation.issues.map(({ message }) => message).join('\n'));
  const { snapshot } = compilation;
  const { length } = counterLayout(snapshot.endpoints.length);
  return { snapshot, worker: createWorkerState(createCounterRow(length)) };
}

function assertNever(message: string): never {
  throw new Error(message);
}

type Sight = {
  readonly vantage: string | undefined;
  readonly endpoint: string | undefined;
  readonly ok: boolean;
  readonly reason: string;
  /** How often it still holds, by vantage point and endpoint; undefined = for good. */
  readonly times: number | undefined;
  readonly used: Map<string, number>;
};

/**
 * A probe is told neither who asks nor for which monitor. Here it can tell: by the source address,
 * one for each vantage point, and by the options.
 */
function tagProbes(config: Config) {
  const { vantages } = config.node;
  const sourceOf = (index: number): readonly string[] => [`10.0.0.${index}`, `fd00::${index}`];
  const node = {
    ...config.node,
    vantages: vantages.map((vantage, index) => ({ ...vantage, source: sourceOf(index) })),
  };
  const monitors = Object.fromEntries(
    Object.entries(config.monitors).map(([monitor, rest]) => [
      monitor,
      { ...rest, options: { monitor } },
    ]),
  );
  return {
    config: { ...config, node, monitors },
    vantageAt(source: string): string {
      const index = vantages.findIndex((_, each) => sourceOf(each).includes(source));
      return vantages[index]?.name ?? assertNever(`nobody probes from ${source}`);
    },
  };
}

/** What probes see: the latest word that is about the vantage point and the endpoint; at first OK. */
function createSights(config: Config) {
  const sights: Sight[] = [];
  const endpointsOf = new Map<string, string[]>();
  for (const { name, targets } of healthEndpoints(config)) {
    for (const key of targets.flatMap(({ check }) => checkKeys(check))) {
      endpointsOf.set(key, [...(endpointsOf.get(key) ?? []), name]);
    }
  }
  const look = (vantage: string, key: string): { ok: boolean; reason: string } => {
    for (const sight of sights.toReversed()) {
      if (sight.vantage !== undefined && sight.vantage !== vantage) continue;
      const { endpoint } = sight;
      if (endpoint !== undefined && !endpointsOf.get(key)?.includes(endpoint)) continue;
      const used = sight.used.get(`${vantage} ${key}`) ?? 0;
      if (sight.times !== undefined && used >= sight.times) continue;
      sight.used.set(`${vantage} ${key}`, used + 1);
      return sight;
    }
    return { ok: true, reason: '200 OK' };
  };
  const prepared = tagProbes(config);
  const kinds = [...new Set(Object.values(config.monitors).map(({ kind }) => kind))].map(
    (kind): ProbeKind => ({
      kind,
      summary: 'Sees what the scenario says.',
      // Never asked: the options do not come from a file.
      options: undefined as never,
      async run({ address, port, sourceAddress }, options) {
        const { monitor } = options as { readonly monitor: string };
        const vantage = prepared.vantageAt(sourceAddress ?? '');
        const { ok, reason } = look(
          vantage,
          `endpoint ${monitor} ${formatSocketAddress({ address, port })}`,
        );
        return { ok, rttMs: 1, reason };
      },
    }),
  );
  return {
    config: prepared.config,
    kinds,
    set({ vantage, endpoint, ok, reason, times }: Extract<Action, { kind: 'probe' }>): void {
      const known = config.node.vantages.map(({ name }) => name);
      const endpoints = [...endpointsOf.values()].flat();
      if (vantage !== undefined && !known.includes(vantage)) throw new Error(`no ${vantage}`);
      if (endpoint !== undefined && !endpoints.includes(endpoint))
        throw new Error(`no ${endpoint}`);
      sights.push({ vantage, endpoint, ok, reason, times, used: new Map() });
    },
  };
}

/** Sends a query through `respond` as a datagram from the resolver's address. */
function ask(worker: WorkerState, question: ScenarioQuestion, nowMs: number): Answer {
  const { name, type, from, subnet } = question;
  const resolver = parseAddress(from);
  if (resolver === undefined) throw new Error(`not an address: ${from}`);
  const client = createClient(TRANSPORT_UDP);
  client.family = resolver.family;
  client.address.set(resolver.bytes);
  client.port = 5300;
  const query = encodeQuery(name, type, subnet);
  const reply = new Uint8Array(UDP_SIZE);
  const length = respond(worker, client, query, query.length, nowMs, reply);
  if (length <= 0) throw new Error(`no response (${length})`);
  return decodeReply(reply.subarray(0, length));
}

function encodeQuery(name: string, type: ScenarioQuestion['type'], subnet?: string): Uint8Array {
  const [ip, bits] = subnet?.split('/') ?? [];
  const options = [{ code: 8 as const, ip, sourcePrefixLength: Number(bits) }];
  return dnsPacket.encode({
    type: 'query',
    id: 4711,
    questions: [{ type, name }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_SIZE,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: subnet === undefined ? [] : options,
      },
    ],
  });
}

function decodeReply(bytes: Uint8Array): Answer {
  const packet = dnsPacket.decode(Buffer.from(bytes));
  const answers = packet.answers ?? [];
  const addresses = answers.flatMap((record) =>
    record.type === 'A' || record.type === 'AAAA' ? [record.data] : [],
  );
  const opt = packet.additionals?.find((record) => record.type === 'OPT');
  const ecs = opt?.options.find((option) => option.code === 8);
  // The type declarations leave out what the decoder adds.
  const { rcode } = packet as { rcode?: string };
  return {
    rcode: rcode === 'NOERROR' && answers.length === 0 ? 'NODATA' : String(rcode),
    addresses,
    ttls: answers.flatMap((record) => ('ttl' in record ? [record.ttl ?? 0] : [])),
    scope: ecs !== undefined && 'scopePrefixLength' in ecs ? ecs.scopePrefixLength : undefined,
  };
}
