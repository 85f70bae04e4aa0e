import { compileBalancer } from '../balancer/compile.ts';
import type { ServerCounts } from '../balancer/counters.ts';
import type { ServerState } from '../balancer/messages.ts';
import type { BalancerListenerConfig, Config } from '../config/config.ts';
import type { SocketProblem } from '../io/sockets.ts';
import type { Syscalls } from '../io/syscall.ts';
import type { Log } from '../telemetry/log.ts';
import { type BalancerGroup, createBalancerGroup } from './balancer-group.ts';
import { createBalancerTotals } from './balancer-totals.ts';
import type { Thread } from './thread.ts';

/**
 * The balancer workers of a node: for each region whose VIPs it serves as many threads as
 * configured, so that what happens to one region's balancer is not felt in another's.
 */
export type BalancerWorkers = {
  readonly ready: Promise<SocketProblem | undefined>;
  /** Takes a new configuration: new listeners are opened, gone ones close, the others go on. */
  publish(config: Config): readonly SocketProblem[];
  publishServers(states: readonly ServerState[]): void;
  servers(): readonly ServerCounts[];
  threads(): readonly Thread[];
  stop(graceMs: number): Promise<void>;
};

export type BalancerWorkersOptions = {
  readonly config: Config;
  readonly file: URL;
  readonly syscalls: Syscalls | undefined;
  readonly states: readonly ServerState[];
  readonly log: Log;
};

export type OpenedBalancer =
  | { readonly ok: true; readonly workers: BalancerWorkers }
  | { readonly ok: false; readonly problems: readonly SocketProblem[] };

/** How long requests of a region that left the configuration may still take. */
const RETIRE_GRACE_MS = 10_000;

export function openBalancerWorkers(options: BalancerWorkersOptions): OpenedBalancer {
  const totals = createBalancerTotals();
  const groups = new Map<string, BalancerGroup>();
  let states = options.states;
  let generation = 0;
  let onProblem: (problem: SocketProblem) => void = () => {};
  const firstProblem = new Promise<SocketProblem>((resolve) => {
    onProblem = resolve;
  });

  /** First everything is opened, then everything is served: a taken port starts nothing. */
  const publish = (config: Config): readonly SocketProblem[] => {
    const wanted = listenersByRegion(config);
    const problems: SocketProblem[] = [];
    for (const [region, listeners] of wanted) {
      const { file, log, syscalls } = options;
      const threads = Math.max(1, config.node.workers.balancer);
      const group =
        groups.get(region) ??
        createBalancerGroup({
          region,
          threads,
          file,
          syscalls,
          totals,
          log,
          states: () => states,
          onProblem,
        });
      groups.set(region, group);
      problems.push(...group.openListeners(listeners));
    }
    if (problems.length > 0 && generation === 0) return problems;
    generation += 1;
    for (const [region, group] of groups) {
      if (wanted.has(region)) {
        const nodeName = config.node.name;
        group.serve(compileBalancer(config.balancer, { generation, nodeName, regions: [region] }));
        continue;
      }
      groups.delete(region);
      void group.stop(RETIRE_GRACE_MS);
    }
    return problems;
  };

  const threads = (): Thread[] => [...groups.values()].flatMap((group) => group.threads());
  const stop = async (graceMs: number): Promise<void> => {
    await Promise.all([...groups.values()].map((group) => group.stop(graceMs)));
  };
  const problems = publish(options.config);
  if (problems.length > 0) {
    void stop(0);
    return { ok: false, problems };
  }
  const allReady = Promise.all(threads().map(({ ready }) => ready)).then(() => undefined);
  const workers: BalancerWorkers = {
    ready: Promise.race([allReady, firstProblem]),
    publish,
    publishServers(next) {
      states = next;
      for (const group of groups.values()) group.publishServers();
    },
    servers: totals.read,
    threads,
    stop,
  };
  return { ok: true, workers };
}

function listenersByRegion(config: Config): Map<string, BalancerListenerConfig[]> {
  const byRegion = new Map<string, BalancerListenerConfig[]>();
  for (const listener of config.balancer.listeners) {
    byRegion.set(listener.region, [...(byRegion.get(listener.region) ?? []), listener]);
  }
  return byRegion;
}
