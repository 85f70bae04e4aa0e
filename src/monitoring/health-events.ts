import type { EndpointHealth } from '../health/endpoint-health.ts';
import type { Row } from './health-rows.ts';
import type { HealthEvent } from './health-table.ts';

/** What changes of health say to people: events that alerts can use. */

export function judgedEvent({ endpoint, health }: Row): HealthEvent {
  const { judged } = health;
  return {
    kind: `endpoint.${judged}`,
    subject: endpoint.name,
    message: `${judged}: ${health.judgedReason}`,
  };
}

/** What is out of reach from one region, or in reach again. */
export function nearEvents(
  { endpoint, health, near }: Row,
  before: ReadonlyMap<number, EndpointHealth>,
  regions: readonly string[],
): readonly HealthEvent[] {
  const isApart = (seen: EndpointHealth | undefined): boolean =>
    seen?.judged === 'down' && health.judged !== 'down';
  const events: HealthEvent[] = [];
  for (const index of new Set([...before.keys(), ...near.keys()])) {
    const [was, is] = [before.get(index), near.get(index)];
    if (isApart(is) && was?.judged !== 'down') {
      const message = `out of reach for clients near ${regions[index]}: ${is!.reason}`;
      events.push({ kind: 'endpoint.unreachable', subject: endpoint.name, message });
    } else if (was?.judged === 'down' && !isApart(is) && health.judged !== 'down') {
      const message = `in reach again for clients near ${regions[index]}`;
      events.push({ kind: 'endpoint.reachable', subject: endpoint.name, message });
    }
  }
  return events;
}

/** Pools in which the withdrawal limit begins or ends to keep endpoints in; names are `pool/region`. */
export function freezeEvents(
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
): readonly HealthEvent[] {
  const poolOf = (name: string): string => name.slice(0, name.lastIndexOf('/'));
  const events: HealthEvent[] = [];
  for (const pool of new Set([...before, ...after].map(poolOf))) {
    const namesIn = (set: ReadonlySet<string>): readonly string[] =>
      [...set].filter((name) => poolOf(name) === pool);
    const [had, has] = [namesIn(before), namesIn(after)];
    if (has.some((name) => !before.has(name))) {
      const message = `too much is down at once: ${has.join(', ')} stays in the answers until it is back, a person decides, or the window has passed`;
      events.push({ kind: 'pool.frozen', subject: pool, message });
    } else if (had.length > 0 && has.length === 0) {
      const message = 'the withdrawal limit no longer keeps anything in the answers';
      events.push({ kind: 'pool.thawed', subject: pool, message });
    }
  }
  return events;
}
