import { type Violation, wrong } from './violation.ts';
import type { World } from './world.ts';

/**
 * Nothing grows with time: at the end of a world what is held is of the order of what lives.
 */
export function checkGrowth(world: World): Violation | undefined {
  const { clock, plan } = world;
  const vantages = plan.nodes.flatMap((node) => node.vantages);
  const endpoints = plan.pools.flatMap(({ name, regions }) => regions.map((r) => `${name}/${r}`));
  const nodes = plan.nodes.length;
  // Datagrams on their way are timers too: all that a node says within a second, to all others, twice.
  const timersMax = TIMERS * nodes + DATAGRAMS * nodes * nodes + 4 * vantages.length;
  if (clock.pending() > timersMax) {
    return wrong('nothing grows', `${clock.pending()} timers for ${nodes} nodes`);
  }
  const factsMax = FACTS + endpoints.length;
  for (const [name, { facts, scenario }] of world.living()) {
    if (facts.replica.size().entries > factsMax) {
      return wrong('nothing grows', `${name} holds ${facts.replica.size().entries} facts`);
    }
    const peers = scenario.exchange.peers().length;
    if (peers > PEERS * nodes) return wrong('nothing grows', `${name} knows ${peers} peers`);
    for (const endpoint of endpoints.slice(0, SAMPLE)) {
      const held = scenario.desk.status(endpoint)?.vantages.length ?? 0;
      if (held > vantages.length) {
        return wrong('nothing grows', `${name} holds ${held} votes on ${endpoint}`);
      }
    }
  }
  return undefined;
}

const TIMERS = 120;
const DATAGRAMS = 300;
/** The configuration, and what else is one of its kind. */
const FACTS = 10;
/** A node that has restarted is known twice for a while. */
const PEERS = 4;
const SAMPLE = 5;
