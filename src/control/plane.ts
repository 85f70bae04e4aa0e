import { redactConfig } from '../config/redact.ts';
import type { DrillPhases } from '../drill/plan.ts';
import type { Override } from '../health/override.ts';
import type { AcmeChallenges } from './acme-challenges.ts';
import type { Clock } from './clock.ts';
import type { ConfigRevisions } from './config-revisions.ts';
import type {
  CapacityView,
  ClusterStatus,
  ControlPlane,
  OverrideRequest,
  Problem,
  ReloadResult,
  Target,
  ZoneStatus,
} from './control-plane.ts';
import { createDrillWorld } from './drill-world.ts';
import { createDrills, type Drills } from './drills.ts';
import type { Events } from './events.ts';
import { explainNow, explainRequestNow, type Instant } from './explain-now.ts';
import type { Replay } from './journal-replay.ts';
import { createMetrics, type MetricsSource, type SocketQueue } from './metrics.ts';
import type { NodeStatus } from './node-status.ts';
import { checkOverride, checkTarget, overrideStatus } from './override-requests.ts';
import type { Overrides } from './overrides.ts';
import type { RecordWriter } from './record-writer.ts';
import { clearLoad, reportLoad } from './report-load.ts';
import type { ReportedLoads } from './reported-loads.ts';
import type { ServerWriter } from './server-writer.ts';
import {
  type Facts,
  poolStatuses,
  regionStatuses,
  upstreamStatuses,
  zoneStatuses,
} from './status.ts';
import { notSigned, type ZoneKeys } from './zone-dnssec.ts';

/** The control plane of one node, made of its parts. What a part cannot do is not here. */
export type PlaneParts = {
  readonly clock: Clock;
  readonly overrides: Overrides;
  readonly events: Events;
  /** As of now; called per request of the API, never per query. */
  facts(): Facts;
  readonly reportedLoads: ReportedLoads;
  /** Undefined = there is no capacity plan. */
  capacity(classes: number): CapacityView | undefined;
  nodeStatus(): NodeStatus;
  clusterStatus(): ClusterStatus;
  reload(by: string, zone?: string): Promise<ReloadResult>;
  /** Looks at a zone's primaries now; false when it has none. Absent = this node copies nothing. */
  refreshCopy?(zone: string, isAnew: boolean): Promise<boolean>;
  readonly configRevisions: ConfigRevisions;
  readonly challenges: AcmeChallenges;
  readonly recordWriter: RecordWriter;
  readonly serverWriter: ServerWriter;
  slotTotal(slot: number): number;
  socketQueues(): readonly SocketQueue[];
  /** Whether a collector takes dnstap events; undefined = dnstap is off. */
  hasCollector(): boolean | undefined;
  readonly drillPhases: DrillPhases;
  /** Explains the past; absent = nothing is recorded. */
  readonly replay?: Replay | undefined;
  /** Keys of signed zones; absent = this node signs none. */
  readonly zoneKeys?: ZoneKeys | undefined;
};

const NO_RECORD: Problem = {
  problem: 'not-found',
  code: 'explain.no-record',
  message: 'This node records nothing of what it serves.',
};

const NO_PLAN: Problem = {
  problem: 'not-found',
  code: 'no-capacity-plan',
  message: 'This node knows no capacity plan.',
  hint: 'One is made when a policy has the step capacity, a region a capacity, and the load of some region is known.',
};

const NO_SHARED_EVENTS: Problem = {
  problem: 'unavailable',
  code: 'events.store-away',
  message: 'The store does not answer: what other nodes have told is not known now.',
  hint: 'This node’s own events are there without "all".',
};

