import { createReplica } from '../../src/cluster/replica.ts';
import type {
  ControlPlane,
  Counts,
  DrillPrediction,
  DrillRequest,
  DrillStatus,
  EndpointStatus,
  EventRecord,
  HealthState,
  OverrideStatus,
  PoolStatus,
  Problem,
  RegionStatus,
  ReloadResult,
  Target,
  ZoneStatus,
} from '../../src/control/control-plane.ts';
import type { NodeStatus } from '../../src/control/node-status.ts';
import { clearLoad, reportedOf, reportLoad } from '../../src/control/report-load.ts';
import { createReportedLoads } from '../../src/control/reported-loads.ts';
import type { Serving } from '../../src/control/serving.ts';
import type { Location } from '../../src/geo/location.ts';
import { fixtureCapacity } from './fixture-capacity.ts';
import { createFixtureChallenges, createFixtureRecords } from './fixture-challenges.ts';
import { createFixtureKeys } from './fixture-keys.ts';
import { explainFixtureRequest } from './fixture-requests.ts';
import { createFixtureRevisions } from './fixture-revisions.ts';
import { createFixtureServers } from './fixture-servers.ts';
import { fixtureTraffic } from './fixture-traffic.ts';

/**
 * A complete ControlPlane in memory with three regions: the contract's double for the tests of the
 * API, the CLI and the page. It does what the words say (a drain takes a region out, a drill drains
 * and reverts) on a clock that the test moves; it decides nothing about steering itself.
 */
export type FixturePlane = ControlPlane & {
  /** Moves the clock; overrides lapse and drills end on the way. */
  advance(ms: number): void;
  /** What `status()` says on top of the usual. */
  change(status: Partial<NodeStatus>): void;
  /** What the next reload answers. */
  nextReload(result: Partial<ReloadResult>): void;
  emit(kind: string, subject: string, message: string): EventRecord;
  subscribers(): number;
};

export const STARTED_AT_MS = Date.UTC(2026, 10, 20, 12, 0, 0);

const PLACES: Readonly<Record<string, { location: Location; vip: string; share: number }>> = {
  virginia: {
    location: {
      latitude: 38.9,
      longitude: -77.4,
      continent: 'NA',
      country: 'US',
      subdivision: 'VA',
    },
    vip: '127.0.1.1',
    share: 0.5,
  },
  frankfurt: {
    location: { latitude: 50.1, longitude: 8.7, continent: 'EU', country: 'DE' },
    vip: '127.0.2.1',
    share: 0.3,
  },
  singapore: {
    location: { latitude: 1.3, longitude: 103.8, continent: 'AS', country: 'SG' },
    vip: '127.0.3.1',
    share: 0.2,
  },
};
const REGION_NAMES = Object.keys(PLACES);
const SECOND_MS = 1000;

