import { boundsOf } from './bounds.ts';
import { createEvidence, type Evidence } from './evidence.ts';
import { CANARIES, type Plan, type PlannedVantage } from './plan.ts';

/**
 * What is really so in a simulated world: which endpoints serve, which ways are cut, which eyes are
 * broken. Probes see it through here, and what they saw is kept as evidence.
 */
export type Truth = {
  /** What a probe from this source address finds at the address and port. */
  probe(source: string, address: string, port: number, nowMs: number): Sighting;
  /**
   * Switches a fault on, or off again: `dead p0/r1`, `hung p0/r1`, `slow p0/r1`, `flapping p0/r1`,
   * `dark r1` (a region), `cut r1 r2` (one way), `blind r1-0` (a vantage point), `unready p0/r1` (its
   * balancer says so).
   */
  set(fault: string, isOn: boolean, nowMs: number): void;
  /** How the endpoint is for all who see it over ways that work, and since when. */
  state(endpoint: string): { readonly is: 'fine' | 'dead' | 'unclear'; readonly sinceMs: number };
  /** What its balancer says. */
  isReady(endpoint: string): boolean;
  /** When its balancer last said that it is not ready. */
  unreadyAtMs(endpoint: string): number;
  /** When any eyes were broken or mended last. */
  eyesChangedMs(): number;
  /** Since when nothing is wrong with its own eyes; undefined = something is. */
  soundSinceMs(vantage: Eye): number | undefined;
  /** Since when its own eyes see nothing but failures; undefined = they see. */
  blindSinceMs(vantage: Eye): number | undefined;
  /**
   * Since when eyes without canaries can tell that regions are dead: at least two regions see each other,
   * and all that fails, fails for everybody; undefined = they cannot.
   */
  comparableSinceMs(): number | undefined;
  /** Since when all eyes see, and all ways are open; undefined = they do not. */
  openSinceMs(): number | undefined;
  readonly evidence: Evidence;
};
export type Sighting = 'ok' | 'refused' | 'slow' | 'hung';
type Eye = Pick<PlannedVantage, 'name' | 'region'>;
type State = ReturnType<Truth['state']>;

/** How often an endpoint that flaps refuses. */
const FLAP_SHARE = 0.5;

