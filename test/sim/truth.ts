import { CANARIES, type Plan, type PlannedVantage } from './plan.ts';

/**
 * What is really so in a simulated world: which endpoints serve, which ways are cut, which eyes are
 * broken. Probes see it through here, and what was seen is kept, so that nobody can be withdrawn
 * without somebody who has seen it fail.
 */
export type Truth = {
  /** What a probe from this source address finds at the address and port. */
  probe(source: string, address: string, port: number, nowMs: number): Sighting;
  /** Switches a fault on, or off again. */
  set(fault: string, isOn: boolean, nowMs: number): void;
  /** Since when everybody would see the endpoint serve, as far as faults go; undefined = not now. */
  fineSinceMs(endpoint: string): number | undefined;
  /** Since when nobody at all would; undefined = somebody might. */
  deadSinceMs(endpoint: string): number | undefined;
  /** True while nothing is wrong with the vantage point's own eyes. */
  seesWell(vantage: Pick<PlannedVantage, 'name' | 'region'>): boolean;
  /** Since when all eyes are sound; later than now = they are not. */
  eyesSinceMs(): number;
  /** Failure domains in which some probe of the endpoint has failed since then. */
  sawFail(endpoint: string, sinceMs: number): ReadonlySet<string>;
};
export type Sighting = 'ok' | 'refused' | 'slow';

/** Names of faults: `dead p0/r1`, `dark r1` (a region), `cut r1 r2`, `blind r1-0` (a vantage point). */
export function createTruth(plan: Plan, draw: () => number): Truth {
  const active = new Set<string>();
  const regionOfVip = new Map(plan.regions.map(({ name, vip }) => [vip, name]));
  const poolOfPort = new Map(plan.pools.map(({ name, port }) => [port, name]));
  const vantages = new Map(
    plan.nodes.flatMap((node) => node.vantages.map((each) => [each.source, each] as const)),
  );
  const endpoints = plan.pools.flatMap((pool) =>
    pool.regions.map((region) => ({ name: `${pool.name}/${region}`, region })),
  );
  const since = new Map(endpoints.map(({ name }) => [name, { fine: 0, dead: -1 }]));
  /** Endpoint and group -> when a probe failed last. */
  const failures = new Map<string, Map<string, number>>();
  const canaries = new Set(CANARIES);

  const isFine = (name: string, region: string): boolean =>
    !active.has(`dead ${name}`) &&
    !active.has(`slow ${name}`) &&
    !active.has(`dark ${region}`) &&
    ![...active].some(
      (fault) =>
        (fault.startsWith('cut ') && fault.endsWith(` ${region}`)) ||
        fault.startsWith('blind ') ||
        fault.startsWith('dark '),
    );
  const isDead = (name: string): boolean => active.has(`dead ${name}`);
  let eyesSinceMs = 0;
  const update = (nowMs: number): void => {
    const isBroken = [...active].some((fault) => /^(blind|dark) /.test(fault));
    if (isBroken) eyesSinceMs = Number.POSITIVE_INFINITY;
    else if (eyesSinceMs === Number.POSITIVE_INFINITY) eyesSinceMs = nowMs;
    for (const { name, region } of endpoints) {
      const known = since.get(name)!;
      if (!isFine(name, region)) known.fine = -1;
      else if (known.fine < 0) known.fine = nowMs;
      if (!isDead(name)) known.dead = -1;
      else if (known.dead < 0) known.dead = nowMs;
    }
  };
  const isCut = (from: string, to: string): boolean =>
    from !== to &&
    (active.has(`dark ${from}`) || active.has(`dark ${to}`) || active.has(`cut ${from} ${to}`));
  return {
    probe(source, address, port, nowMs) {
      const vantage = vantages.get(source);
      if (vantage === undefined) throw new Error(`nobody probes from ${source}`);
      const isBlind = active.has(`blind ${vantage.name}`);
      const noise = plan.noise > 0 && draw() < plan.noise;
      if (canaries.has(address)) {
        return isBlind || active.has(`dark ${vantage.region}`) || noise ? 'refused' : 'ok';
      }
      const region = regionOfVip.get(address)!;
      const name = `${poolOfPort.get(port)}/${region}`;
      const fails =
        isBlind ||
        noise ||
        isDead(name) ||
        (vantage.region !== region && isCut(vantage.region, region));
      if (!fails) return active.has(`slow ${name}`) ? 'slow' : 'ok';
      const groups = failures.get(name) ?? new Map<string, number>();
      failures.set(name, groups.set(vantage.region, nowMs));
      return 'refused';
    },
    set(fault, isOn, nowMs) {
      if (isOn) active.add(fault);
      else active.delete(fault);
      update(nowMs);
    },
    fineSinceMs(endpoint) {
      const { fine } = since.get(endpoint)!;
      return fine < 0 ? undefined : fine;
    },
    deadSinceMs(endpoint) {
      const { dead } = since.get(endpoint)!;
      return dead < 0 ? undefined : dead;
    },
    seesWell: ({ name, region }) => !active.has(`blind ${name}`) && !active.has(`dark ${region}`),
    eyesSinceMs: () => eyesSinceMs,
    sawFail(endpoint, sinceMs) {
      const groups = failures.get(endpoint) ?? new Map<string, number>();
      return new Set([...groups].filter(([, atMs]) => atMs >= sinceMs).map(([group]) => group));
    },
  };
}
