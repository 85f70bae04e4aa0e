import { formatPrefix } from '../ip/prefix.ts';
import { parseOptions } from './policy-chains.ts';
import type { LeafChain, PolicyNode } from './policy-tree.ts';
import { matchedNode, partOf, wayOf } from './policy-tree.ts';
import type {
  Candidate,
  Chain,
  ChooseFunction,
  ClientFact,
  ClientNetwork,
  Marks,
  NetworkSet,
  Tiers,
  Trace,
} from './step.ts';
import { steeringStep } from './steps/registry.ts';

/** A chain with its forks, compiled once, and what it has to know of clients. */
export type Policy = {
  readonly root: PolicyNode;
  readonly reads: ReadonlySet<ClientFact>;
  /** Sets of networks that steps tell clients apart by, by their numbers. */
  readonly networks: readonly NetworkSet[];
  /** Autonomous systems that steps tell apart. */
  readonly systems: ReadonlySet<number>;
  /** Some step goes by a plan: clients are told apart by area (area.ts). */
  readonly isPlanned: boolean;
};

/** The step that the ladder of decide.ts must know of. */
const HEALTH_STEP = 'healthy';

/**
 * Compiles a validated chain, whose forks have the chains that they name with them (inlineChain()). Options go
 * through their step's schema once more, so that defaults are in place whoever calls. Throws on a kind or
 * options that validation would have refused.
 */
export function compilePolicy(chain: Chain): Policy {
  const reads = new Set<ClientFact>();
  const networks: NetworkSet[] = [];
  const systems = new Set<number>();
  const numbers = new Map<string, number>();
  const marks: Marks = (set) => {
    reads.add('networks');
    // A step before a fork is in each of its chains; every set is laid over all that is known of the world.
    const text = set.map(({ prefix, value }) => `${formatPrefix(prefix)} ${value}`).join();
    const number = numbers.get(text) ?? networks.push(set) - 1;
    numbers.set(text, number);
    return number;
  };
  const grow = (steps: Chain): PolicyNode => {
    const at = steps.findIndex(({ kind }) => stepOf(kind).stage === 'fork');
    const step = at < 0 ? undefined : stepOf(steps[at]!.kind);
    if (step?.stage !== 'fork') return { kind: 'chain', chain: compileLeaf(steps, knows, marks) };
    const before = steps.slice(0, at);
    const options = parseOptions(step, steps[at]!.options);
    knows(step, options);
    const rest = steps.slice(at + 1);
    const follow = (other: Chain = rest): PolicyNode => grow([...before, ...other]);
    return step.compile(options, { follow, rest, marks });
  };
  const knows = (step: Knowing, options: unknown): void => {
    for (const fact of step.reads(options)) reads.add(fact);
    for (const system of step.systems?.(options) ?? []) systems.add(system);
  };
  const root = grow(chain);
  const isPlanned = leafChains(root).some((leaf) => leaf.isPlanned);
  if (isPlanned) reads.add('location');
  return { root, reads, networks, systems, isPlanned };
}

type Knowing = {
  reads(options: unknown): readonly ClientFact[];
  systems?(options: unknown): readonly number[];
};

function stepOf(kind: string) {
  const step = steeringStep(kind);
  if (step === undefined) throw new Error(`No steering step is called "${kind}".`);
  return step;
}

/**
 * `healthy` always chooses first: a step before it could throw away the only healthy endpoint and keep a
 * dead one. Otherwise the order of the chain holds, of its mapping steps and of its choosing steps.
 */
function compileLeaf(
  chain: Chain,
  knows: (step: Knowing, options: unknown) => void,
  marks: Marks,
): LeafChain {
  const map: LeafChain['map'][number][] = [];
  const choose: { kind: string; run: ChooseFunction }[] = [];
  let healthyMin = 1;
  let [looksBehind, isPlanned, isShared] = [false, false, false];
  for (const { kind, options } of chain) {
    const step = stepOf(kind);
    const parsed = parseOptions(step, options);
    if (step.stage === 'map') {
      const fences = step.fences?.(parsed) ?? false;
      map.push({ kind, run: step.compile(parsed, marks), fences, ways: step.ways?.(parsed) });
      knows(step, parsed);
    } else if (step.stage === 'choose') {
      choose.push({ kind, run: step.compile(parsed) });
      looksBehind ||= step.looksBehind?.(parsed) ?? false;
      isPlanned ||= step.isPlanned ?? false;
      isShared ||= step.isShared ?? false;
      if (kind === HEALTH_STEP) healthyMin = (parsed as { readonly min: number }).min;
    }
  }
  const isHealthy = ({ kind }: { readonly kind: string }): boolean => kind === HEALTH_STEP;
  return {
    map,
    choose: [...choose.filter(isHealthy), ...choose.filter((step) => !isHealthy(step))],
    readsHealth: choose.some(isHealthy),
    healthyMin,
    looksBehind,
    isPlanned,
    isShared,
  };
}

