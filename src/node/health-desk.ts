import type { ServerState } from '../balancer/messages.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../control/clock.ts';
import type { Events } from '../control/events.ts';
import type { Override } from '../health/override.ts';
import {
  createHealthTable,
  type EndpointHealthStatus,
  type HealthEvent,
} from '../monitoring/health-table.ts';
import { endpointJobs, healthEndpoints, healthServers, serverJobs } from '../monitoring/jobs.ts';
import { createMonitoring, type MonitoringJob } from '../monitoring/monitoring.ts';
import { createServerHealth, type ServerStatus } from '../monitoring/servers.ts';
import { probeKinds } from '../probe/registry.ts';
import type { Log } from '../telemetry/log.ts';
import type { SavedState } from './state-file.ts';

/**
 * Where all that is known of health comes together on a node: the probes of its roles, the verdicts,
 * the table of endpoints that DNS answers from, and the flags of servers that the balancer uses.
 */
export type HealthDesk = {
  /** Takes what was known before a restart; call before `start`. */
  importState(saved: SavedState): void;
  exportState(): Omit<SavedState, 'overrides'>;
  start(config: Config, overrides: readonly Override[]): void;
  /** Begins to probe; until then what was known before stands. */
  probe(): void;
  /** Another configuration: returns its endpoints' words. What is known of those that stay is kept. */
  setConfig(config: Config): Uint32Array;
  setOverrides(overrides: readonly Override[]): void;
  words(): Uint32Array;
  serverStates(): readonly ServerState[];
  status(endpoint: string): EndpointHealthStatus | undefined;
  serverStatus(upstream: string, server: string): ServerStatus | undefined;
  onWords(listener: (words: Uint32Array) => void): void;
  onServers(listener: (states: readonly ServerState[]) => void): void;
  setVantage(name: string, awake: boolean): void;
  close(): Promise<void>;
};

export function createHealthDesk(log: Log, events: Events, draw: () => number): HealthDesk {
  let tellWords: (words: Uint32Array) => void = () => {};
  let tellServers: (states: readonly ServerState[]) => void = () => {};
  let servers: ReturnType<typeof healthServers> = [];
  const record = (happened: readonly HealthEvent[]): void => {
    for (const { kind, message, subject } of happened) {
      const isBad = kind.endsWith('.down') || kind.endsWith('.degraded');
      events.record(kind, subject, message, isBad ? 'warn' : 'info');
    }
  };
  const table = createHealthTable({
    clock: systemClock,
    onChange(words, happened) {
      tellWords(words);
      record(happened);
    },
  });
  const serverHealth = createServerHealth({
    onChange(_flags, happened) {
      tellServers(serverStates());
      record(happened);
    },
  });
  const serverStates = (): readonly ServerState[] => {
    const flags = serverHealth.flags();
    return servers.map(({ name, upstream }, index) => ({
      upstream,
      server: name,
      usable: flags[index] !== 0,
    }));
  };
  const monitoring = createMonitoring({
    clock: systemClock,
    draw,
    probes: probeKinds,
    log,
    onVerdict(verdict) {
      table.observe(verdict);
      serverHealth.observe(verdict);
    },
  });
  let isProbing = false;
  let probed: Config | undefined;
  const setConfig = (config: Config): Uint32Array => {
    const { roles } = config.node;
    probed = config;
    servers = roles.includes('balancer') ? healthServers(config) : [];
    serverHealth.setServers(servers);
    table.setEndpoints(healthEndpoints(config));
    // Jobs that are new but whose target is known speak at once: only then are the words complete.
    if (isProbing) monitoring.setJobs(jobsOf(config));
    return table.words();
  };
  return {
    importState(saved) {
      monitoring.importState(saved.monitoring);
      table.importState(saved.health);
    },
    exportState: () => ({ monitoring: monitoring.exportState(), health: table.exportState() }),
    start(config, overrides) {
      setConfig(config);
      table.setOverrides(overrides);
    },
    probe() {
      isProbing = true;
      if (probed) monitoring.setJobs(jobsOf(probed));
    },
    setConfig,
    setOverrides: table.setOverrides,
    words: table.words,
    serverStates,
    status: table.status,
    serverStatus: serverHealth.status,
    onWords(listener) {
      tellWords = listener;
    },
    onServers(listener) {
      tellServers = listener;
    },
    setVantage(name, awake) {
      if (awake) monitoring.startVantage(name);
      else monitoring.stopVantage(name);
    },
    async close() {
      table.close();
      await monitoring.close();
    },
  };
}

/** What this node's roles have to look at. */
function jobsOf(config: Config): readonly MonitoringJob[] {
  const { roles } = config.node;
  return [
    ...(roles.includes('prober') ? endpointJobs(config) : []),
    ...(roles.includes('balancer') ? serverJobs(config) : []),
  ];
}
