import { redactConfig } from '../config/redact.ts';
import type { DrillPhases } from '../drill/plan.ts';
import type { Override } from '../health/override.ts';
import { explain } from '../nameserver/explain.ts';
import type { Clock } from './clock.ts';
import type {
  ControlPlane,
  NodeStatus,
  OverrideRequest,
  ReloadResult,
  Target,
} from './control-plane.ts';
import { createDrills, type Drills } from './drills.ts';
import type { Events } from './events.ts';
import { createMetrics, type MetricsSource } from './metrics.ts';
import { checkOverride, checkTarget, overrideStatus } from './override-requests.ts';
import type { Overrides } from './overrides.ts';
import {
  type Facts,
  poolStatuses,
  regionStatuses,
  upstreamStatuses,
  zoneStatuses,
} from './status.ts';

/** The control plane of one node, made of its parts. What a part cannot do is not here. */
export type PlaneParts = {
  readonly clock: Clock;
  readonly overrides: Overrides;
  readonly events: Events;
  /** As of now; called per request of the API, never per query. */
  facts(): Facts;
  nodeStatus(): NodeStatus;
  reload(by: string): Promise<ReloadResult>;
  slotTotal(slot: number): number;
  readonly drillPhases: DrillPhases;
};

export function createControlPlane(parts: PlaneParts): { plane: ControlPlane; drills: Drills } {
  const { clock, events, facts, overrides } = parts;
  const drills = createPlaneDrills(parts);
  const metrics = createMetrics();
  const plane: ControlPlane = {
    status: parts.nodeStatus,
    regions: () => regionStatuses(facts()),
    pools: () => poolStatuses(facts()),
    zones: () => zoneStatuses(facts()),
    balancers: () => upstreamStatuses(facts()),
    explain(question) {
      const { serving, words } = facts();
      const { geo, geoTable, snapshot } = serving;
      return explain({ snapshot, words, geo, geoTable }, question, clock.nowMs());
    },
    overrides: () => overrides.current().map(overrideStatus),
    setOverride: (request) => setOverride(parts, request),
    clearOverride: (target, by) => clearOverride(parts, target, by),
    reload: parts.reload,
    predictDrill: drills.predict,
    startDrill: drills.start,
    drills: drills.list,
    stopDrill: drills.stop,
    events: events.read,
    subscribe: events.subscribe,
    metrics: () => metrics.render(metricsSource(parts)),
    config: () => redactConfig(facts().serving.config),
  };
  return { plane, drills };
}

async function setOverride(parts: PlaneParts, request: OverrideRequest) {
  const { serving, words } = parts.facts();
  const problem = checkOverride(request, serving, words);
  if (problem) return problem;
  const { action, by, forSeconds, reason, target } = request;
  const setAtMs = parts.clock.nowMs();
  const expiry = forSeconds === undefined ? {} : { expiresAtMs: setAtMs + forSeconds * 1000 };
  const override: Override = { target, action, reason, by, setAtMs, ...expiry };
  await parts.overrides.set(override);
  const until = forSeconds === undefined ? '' : ` for ${forSeconds} s`;
  const why = reason === '' ? '' : `: ${reason}`;
  const verb = action === 'drain' ? 'drained' : `forced ${action}`;
  const message = `${target.kind} ${target.name} is ${verb}${until} by ${by}${why}.`;
  parts.events.record(
    `${target.kind}.${action === 'drain' ? 'drain' : `force-${action}`}`,
    target.name,
    message,
  );
  return overrideStatus(override);
}

async function clearOverride(parts: PlaneParts, target: Target, by: string) {
  const unknown = checkTarget(target, parts.facts().serving);
  if (unknown) return unknown;
  const gone = await parts.overrides.clear(
    (override) =>
      override.drill === undefined &&
      override.target.kind === target.kind &&
      override.target.name === target.name,
  );
  const [last] = gone;
  if (!last) {
    return {
      problem: 'not-found',
      code: 'no-override',
      message: `There is no override on ${target.kind} ${target.name}.`,
      hint: 'GET /api/v1/overrides lists those in force; one that a drill set ends with the drill.',
    } as const;
  }
  const message = `The ${last.action} of ${target.kind} ${target.name} is lifted by ${by}.`;
  parts.events.record(`${target.kind}.undrain`, target.name, message);
  return { ...overrideStatus(last), action: 'cleared' as const };
}

function createPlaneDrills(parts: PlaneParts): Drills {
  const { clock, events, overrides } = parts;
  return createDrills({
    clock,
    overrides,
    events,
    phases: parts.drillPhases,
    steeredNames: () => parts.facts().serving.names,
    word: (endpoint) => parts.facts().words[endpoint] ?? 0,
    answers: () =>
      regionStatuses(parts.facts()).map(({ name, answersTotal }) => ({
        region: name,
        answers: answersTotal,
      })),
    situation() {
      const facts = parts.facts();
      return {
        regions: regionStatuses(facts).map(({ name, capacity }) => ({ name, capacity })),
        pools: poolStatuses(facts).map(({ name, endpoints }) => ({
          name,
          endpoints: endpoints.map(({ region, state }) => ({
            region,
            usable: !['down', 'drained', 'forced-down'].includes(state),
          })),
        })),
      };
    },
  });
}

function metricsSource(parts: PlaneParts): MetricsSource {
  const facts = parts.facts();
  const { generation, geo, lastReload, version, workers } = parts.nodeStatus();
  return {
    version,
    generation,
    geoBuiltAtMs: geo.builtAtMs,
    slotTotal: parts.slotTotal,
    regions: () => regionStatuses(facts),
    upstreams: () => upstreamStatuses(facts),
    serverCounts: () => facts.serverCounts,
    workerRestarts: () => new Map(workers.map(({ name, restarts }) => [name, restarts])),
    lastReload,
    overrides: parts.overrides.current().length,
  };
}