export function createFixturePlane(): FixturePlane {
  let nowMs = STARTED_AT_MS + 3_600_000;
  let statusChanges: Partial<NodeStatus> = {};
  let reloadResult: Partial<ReloadResult> = {};
  let revision = 7;
  const overrides = new Map<string, OverrideStatus>();
  const drills: DrillStatus[] = [];
  const events: EventRecord[] = [];
  const listeners = new Set<(event: EventRecord) => void>();
  const keyOf = (target: Target): string => `${target.kind}/${target.name}`;

  function emit(kind: string, subject: string, message: string): EventRecord {
    const id = String(events.length + 1).padStart(6, '0');
    const event = { id, node: 'node-1', atMs: nowMs, kind, subject, message };
    events.push(event);
    for (const listener of listeners) listener(event);
    return event;
  }

  function stateOf(region: string): HealthState {
    const action = overrides.get(`region/${region}`)?.action;
    if (action === 'drain') return 'drained';
    if (action === 'up') return 'forced-up';
    if (action === 'down') return 'forced-down';
    return 'up';
  }
  const usable = (region: string): boolean => !/drained|forced-down/.test(stateOf(region));

  function sharesWith(out: (region: string) => boolean) {
    const rest = REGION_NAMES.filter((name) => !out(name));
    const total = rest.reduce((sum, name) => sum + PLACES[name]!.share, 0);
    return REGION_NAMES.map((region) => ({
      region,
      share: rest.includes(region) ? PLACES[region]!.share / total : 0,
    }));
  }

  function endpointOf(region: string): EndpointStatus {
    const vantage = (name: string) => ({
      vantage: name,
      verdict: 'up' as const,
      slow: false,
      abstains: '',
      sinceMs: STARTED_AT_MS,
      recent: [{ atMs: nowMs - SECOND_MS, ok: true, rttMs: 1.25, reason: 'status 200' }],
    });
    return {
      name: `web/${region}`,
      pool: 'web',
      region,
      addresses: [PLACES[region]!.vip],
      weight: 1,
      state: stateOf(region),
      judged: 'up',
      reason: usable(region) ? '3 of 3 vantage points say up' : 'an operator took it out',
      ttlSeconds: 30,
      share: 1,
      near: [],
      answersTotal: 1000,
      vantages: REGION_NAMES.map((name) => vantage(`probe-${name}`)),
    };
  }

  function regionOf(name: string): RegionStatus {
    const { location, vip } = PLACES[name]!;
    const addressShare = sharesWith((region) => !usable(region)).find(
      (s) => s.region === name,
    )!.share;
    return {
      name,
      location,
      vips: [vip],
      capacity: 0,
      state: stateOf(name),
      endpoints: [endpointOf(name)],
      addressShare,
      answersTotal: 1000,
      agents: name === 'virginia' ? [agent('ash-1', true), agent('ash-2', false)] : [],
    };
  }

  function agent(node: string, ready: boolean): RegionStatus['agents'][number] {
    return {
      ...{ node, address: '127.0.1.1', port: 80, ready, reason: ready ? 'serving' : 'leaving' },
      ...{ serversUsable: 2, serversTotal: 3, active: 4, heardAtMs: 0 },
      requestsPerSecond: ready ? 140 : 0,
    };
  }

  function noSuch(target: Target): Problem | undefined {
    const known =
      (target.kind === 'region' && REGION_NAMES.includes(target.name)) ||
      (target.kind === 'pool' && target.name === 'web') ||
      (target.kind === 'endpoint' && REGION_NAMES.includes(target.name.replace('web/', '')));
    if (known) return undefined;
    return {
      problem: 'not-found',
      code: `no-such-${target.kind}`,
      message: `There is no ${target.kind} "${target.name}".`,
      hint: `The regions are ${REGION_NAMES.join(', ')}.`,
    };
  }

  const counts = (share: (region: string) => number): Counts =>
    REGION_NAMES.map((region) => ({ region, answers: Math.round(share(region)) }));

  function predict(request: DrillRequest): DrillPrediction | Problem {
    const problem = noSuch({ kind: 'region', name: request.region });
    if (problem !== undefined) return problem;
    return {
      region: request.region,
      names: [
        {
          name: 'www.gslb.example.',
          before: sharesWith((region) => !usable(region)),
          during: sharesWith((region) => !usable(region) || region === request.region),
        },
      ],
      warnings: ['virginia would carry more than it ever did.'],
    };
  }

  function endDrill(index: number, state: DrillStatus['state'], note: string): DrillStatus {
    const drill = drills[index]!;
    const ended: DrillStatus = {
      ...drill,
      state,
      note,
      observed: {
        ...drill.observed,
        during: counts((region) => (region === drill.region ? 3 : 400)),
        after: counts((region) => PLACES[region]!.share * 50),
      },
    };
    drills[index] = ended;
    overrides.delete(`region/${drill.region}`);
    emit('drill.end', drill.region, note);
    return ended;
  }

  emit('node.start', 'node-1', 'Started with 3 regions.');
  emit('endpoint.up', 'web/frankfurt', 'Up: 3 of 3 vantage points agree.');

  const clock = { nowMs: () => nowMs };
  const reportedLoads = createReportedLoads({
    ...{ clock, replica: createReplica('node-1') },
    settled: async () => ({ shared: true, detail: 'every node has it' }),
  });
  const regions = Object.fromEntries(REGION_NAMES.map((name) => [name, {}]));
  const serving = { config: { regions } } as unknown as Serving;
  const loadDesk = { clock, reportedLoads, facts: () => ({ serving }) };
  const keys = createFixtureKeys(STARTED_AT_MS, () => nowMs, emit);

  return {
    zoneDnssec: keys.status,
    startKeyRoll: keys.startRoll,
    advanceKeyRoll: keys.advanceRoll,
    advance(ms) {
      nowMs += ms;
      for (const [key, { expiresAtMs }] of overrides) {
        if (expiresAtMs !== undefined && expiresAtMs <= nowMs) overrides.delete(key);
      }
      drills.forEach((drill, index) => {
        if (drill.state === 'running' && drill.endsAtMs <= nowMs) {
          endDrill(index, 'finished', 'Ended at its deadline; the region is back.');
        }
      });
    },
    change(changes) {
      statusChanges = { ...statusChanges, ...changes };
    },
    nextReload(result) {
      reloadResult = result;
    },
    emit,
    subscribers: () => listeners.size,
    status: (): NodeStatus => ({
      name: 'node-1',
      version: '0.1.0',
      roles: ['nameserver', 'balancer', 'prober', 'admin'],
      startedAtMs: STARTED_AT_MS,
      generation: 12,
      revision,
      ready: true,
      geo: {
        description: 'DBIP-Country-Lite',
        builtAtMs: Date.UTC(2026, 5, 1),
        networks: 400_000,
        attribution: 'IP Geolocation by DB-IP (https://db-ip.com)',
      },
      store: { kind: 'memory', ok: true },
      workers: [
        { name: 'dns-0', state: 'running', restarts: 0, engine: 'portable' },
        { name: 'balancer-0', state: 'running', restarts: 1, engine: 'portable' },
      ],
      lastReload: undefined,
      queriesTotal: 3000,
      ...statusChanges,
    }),
    regions: () =>
      REGION_NAMES.map((name) => ({
        ...regionOf(name),
        ...reportedOf(reportedLoads.current().get(name)),
      })),
    capacity: fixtureCapacity,
    reportLoad: (report) => reportLoad(loadDesk, report),
    clearLoad: (region) => clearLoad(loadDesk, region),
    pools: (): readonly PoolStatus[] => [
      {
        name: 'web',
        monitor: 'http',
        names: ['www.gslb.example.'],
        endpoints: REGION_NAMES.map(endpointOf),
      },
    ],
    zones: (): readonly ZoneStatus[] => [
      {
        name: 'gslb.example.',
        serial: 2026112001,
        rrsets: 9,
        steered: [{ name: 'www.gslb.example.', pool: 'web', policy: 'nearest', classes: 251 }],
      },
      ...copiedZones(nowMs),
    ],
    refreshZone: (zone): Promise<ZoneStatus | Problem> =>
      Promise.resolve(
        copiedZones(nowMs).find(({ name }) => name === zone) ?? {
          problem: 'conflict',
          code: 'zone.no-primary',
          message: `The zone ${zone} is not copied from a primary.`,
          hint: 'Its records are in the configuration.',
        },
      ),
    cluster: () => ({
      nodes: [
        {
          name: 'ns1',
          isSelf: true,
          state: 'here',
          direct: 'self',
          version: '0.1.0',
          roles: ['nameserver', 'prober', 'admin'],
          region: 'virginia',
          peerAddress: '192.0.2.1:8054',
          adminUrl: 'http://127.0.0.1:8053',
          generation: 3,
          revision: 7,
          revisionsBehind: 0,
          configSha: '0123456789ab',
          startedAtMs: STARTED_AT_MS,
          lastHeardMs: nowMs,
        },
        {
          name: 'ns2',
          isSelf: false,
          state: 'silent',
          direct: 'silent',
          version: '0.1.0',
          roles: ['nameserver', 'prober'],
          region: 'frankfurt',
          peerAddress: '198.51.100.1:8054',
          adminUrl: undefined,
          generation: 2,
          revision: 6,
          revisionsBehind: 1,
          configSha: 'ba9876543210',
          startedAtMs: STARTED_AT_MS,
          lastHeardMs: nowMs - 20 * SECOND_MS,
        },
      ],
      store: { kind: 'redis', state: 'away', reason: 'connection refused' },
      clock: { source: 'store', offsetMs: 12, isSkewed: false },
    }),
    explainRequest: explainFixtureRequest,
    ...createFixtureServers(() => nowMs, emit),
    traffic: () => fixtureTraffic(nowMs, (nowMs - STARTED_AT_MS) / SECOND_MS),
    async explain(question, atMs = nowMs) {
      if (!question.name.replace(/\.$/, '').endsWith('gslb.example')) {
        return {
          problem: 'not-found',
          code: 'not-our-name',
          message: `"${question.name}" is in no zone of this node.`,
          hint: 'The zones are gslb.example.',
        };
      }
      return {
        name: 'www.gslb.example.',
        type: question.type ?? 'A',
        atMs,
        client: {
          network: question.client ?? `${question.resolver ?? '127.0.0.1'}/32`,
          from: question.client === undefined ? 'resolver' : 'client-subnet',
          location: { latitude: 35.7, longitude: 139.7, continent: 'AS', country: 'JP' },
          place: 'Japan',
          near: 'singapore',
        },
        outcome: 'steered',
        policy: 'nearest',
        pool: 'web',
        classId: 42,
        candidates: [
          {
            name: 'web/singapore',
            region: 'singapore',
            tier: 1,
            weight: 1,
            state: 'up',
            reason: '3 of 3 groups see it up',
            seenFrom: undefined,
            share: 1,
            ttlSeconds: 30,
            distanceKm: 5300,
            answerShare: 1,
          },
          {
            name: 'web/frankfurt',
            region: 'frankfurt',
            tier: 2,
            weight: 1,
            state: 'drained',
            reason: 'drained by alice (kernel update); judged up',
            seenFrom: undefined,
            share: 1,
            ttlSeconds: 600,
            distanceKm: 9300,
            answerShare: 0,
          },
        ],
        steps: [
          {
            step: 'nearest',
            kept: ['web/singapore'],
            dropped: [
              { name: 'web/frankfurt', reason: '9300 km away' },
              { name: 'web/virginia', reason: '10900 km away' },
            ],
            note: 'Singapore is nearest at 5300 km.',
          },
          { step: 'healthy', kept: ['web/singapore'], dropped: [], note: 'All are up.' },
        ],
        rung: 'healthy',
        outcomes: [{ share: 1, endpoints: ['web/singapore'], addresses: ['127.0.3.1'] }],
        draw: {
          bucket: '203.0.113.0/24',
          part: { number: 1, of: 1, share: 1, name: '', slot: 512 },
          outcome: { number: 1, of: 1, draw: 0.25, from: 0, to: 1 },
          slot: { seconds: 30, endsAtMs: atMs + 30_000 },
          why: 'one outcome: nothing to draw',
        },
        answer: ['127.0.3.1'],
        region: 'singapore',
        ttl: { seconds: 30, why: 'No change is near.', endpoints: [] },
        scope: {
          prefixLength: 16,
          why: 'The widest network of the class.',
          network: '203.0.0.0/16',
        },
        served: { node: 'fixture', generation: 3, revision: 7, config: 'ab'.repeat(32) },
        notes: [],
      };
    },
    overrides: () => [...overrides.values()],
    async setOverride({ target, action, forSeconds, reason, by, force }) {
      const problem = noSuch(target);
      if (problem !== undefined) return problem;
      const left = REGION_NAMES.filter((name) => usable(name) && name !== target.name);
      if (action !== 'up' && left.length === 0 && force !== true) {
        return {
          problem: 'refused',
          code: 'last-endpoint',
          message: 'That would leave the pool web without any usable endpoint.',
          hint: 'Say force when that is what you want.',
        };
      }
      const override: OverrideStatus = {
        target,
        action,
        reason,
        by,
        setAtMs: nowMs,
        expiresAtMs: forSeconds === undefined ? undefined : nowMs + forSeconds * SECOND_MS,
        drill: undefined,
      };
      overrides.set(keyOf(target), override);
      emit(`${target.kind}.${action}`, target.name, `${action} by ${by}`);
      return override;
    },
    async clearOverride(target, by) {
      const current = overrides.get(keyOf(target));
      if (current === undefined) {
        return (
          noSuch(target) ?? {
            problem: 'not-found',
            code: 'no-override',
            message: `There is no override on the ${target.kind} "${target.name}".`,
          }
        );
      }
      overrides.delete(keyOf(target));
      emit(`${target.kind}.clear`, target.name, `cleared by ${by}`);
      return { ...current, action: 'cleared', by };
    },
    async reload(by) {
      const ok = reloadResult.ok ?? true;
      if (ok) revision += 1;
      emit('config.reload', 'config', `${ok ? 'reloaded' : 'refused'} by ${by}`);
      return {
        ok,
        atMs: nowMs,
        generation: 13,
        revision,
        changes: ok ? ['pools.web'] : [],
        issues: [],
        ...reloadResult,
      };
    },
    ...createFixtureRevisions(() => nowMs),
    ...createFixtureChallenges(() => nowMs),
    ...createFixtureRecords(() => nowMs),
    predictDrill: predict,
    async startDrill(request) {
      const prediction = predict(request);
      if ('problem' in prediction) return prediction;
      if (drills.some((drill) => drill.state === 'running')) {
        return {
          problem: 'conflict',
          code: 'drill-running',
          message: 'Another drill is running.',
          hint: 'Stop it first with "meridian drills stop ID".',
        };
      }
      const zero = counts(() => 0);
      const before = counts((region) => PLACES[region]!.share * 1000);
      const drill: DrillStatus = {
        id: `drill-${drills.length + 1}`,
        region: request.region,
        state: 'running',
        startedAtMs: nowMs,
        endsAtMs: nowMs + request.durationSeconds * SECOND_MS,
        by: request.by,
        prediction,
        observed: { before, during: zero, after: zero },
        note: '',
      };
      drills.push(drill);
      overrides.set(`region/${request.region}`, {
        target: { kind: 'region', name: request.region },
        action: 'drain',
        reason: request.reason,
        by: request.by,
        setAtMs: nowMs,
        expiresAtMs: drill.endsAtMs,
        drill: drill.id,
      });
      emit(
        'drill.start',
        request.region,
        `Drill for ${request.durationSeconds} s by ${request.by}.`,
      );
      return drill;
    },
    drills: () => drills,
    async stopDrill(id, by) {
      const index = drills.findIndex((drill) => drill.id === id && drill.state === 'running');
      if (index < 0) {
        return {
          problem: 'not-found',
          code: 'no-such-drill',
          message: `No drill "${id}" is running.`,
        };
      }
      return endDrill(index, 'stopped', `Stopped by ${by}.`);
    },
    async events(afterId, count) {
      return events.filter((event) => event.id > afterId).slice(0, count);
    },
    async allEvents(count) {
      const other = { id: '1', node: 'node-2', atMs: STARTED_AT_MS, kind: 'endpoint.down' };
      const told = { ...other, subject: 'web/virginia', message: 'It is down.' };
      return [told, ...events].slice(-count);
    },
    subscribe(onEvent) {
      listeners.add(onEvent);
      return () => listeners.delete(onEvent);
    },
    async metrics() {
      return {
        contentType: 'text/plain; version=0.0.4; charset=utf-8',
        body: '# TYPE meridian_build_info gauge\nmeridian_build_info{version="0.1.0"} 1\n',
      };
    },
    config: () => ({ config: { admin: { tokens: ['(redacted)'] } }, schema: { type: 'object' } }),
  };
}

/** One that is well, one whose primary has not been heard of for too long, one that has not come yet. */
function copiedZones(nowMs: number): readonly ZoneStatus[] {
  const zone = (name: string, copy: NonNullable<ZoneStatus['copy']>): ZoneStatus => {
    const { rrsets, serial = 0 } = copy;
    return { name, serial, rrsets, steered: [], copy };
  };
  const good = {
    standing: 'current',
    serial: 42,
    rrsets: 12,
    primary: '192.0.2.7:53',
    confirmedAtMs: nowMs - 60_000,
    nextLookAtMs: nowMs + 3_540_000,
    expiresAtMs: nowMs + 86_340_000,
    problem: undefined,
  } as const;
  const problem = '192.0.2.7:53: nothing listens there';
  const old = { confirmedAtMs: nowMs - 90_000_000, expiresAtMs: nowMs - 3_600_000 };
  const none = { serial: undefined, rrsets: 0, primary: undefined };
  const never = { confirmedAtMs: undefined, expiresAtMs: undefined, nextLookAtMs: nowMs };
  return [
    zone('copied.example', good),
    zone('expired.example', { ...good, ...old, standing: 'expired', problem }),
    zone('missing.example', { ...good, ...none, ...never, standing: 'missing', problem }),
  ];
}