/** All chains of a tree. */
export function leafChains(node: PolicyNode): readonly LeafChain[] {
  switch (node.kind) {
    case 'chain':
      return [node.chain];
    case 'match':
      return [...node.parts.map((part) => part.node), node.otherwise].flatMap(leafChains);
    default:
      return branchesOf(node).flatMap((branch) => leafChains(branch.node));
  }
}

/** Whether some of its clients are dealt out by lot. */
export function hasSplit(node: PolicyNode): boolean {
  switch (node.kind) {
    case 'chain':
      return false;
    case 'split':
      return true;
    case 'match':
      return [...node.parts.map((part) => part.node), node.otherwise].some(hasSplit);
    default:
      return branchesOf(node).some((branch) => hasSplit(branch.node));
  }
}

/** True when it tells clients apart by where they are, and not only by whose network they are in. */
export const readsPlace = ({ reads }: Policy): boolean => reads.has('location');

/**
 * What a policy makes of the candidates for one client network: the ways that the client goes on from matches
 * (MatchPart), in the order of the tree, and the tiers of each chain that is left, likewise.
 */
export type Preference = {
  readonly parts: readonly number[];
  readonly leaves: readonly Tiers[];
};

/**
 * The preference for one client network. A chain without mapping steps has one tier. A step that leaves nothing
 * is skipped, but a chain may come out empty when its part of a fork is for endpoints that the pool does not
 * have; when all do, the first has the candidates as they are.
 */
export function preferenceOf(
  { root }: Pick<Policy, 'root'>,
  candidates: readonly Candidate[],
  client: ClientNetwork,
  trace?: Trace,
): Preference {
  const parts: number[] = [];
  const leaves: Tiers[] = [];
  const visit = (node: PolicyNode, path: string): void => {
    switch (node.kind) {
      case 'chain':
        leaves.push(mapTiers(node.chain, candidates, client, labelled(trace, path)));
        return;
      case 'match': {
        const part = partOf(node.parts, client);
        const { label, node: next } = matchedNode(node, part);
        parts.push(wayOf(node.parts, part));
        trace?.({ step: 'match', kept: [], dropped: [], note: `the client is one of: ${label}` });
        visit(next, path);
        return;
      }
      default:
        for (const { label, node: next } of branchesOf(node)) visit(next, `${path}${label}: `);
    }
  };
  visit(root, '');
  if (candidates.length > 0 && leaves.every((tiers) => tiers.length === 0)) {
    traceSkipped('fence', candidates, trace);
    leaves[0] = [candidates];
  }
  return { parts, leaves };
}

/** Where a tree goes on by state: all of it is looked at when a map is built. */
export function branchesOf(
  node: Extract<PolicyNode, { kind: 'split' | 'try' | 'schedule' }>,
): readonly { readonly label: string; readonly node: PolicyNode }[] {
  if (node.kind !== 'schedule') return node.parts;
  return [
    { label: node.label, node: node.during },
    { label: 'otherwise', node: node.otherwise },
  ];
}

/** With the part of the policy that a step belongs to before its name. */
export function labelled(trace: Trace | undefined, path: string): Trace | undefined {
  if (trace === undefined || path === '') return trace;
  return (line) => trace({ ...line, step: `${path}${line.step}` });
}

/**
 * The tiers of one chain, best first, and in each the order of the pool: any other would make more classes of nothing.
 * @param watch told of each step before it runs, with the tiers that it begins with
 */
export function mapTiers(
  { map }: LeafChain,
  candidates: readonly Candidate[],
  client: ClientNetwork,
  trace?: Trace,
  watch?: (step: LeafChain['map'][number], tiers: Tiers) => void,
): Tiers {
  let tiers: Tiers = candidates.length === 0 ? [] : [candidates];
  for (const step of map) {
    const { fences, kind, run } = step;
    watch?.(step, tiers);
    const mapped = run(tiers, client, trace).filter((tier) => tier.length > 0);
    if (mapped.length > 0 || fences) tiers = mapped;
    else if (tiers.length > 0) traceSkipped(kind, tiers.flat(), trace);
  }
  return tiers.map((tier) =>
    tier.length < 2 ? tier : tier.toSorted((a, b) => a.endpoint - b.endpoint),
  );
}

/** Says in `explain` that a step would have left nothing, and was therefore passed over. */
export function traceSkipped(kind: string, kept: readonly Candidate[], trace?: Trace): void {
  trace?.({
    step: kind,
    kept: kept.map((candidate) => candidate.name),
    dropped: [],
    note: 'would have left nothing: skipped',
  });
}