export function createControlPlane(parts: PlaneParts): { plane: ControlPlane; drills: Drills } {
  const { events, facts, overrides } = parts;
  const drills = createDrills(createDrillWorld(parts));
  const metrics = createMetrics();
  const plane: ControlPlane = {
    status: parts.nodeStatus,
    regions: () => regionStatuses(facts()),
    pools: () => poolStatuses(facts()),
    zones: () => zoneStatuses(facts()),
    acmeChallenges: parts.challenges.list,
    setAcmeChallenge: parts.challenges.set,
    clearAcmeChallenge: parts.challenges.clear,
    addedRecords: parts.recordWriter.list,
    addRecord: parts.recordWriter.add,
    removeRecords: parts.recordWriter.remove,
    zoneDnssec: (zone) => parts.zoneKeys?.status(zone) ?? notSigned(zone),
    startKeyRoll: async (request) => parts.zoneKeys?.startRoll(request) ?? notSigned(request.zone),
    advanceKeyRoll: async (request) =>
      parts.zoneKeys?.advanceRoll(request) ?? notSigned(request.zone),
    balancers: () => upstreamStatuses(facts()),
    traffic: () => ({ atMs: parts.clock.nowMs(), ...facts().counts() }),
    addServer: parts.serverWriter.add,
    changeServer: parts.serverWriter.change,
    removeServer: parts.serverWriter.remove,
    cluster: parts.clusterStatus,
    explain: async (question, atMs) =>
      atMs === undefined
        ? explainNow(facts(), question, nowOf(parts), parts.replay?.config())
        : (parts.replay?.explain(question, atMs) ?? NO_RECORD),
    explainRequest: (question) => explainRequestNow(facts(), question, nowOf(parts).wallMs),
    capacity: (classes) => parts.capacity(classes) ?? NO_PLAN,
    reportLoad: (report) => reportLoad(parts, report),
    clearLoad: (region) => clearLoad(parts, region),
    overrides: () => overrides.current().map(overrideStatus),
    setOverride: (request) => setOverride(parts, request),
    clearOverride: (target, by) => clearOverride(parts, drills, target, by),
    refreshZone: (zone, isAnew) => refreshZone(parts, zone, isAnew ?? false),
    reload: parts.reload,
    publishConfig: parts.configRevisions.publish,
    configRevisions: parts.configRevisions.list,
    configText: parts.configRevisions.text,
    predictDrill: drills.predict,
    startDrill: drills.start,
    drills: drills.list,
    stopDrill: drills.stop,
    events: events.read,
    allEvents: async (count) => (await events.readAll(count)) ?? NO_SHARED_EVENTS,
    subscribe: events.subscribe,
    metrics: () => metrics.render(metricsSource(parts)),
    config: () => redactConfig(facts().serving.config),
  };
  return { plane, drills };
}

/** A primary that takes longer is waited for, but not by who asked. */
const REFRESH_WAIT_MS = 5000;

async function refreshZone(
  { clock, facts, refreshCopy }: PlaneParts,
  zone: string,
  isAnew: boolean,
): Promise<ZoneStatus | Problem> {
  const name = zone.length > 1 ? zone.replace(/\.$/, '').toLowerCase() : zone;
  const find = (): ZoneStatus | undefined =>
    zoneStatuses(facts()).find((each) => each.name === name);
  if (find() === undefined) {
    return {
      problem: 'not-found',
      code: 'zone.unknown',
      message: `There is no zone ${name}.`,
      hint: 'GET /api/v1/zones lists those that there are.',
    };
  }
  const late = new Promise<true>((resolve) => {
    clock.setTimer(REFRESH_WAIT_MS, () => resolve(true));
  });
  const isCopy = (await Promise.race([refreshCopy?.(name, isAnew), late])) ?? false;
  const status = find();
  if (isCopy && status !== undefined) return status;
  return {
    problem: 'conflict',
    code: 'zone.no-primary',
    message: `The zone ${name} is not copied from a primary.`,
    hint: 'Its records are in the configuration: "meridian reload" reads it again.',
  };
}

function nowOf({ clock, replay }: PlaneParts): Instant {
  const agreedMs = clock.nowMs();
  return { agreedMs, wallMs: replay?.wallMs() ?? agreedMs };
}

