import type { AgentReport } from '../../src/health/statement.ts';
import type { WholeNode } from '../scenario/whole-node.ts';
import type { Plan } from './plan.ts';
import type { Truth } from './truth.ts';

/**
 * The balancers of the regions that a node stands for, as far as they tell of themselves: for each of
 * their endpoints whether it could serve. Those of a region are the node's that has its first vantage
 * point. They go by the node's own clock, so that they stand still with it.
 */
export function runAgents(
  plan: Plan,
  truth: Truth,
  name: string,
  { scenario }: WholeNode,
): () => void {
  const everyMs = Math.min(Math.max(plan.monitor.intervalMs / 4, EVERY_MIN_MS), EVERY_MAX_MS);
  const regions = plan.regions.filter(
    (region) => plan.nodes.find((node) => hasEyesIn(node, region.name))?.name === name,
  );
  const endpoints = plan.pools.flatMap((pool) =>
    regions.flatMap((region) =>
      pool.regions.includes(region.name) ? [{ pool: pool.name, port: pool.port, ...region }] : [],
    ),
  );
  let cancel = (): void => {};
  const report = (): void => {
    cancel = scenario.clock.setTimer(everyMs, report);
    const heardAtMs = scenario.clock.nowMs();
    scenario.exchange.setReports(
      endpoints.map(({ name: region, pool, port, vip: address }): AgentReport => {
        const ready = truth.isReady(`${pool}/${region}`);
        const load = { requestsPerSecond: 0, active: 0, serversTotal: 1 };
        const said = { ready, reason: ready ? 'serving' : 'no server is usable' };
        const place = { node: name, region, address, port };
        const serversUsable = Number(ready);
        return { ...place, ...said, ...load, serversUsable, heardAtMs, leaseMs: 3 * everyMs };
      }),
    );
  };
  if (plan.hasAgents) report();
  return () => cancel();
}

const EVERY_MIN_MS = 1000;
const EVERY_MAX_MS = 15_000;

const hasEyesIn = ({ vantages }: Plan['nodes'][number], name: string): boolean =>
  vantages.some(({ region }) => region === name);