export function createTruth(plan: Plan, draw: () => number): Truth {
  const active = new Set<string>();
  const evidence = createEvidence(plan);
  const { distrustMs } = boundsOf(plan);
  const states = new Map<string, State>();
  const eyes = new Map<string, { isSound: boolean; sinceMs: number }>();
  const unreadyAtMs = new Map<string, number>();
  let eyesChangedMs = 0;
  const look = lookup(plan);
  const isOn = (...words: readonly string[]): boolean => active.has(words.join(' '));
  const isBlind = ({ name, region }: Eye): boolean => isOn('blind', name) || isOn('dark', region);
  const isCut = (from: string, to: string): boolean =>
    from !== to && (isOn('dark', from) || isOn('dark', to) || isOn('cut', from, to));
  const stateOf = (endpoint: string, region: string): State['is'] => {
    const isOut = isOn('unready', endpoint) || isOn('dark', region);
    if (isOut || isOn('dead', endpoint) || isOn('hung', endpoint)) return 'dead';
    const isImpaired = isOn('slow', endpoint) || isOn('flapping', endpoint);
    const isPartlyCut = plan.regions.some(({ name }) => isOn('cut', name, region));
    return isImpaired || isPartlyCut ? 'unclear' : 'fine';
  };
  const comparable = createSpell();
  const open = createSpell();
  const update = (nowMs: number): void => {
    for (const [endpoint, region] of look.endpoints) {
      const is = stateOf(endpoint, region);
      if (states.get(endpoint)?.is !== is) states.set(endpoint, { is, sinceMs: nowMs });
    }
    for (const vantage of look.vantages.values()) {
      const isSound = !isBlind(vantage);
      const before = eyes.get(vantage.name);
      if (before?.isSound === isSound) continue;
      const wasLong = before !== undefined && nowMs - before.sinceMs > distrustMs;
      if (wasLong && isSound && plan.hasCanaries) evidence.discount(vantage.name, before.sinceMs);
      eyes.set(vantage.name, { isSound, sinceMs: nowMs });
      eyesChangedMs = nowMs;
    }
    const isAny = (...kinds: readonly string[]): boolean =>
      [...active].some((fault) => kinds.includes(fault.split(' ')[0]!));
    const seen = plan.regions.filter(({ name }) =>
      look.endpoints.some(([endpoint, at]) => at === name && states.get(endpoint)?.is === 'fine'),
    );
    // Another fault is another comparison.
    comparable.set(false, nowMs);
    comparable.set(!isAny('cut', 'blind', 'flapping') && seen.length >= 2, nowMs);
    open.set(!isAny('cut', 'blind', 'dark'), nowMs);
  };
  const find = (vantage: PlannedVantage, endpoint: string, region: string): Sighting => {
    if (active.size === 0 && plan.noise === 0) return 'ok';
    if (isBlind(vantage) && vantage.region !== region) return 'refused';
    if (isOn('blind', vantage.name) || isCut(vantage.region, region)) return 'refused';
    if (isOn('dead', endpoint)) return 'refused';
    if (isOn('hung', endpoint)) return 'hung';
    if (isOn('flapping', endpoint) && draw() < FLAP_SHARE) return 'refused';
    if (plan.noise > 0 && draw() < plan.noise) return 'refused';
    return isOn('slow', endpoint) ? 'slow' : 'ok';
  };
  update(0);
  return {
    probe(source, address, port, nowMs) {
      const vantage = look.vantages.get(source);
      if (vantage === undefined) throw new Error(`nobody probes from ${source}`);
      if (look.canaries.has(address)) return isBlind(vantage) ? 'refused' : 'ok';
      const region = look.regionOfVip.get(address)!;
      const endpoint = `${look.poolOfPort.get(port)}/${region}`;
      const sighting = find(vantage, endpoint, region);
      evidence.see(vantage, endpoint, sighting === 'ok' || sighting === 'slow', nowMs);
      return sighting;
    },
    set(fault, on, nowMs) {
      const [kind, about = ''] = fault.split(' ');
      if (kind === 'unready') unreadyAtMs.set(about, on ? Number.POSITIVE_INFINITY : nowMs);
      if (on) active.add(fault);
      else active.delete(fault);
      update(nowMs);
    },
    state: (endpoint) => states.get(endpoint)!,
    isReady: (endpoint) => !isOn('unready', endpoint),
    unreadyAtMs: (endpoint) => unreadyAtMs.get(endpoint) ?? Number.NEGATIVE_INFINITY,
    eyesChangedMs: () => eyesChangedMs,
    soundSinceMs({ name }) {
      const { isSound, sinceMs } = eyes.get(name)!;
      return isSound ? sinceMs : undefined;
    },
    blindSinceMs({ name }) {
      const { isSound, sinceMs } = eyes.get(name)!;
      return isSound ? undefined : sinceMs;
    },
    comparableSinceMs: () => comparable.sinceMs,
    openSinceMs: () => open.sinceMs,
    evidence,
  };
}

/** Since when something has been so. */
function createSpell() {
  let sinceMs: number | undefined;
  return {
    get sinceMs(): number | undefined {
      return sinceMs;
    },
    set(isSo: boolean, nowMs: number): void {
      sinceMs = isSo ? (sinceMs ?? nowMs) : undefined;
    },
  };
}

function lookup(plan: Plan) {
  return {
    canaries: new Set(CANARIES),
    regionOfVip: new Map(plan.regions.map(({ name, vip }) => [vip, name])),
    poolOfPort: new Map(plan.pools.map(({ name, port }) => [port, name])),
    /** By source address. */
    vantages: new Map(
      plan.nodes.flatMap((node) => node.vantages.map((each) => [each.source, each] as const)),
    ),
    endpoints: plan.pools.flatMap(({ name, regions }) =>
      regions.map((region) => [`${name}/${region}`, region] as const),
    ),
  };
}