async function setOverride(parts: PlaneParts, request: OverrideRequest) {
  const { serving, words } = parts.facts();
  const problem = checkOverride(request, serving, words);
  if (problem) return problem;
  const { action, by, forSeconds, reason, target } = request;
  const setAtMs = parts.clock.nowMs();
  const expiry = forSeconds === undefined ? {} : { expiresAtMs: setAtMs + forSeconds * 1000 };
  const override: Override = { target, action, reason, by, setAtMs, ...expiry };
  const { refused, ...sharing } = await parts.overrides.set(override);
  if (refused !== undefined) return notTaken(refused);
  const until = forSeconds === undefined ? '' : ` for ${forSeconds} s`;
  const why = reason === '' ? '' : `: ${reason}`;
  const verb = action === 'drain' ? 'drained' : `forced ${action}`;
  const message = `${target.kind} ${target.name} is ${verb}${until} by ${by}${why}.`;
  parts.events.record(
    `${target.kind}.${action === 'drain' ? 'drain' : `force-${action}`}`,
    target.name,
    message,
  );
  return { ...overrideStatus(override), sharing };
}

function notTaken(reason: string): Problem {
  return {
    problem: 'conflict',
    code: 'override-not-taken',
    message: `This is not in force: ${reason}.`,
    hint: '"meridian status" says what is; try again in a moment.',
  };
}

/**
 * What is in force may be cleared even when its target has left the configuration. A drill's drain
 * ends with the drill; one whose drill this node does not run (any more) is cleared as a person's.
 */
async function clearOverride(parts: PlaneParts, drills: Drills, target: Target, by: string) {
  const isMeant = (override: Override): boolean =>
    override.target.kind === target.kind && override.target.name === target.name;
  const isOfRunningDrill = (override: Override): boolean =>
    override.drill !== undefined && override.drill === drills.running();
  const { gone, sharing } = await parts.overrides.clear(
    (override) => isMeant(override) && !isOfRunningDrill(override),
  );
  const last = gone.find(({ drill }) => drill === undefined) ?? gone[0];
  if (!last) return nothingToClear(parts, target, isMeant);
  const message = `The ${last.action} of ${target.kind} ${target.name} is lifted by ${by}.`;
  parts.events.record(`${target.kind}.undrain`, target.name, message);
  return { ...overrideStatus(last), action: 'cleared' as const, sharing };
}

function nothingToClear(
  { facts, overrides }: PlaneParts,
  target: Target,
  isMeant: (override: Override) => boolean,
): Problem {
  const drill = overrides.current().find(isMeant)?.drill;
  if (drill !== undefined) {
    return {
      problem: 'conflict',
      code: 'drill-running',
      message: `The ${target.kind} ${target.name} is drained by ${drill}, which is running.`,
      hint: `Stop the drill: meridian drills stop ${drill}.`,
    };
  }
  return (
    checkTarget(target, facts().serving) ?? {
      problem: 'not-found',
      code: 'no-override',
      message: `There is no override on ${target.kind} ${target.name}.`,
      hint: 'GET /api/v1/overrides lists those in force.',
    }
  );
}

function metricsSource(parts: PlaneParts): MetricsSource {
  const facts = parts.facts();
  const { capacity, generation, geo, lastReload, latency, version, workers } = parts.nodeStatus();
  return {
    version,
    generation,
    geoBuiltAtMs: geo.builtAtMs,
    latency,
    capacity,
    slotTotal: parts.slotTotal,
    socketQueues: parts.socketQueues,
    hasCollector: parts.hasCollector,
    regions: () => regionStatuses(facts),
    upstreams: () => upstreamStatuses(facts),
    counts: () => facts.counts(),
    workerRestarts: () => new Map(workers.map(({ name, restarts }) => [name, restarts])),
    lastReload,
    overrides: parts.overrides.current().length,
  };
}
