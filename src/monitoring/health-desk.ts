import type { ServerState } from '../balancer/messages.ts';
import type { Config } from '../config/config.ts';
import type { HealthWords } from '../health/health-words.ts';
import type { Override } from '../health/override.ts';
import type { AgentReport, Statement, VantageWord } from '../health/statement.ts';
import type { ProbeKind } from '../probe/probe.ts';
import {
  createHealthTable,
  type EndpointHealthStatus,
  type HealthEvent,
  type HealthTable,
  type HeldJudgement,
} from './health-table.ts';
import {
  canaryJobs,
  canaryOf,
  endpointJobs,
  healthEndpoints,
  healthPools,
  healthServers,
  SERVER_VANTAGE,
  serverJobs,
} from './jobs.ts';
import { createLocalFaults, type LocalFaults } from './local-faults.ts';
import {
  createMonitoring,
  type Monitoring,
  type MonitoringClock,
  type MonitoringJob,
  type VantageVerdict,
} from './monitoring.ts';
import { createSelfWatch, type SelfWatch } from './self-watch.ts';
import { serverStates } from './server-states.ts';
import { createServerHealth, type ServerStatus } from './servers.ts';
import { statementOf } from './vantage-health.ts';
import { createWarnings } from './warnings.ts';

/**
 * Where all that is known of health comes together on a node: the probes of its roles, what other
 * nodes say, the table of endpoints that DNS answers from, and the flags of servers that the
 * balancer uses. It has no clock, no randomness and no wire of its own, so that a rehearsal with a
 * moved clock and a virtual network runs exactly this.
 */
export type HealthDesk = {
  /** Takes what was known before a restart; call before `start`. */
  importState(saved: SavedHealth): void;
  exportState(): SavedHealth;
  start(config: Config, overrides: readonly Override[]): void;
  /** Begins to probe; until then what was known before stands. */
  probe(): void;
  /** Another configuration: returns its endpoints' words. What is known of those that stay is kept. */
  setConfig(config: Config): HealthWords;
  /** The same configuration with other servers behind the balancer. */
  setServers(config: Config): void;
  setOverrides(overrides: readonly Override[]): void;
  words(): HealthWords;
  serverStates(): readonly ServerState[];
  status(endpoint: string): EndpointHealthStatus | undefined;
  serverStatus(upstream: string, server: string): ServerStatus | undefined;
  /** What other nodes say. */
  readonly ears: HealthEars;
  /** This node's vantage points as they are now. */
  vantages(): readonly VantageWord[];
  reports(): readonly AgentReport[];
  heldJudgements(): readonly HeldJudgement[];
  /** Silences a vantage point, or wakes it again. */
  setVantage(name: string, awake: boolean): void;
  close(): Promise<void>;
};

export type SavedHealth = { readonly monitoring: unknown; readonly health: unknown };

export type HealthEars = {
  observe(statement: Statement): void;
  withdraw(vantage: string, key: string): void;
  hear(word: VantageWord): void;
  report(report: AgentReport): void;
  hearJudgement(judgement: HeldJudgement): void;
};

/** What a desk tells others. */
export type HealthVoice = {
  readonly onWords: (words: HealthWords) => void;
  readonly onServers: (states: readonly ServerState[]) => void;
  /** What people should hear. */
  readonly onEvents: (events: readonly HealthEvent[]) => void;
  /** A vantage point of this node has seen something. */
  readonly onStatement: (statement: Statement) => void;
  /** One of them speaks of a target no more. */
  readonly onWithdrawn: (vantage: string, key: string) => void;
  /** One of them begins or ends to distrust itself. */
  readonly onVantage: (word: VantageWord) => void;
  /** There are other targets now: what others have said of them is to be told again. */
  readonly onTargets: () => void;
};

export type HealthDeskDeps = HealthVoice & {
  readonly clock: MonitoringClock;
  /** A random number in [0, 1). */
  readonly draw: () => number;
  readonly probes: readonly ProbeKind[];
};

