import type { Config } from '../config/config.ts';
import { systemClock } from '../control/clock.ts';
import {
  agentReports,
  type LoadSample,
  nodeLoad,
  REPORT_INTERVAL_MS,
} from '../monitoring/agent.ts';
import type { BalancerWorkers } from '../workers/balancer-workers.ts';
import type { Parts } from './parts.ts';

/** This node's balancer as it reports itself: now and then, when servers change, and when it leaves. */
export type Agent = {
  report(): void;
  /** From now on it says that it serves nobody: answers move while what is in flight is finished. */
  leave(): void;
  close(): void;
};

export function createAgent(
  { desk, link }: Pick<Parts, 'desk' | 'link'>,
  balancer: BalancerWorkers | undefined,
  config: () => Config,
): Agent {
  let before: LoadSample | undefined;
  let after: LoadSample | undefined;
  let leaving = false;
  const report = (): void => {
    if (balancer === undefined) return;
    const { balancer: settings, node } = config();
    const nowMs = systemClock.nowMs();
    const flows = settings.listeners.filter(({ layer4 }) => layer4 !== undefined);
    const load =
      after === undefined
        ? { listeners: [], servers: [] }
        : nodeLoad(before, after, new Set(flows.map(({ name }) => name)));
    const states = desk.serverStates();
    const facts = { node: node.name, nowMs, states, load, leaving };
    const reports = agentReports(settings, facts);
    // Its own end is no outage here: this node answers to the last as it did.
    if (leaving) link.exchange.tellReports(reports);
    else link.exchange.setReports(reports);
  };
  const timer = setInterval(() => {
    before = after;
    const counts = balancer?.counts(['listener', 'server']);
    after = {
      atMs: systemClock.nowMs(),
      listeners: counts?.listeners ?? [],
      servers: counts?.servers ?? [],
    };
    report();
  }, REPORT_INTERVAL_MS);
  timer.unref();
  report();
  return {
    report,
    leave() {
      leaving = true;
      report();
    },
    close: () => clearInterval(timer),
  };
}