export function createHealthDesk(deps: HealthDeskDeps): HealthDesk {
  const { clock } = deps;
  const servers = createServerDesk(deps);
  const { onWords: tellWords, onEvents } = deps;
  const tell = (events: readonly HealthEvent[]): void => {
    if (events.length > 0) onEvents(events);
  };
  const faults = createLocalFaults(clock, tell);
  const table = createHealthTable({
    clock,
    faultsOf: faults.of,
    onChange(words, events) {
      tellWords(words);
      tell(events);
    },
  });
  const monitoring = createMonitoring({
    clock,
    draw: deps.draw,
    probes: deps.probes,
    onAttempt: ({ key, vantage }, fault) => faults.note(vantage, key, fault),
    onVerdict(verdict) {
      if (verdict.vantage === SERVER_VANTAGE) servers.observe(verdict);
      else sight.take(statementOf(verdict));
    },
  });
  const watch = watchOwnEyes({ ...deps, table, monitoring }, tell);
  const sight = createSight({ ...deps, faults, table, watch }, tell);
  const jobs = createJobs(monitoring.setJobs, sight.drop);
  const setConfig = (config: Config): HealthWords => {
    servers.setConfig(config);
    const regions = Object.keys(config.regions);
    table.setEndpoints({ endpoints: healthEndpoints(config), pools: healthPools(config), regions });
    // Jobs that are new but whose target is known speak at once: only then are the words complete.
    watch.setVantages(vantagesOf(config));
    jobs.set(config);
    deps.onTargets();
    return table.words();
  };
  const { hear, hearJudgement, observe, report, withdraw } = table;
  return {
    importState(saved) {
      monitoring.importState(saved.monitoring);
      table.importState(saved.health);
    },
    exportState() {
      const blind = watch.blind();
      const doubted = (job: MonitoringJob) => (isCanary(job) ? undefined : blind.get(job.vantage));
      return { monitoring: monitoring.exportState(doubted), health: table.exportState() };
    },
    start(config, overrides) {
      setConfig(config);
      table.setOverrides(overrides);
    },
    probe() {
      table.wake();
      jobs.begin();
    },
    setConfig,
    setServers(config) {
      servers.setConfig(config);
      jobs.set(config);
    },
    setOverrides: table.setOverrides,
    words: table.words,
    serverStates: servers.states,
    status: table.status,
    serverStatus: servers.status,
    ears: { hear, hearJudgement, observe, report, withdraw },
    vantages: watch.words,
    reports: table.reports,
    heldJudgements: table.heldJudgements,
    setVantage(name, awake) {
      if (awake) monitoring.startVantage(name);
      else monitoring.stopVantage(name);
    },
    async close() {
      table.close();
      watch.close();
      faults.close();
      await monitoring.close();
    },
  };
}

type ServerDesk = {
  setConfig(config: Config): void;
  observe(verdict: VantageVerdict): void;
  states(): readonly ServerState[];
  status(upstream: string, server: string): ServerStatus | undefined;
};

/** The servers behind this node's balancer. */
function createServerDesk({ onEvents, onServers }: HealthVoice): ServerDesk {
  let servers: ReturnType<typeof healthServers> = [];
  const health = createServerHealth({
    onChange(_flags, events) {
      onServers(states());
      if (events.length > 0) onEvents(events);
    },
  });
  const states = (): readonly ServerState[] => {
    return serverStates(servers, health.flags());
  };
  return {
    setConfig(config) {
      servers = config.node.roles.includes('balancer') ? healthServers(config) : [];
      health.setServers(servers);
    },
    observe: health.observe,
    states,
    status: health.status,
  };
}

type Eyes = Pick<HealthDeskDeps, 'clock' | 'onVantage'> & {
  readonly table: HealthTable;
  readonly monitoring: Monitoring;
};

/** This node's vantage points judge themselves, and what they have seen with broken eyes. */
function watchOwnEyes(
  { clock, monitoring, onVantage, table }: Eyes,
  tell: (events: readonly HealthEvent[]) => void,
): SelfWatch {
  return createSelfWatch({
    clock,
    regionSights: table.regionSights,
    onSuspicion: (vantage) => monitoring.hurry((job) => job.vantage === vantage && isCanary(job)),
    canariesAsked: (vantage) =>
      monitoring.inFlight((job) => job.vantage === vantage && isCanary(job)),
    onSight: (vantage, blindSinceMs) =>
      monitoring.doubt((job) => job.vantage === vantage && !isCanary(job), blindSinceMs),
    onWord(word, isNews) {
      table.hear(word);
      onVantage(word);
      if (isNews) tell([trustEvent(word)]);
    },
  });
}

const isCanary = ({ key }: MonitoringJob): boolean => canaryOf(key) !== undefined;

/** Where goes what this node's vantage points see: canaries are for themselves, the rest for all. */
function createSight(
  {
    faults,
    onStatement,
    onWithdrawn,
    table,
    watch,
  }: Pick<HealthVoice, 'onStatement' | 'onWithdrawn'> & {
    readonly faults: LocalFaults;
    readonly table: HealthTable;
    readonly watch: SelfWatch;
  },
  tell: (events: readonly HealthEvent[]) => void,
) {
  const warnings = createWarnings();
  return {
    take(statement: Statement): void {
      watch.observe(statement);
      if (canaryOf(statement.key) !== undefined) return;
      tell(warnings.note(statement));
      table.observe(statement);
      onStatement(statement);
    },
    drop(vantage: string, key: string): void {
      faults.note(vantage, key, undefined);
      if (vantage === SERVER_VANTAGE) return;
      watch.forget(vantage, key);
      if (canaryOf(key) !== undefined) return;
      warnings.forget(vantage, key);
      table.withdraw(vantage, key);
      onWithdrawn(vantage, key);
    },
  };
}

/** The jobs of a configuration, once probing has begun; tells of those that are no more. */
function createJobs(
  setJobs: (jobs: readonly MonitoringJob[]) => void,
  onGone: (vantage: string, key: string) => void,
) {
  let config: Config | undefined;
  let isProbing = false;
  let running = new Map<string, MonitoringJob>();
  const apply = (): void => {
    if (!isProbing || config === undefined) return;
    const jobs = jobsOf(config);
    const before = running;
    running = new Map(jobs.map((job) => [`${job.vantage} ${job.key}`, job]));
    setJobs(jobs);
    for (const [id, { key, vantage }] of before) {
      if (!running.has(id)) onGone(vantage, key);
    }
  };
  return {
    set(next: Config): void {
      config = next;
      apply();
    },
    begin(): void {
      isProbing = true;
      apply();
    },
  };
}

/** What this node's roles have to look at. */
function jobsOf(config: Config): readonly MonitoringJob[] {
  const { roles } = config.node;
  return [
    ...(roles.includes('prober') ? [...endpointJobs(config), ...canaryJobs(config)] : []),
    ...(roles.includes('balancer') ? serverJobs(config) : []),
  ];
}

/** This node's vantage points, as others should know them. */
function vantagesOf({ node }: Config): readonly Omit<VantageWord, 'trusted' | 'reason'>[] {
  if (!node.roles.includes('prober')) return [];
  return node.vantages.map(({ name, region }) => ({
    vantage: name,
    group: region ?? name,
    node: node.name,
    // Its statements carry the times of its own observations: no sign of life beside them.
    heardAtMs: 0,
  }));
}

function trustEvent({ reason, trusted, vantage }: VantageWord): HealthEvent {
  return trusted
    ? { kind: 'vantage.trusted', subject: vantage, message: 'believes its eyes again' }
    : {
        kind: 'vantage.distrusted',
        subject: vantage,
        message: `distrusts its own eyes and abstains: ${reason}`,
      };
}

/** True for what somebody should look at. */
export function isAlarm({ kind }: HealthEvent): boolean {
  return /\.(down|degraded|unreachable|frozen|distrusted|warning|local-fault)$/.test(kind);
}
