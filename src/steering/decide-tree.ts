/** What the chains of a policy answer in one state, and which of them do. */
import type { DecideState } from './decide.ts';
import {
  describeWord,
  type Footing,
  findFooting,
  isInPlay,
  RANK_EMPTY,
  type Rung,
  traceLadder,
  worstOf,
} from './ladder.ts';
import { mergeEqual } from './parts.ts';
import { labelled, type Preference, traceSkipped } from './policy.ts';
import { type LeafChain, matchedNode, type PolicyNode } from './policy-tree.ts';
import { WITHIN } from './slots.ts';
import type { Candidate, ChoiceState, Outcome, Tiers, Trace } from './step.ts';
import { percent } from './steps/rotation.ts';
import { windowAt } from './time-window.ts';

export type Found = {
  /** How far down the ladder, 0 = best. */
  readonly rank: number;
  readonly rung: Rung;
  readonly tier: number;
  readonly outcomes: readonly Outcome[];
  /** It holds until the clock says something else. */
  readonly untilMs: number;
  /** By chain, in the order of the preference: tiers from the first on that had to be looked at. */
  readonly tiersSearched: readonly number[];
};

export function decideTree(
  root: PolicyNode,
  preference: Preference,
  state: DecideState,
  trace?: Trace,
): Found {
  if (root.kind === 'chain') {
    return decideChain(root.chain, preference.leaves[0] ?? [], state, trace);
  }
  const bound = bind(root, preference, { part: 0, leaf: 0 });
  const searched = preference.leaves.map(() => 0);
  const context = { preference, state, searched, trace };
  return { ...decideNode(bound, context, ''), tiersSearched: searched };
}

/** A node for one class of clients: its matches are gone, and its chains know their tiers. */
type BoundNode =
  | { readonly kind: 'chain'; readonly chain: LeafChain; readonly leaf: number }
  | {
      readonly kind: 'fork';
      readonly fork: Exclude<PolicyNode, { kind: 'chain' | 'match' }>;
      readonly nodes: readonly BoundNode[];
    };

function bind(
  node: PolicyNode,
  preference: Preference,
  at: { part: number; leaf: number },
): BoundNode {
  if (node.kind === 'chain') {
    at.leaf += 1;
    return { kind: 'chain', chain: node.chain, leaf: at.leaf - 1 };
  }
  if (node.kind === 'match') {
    at.part += 1;
    const part = preference.parts[at.part - 1] ?? node.parts.length;
    return bind(matchedNode(node, part).node, preference, at);
  }
  const nodes =
    node.kind === 'schedule' ? [node.during, node.otherwise] : node.parts.map((part) => part.node);
  return { kind: 'fork', fork: node, nodes: nodes.map((each) => bind(each, preference, at)) };
}

type Context = {
  readonly preference: Preference;
  readonly state: DecideState;
  readonly searched: number[];
  readonly trace: Trace | undefined;
};

type FoundHere = Omit<Found, 'tiersSearched'>;

function decideNode(node: BoundNode, context: Context, path: string): FoundHere {
  if (node.kind === 'chain') {
    const tiers = context.preference.leaves[node.leaf] ?? [];
    const trace = labelled(context.trace, path);
    const found = decideChain(node.chain, tiers, context.state, trace);
    context.searched[node.leaf] = found.tiersSearched[0] ?? 0;
    return found;
  }
  const { fork, nodes } = node;
  switch (fork.kind) {
    case 'try':
      return decideTry(fork, nodes, context, path);
    case 'split':
      return decideSplit(fork, nodes, context, path);
    default:
      return decideSchedule(fork, nodes, context, path);
  }
}

/** The first that stands highest on the ladder. */
function decideTry(
  { parts }: Extract<PolicyNode, { kind: 'try' }>,
  nodes: readonly BoundNode[],
  context: Context,
  path: string,
): FoundHere {
  let best: FoundHere | undefined;
  let chosen = '';
  let untilMs = Number.POSITIVE_INFINITY;
  for (const [index, { label }] of parts.entries()) {
    const found = decideNode(nodes[index]!, context, `${path}${label}: `);
    untilMs = Math.min(untilMs, found.untilMs);
    if (best === undefined || found.rank < best.rank) {
      best = found;
      chosen = label;
    }
    if (best.rank === 0) break;
  }
  traceFork(context.trace, `${path}try`, `"${chosen}" answers`);
  return { ...best!, untilMs };
}

/** Those that stand highest on the ladder, by their shares. */
function decideSplit(
  { draw, parts }: Extract<PolicyNode, { kind: 'split' }>,
  nodes: readonly BoundNode[],
  context: Context,
  path: string,
): FoundHere {
  const found = parts.map(({ label }, index) =>
    decideNode(nodes[index]!, context, `${path}${label}: `),
  );
  const untilMs = Math.min(...found.map((each) => each.untilMs));
  const rank = Math.min(...found.map((each) => (each.outcomes.length > 0 ? each.rank : Infinity)));
  const isIn = found.map((each) => each.outcomes.length > 0 && each.rank === rank);
  const first = isIn.indexOf(true);
  // Operators took out everything there is.
  if (first < 0) return { ...found[0]!, untilMs };
  const shares = sharesOf(parts.map(({ share }, index) => (isIn[index] ? share : -1)));
  const outcomes = found.flatMap((each, index) => {
    if (!isIn[index]) return [];
    const part = draw === undefined ? parts[index]!.label : undefined;
    return each.outcomes.map((outcome) => ({
      ...outcome,
      share: outcome.share * shares[index]!,
      part: part === undefined ? outcome.part : joinKeys(part, outcome.part),
      draw: draw ?? outcome.draw,
    }));
  });
  const told = parts.map(({ label }, index) =>
    isIn[index] ? `${label} ${percent(shares[index]!)}` : `${label} not now`,
  );
  traceFork(context.trace, `${path}split`, told.join(', '));
  const answered = mergeEqual(outcomes.filter(({ share }) => share > 0));
  const rungs = found.flatMap((each, index) => (shares[index]! > 0 ? [each.rung] : []));
  return { ...found[first]!, rung: worstOf(rungs), outcomes: answered, untilMs };
}

/** What each has of the whole; below 0 = it is not there. With nothing to go by they share alike. */
function sharesOf(stated: readonly number[]): readonly number[] {
  const sum = stated.reduce((total, share) => total + Math.max(0, share), 0);
  const count = stated.filter((share) => share >= 0).length;
  return stated.map((share) => (share < 0 ? 0 : sum > 0 ? share / sum : 1 / count));
}

const joinKeys = (outer: string, inner: string): string =>
  inner === '' ? outer : `${outer}${WITHIN}${inner}`;

function decideSchedule(
  { label, windows }: Extract<PolicyNode, { kind: 'schedule' }>,
  nodes: readonly BoundNode[],
  context: Context,
  path: string,
): FoundHere {
  const { isOpen, untilMs } = windowAt(windows, context.state.nowMs);
  traceFork(
    context.trace,
    `${path}schedule`,
    isOpen ? `it is time for "${label}"` : `it is not the time for "${label}"`,
  );
  const ways = [label, 'otherwise'].map(
    (name, index) => () => decideNode(nodes[index]!, context, `${path}${name}: `),
  );
  const [now, other] = isOpen ? ways : ways.toReversed();
  const own = now!();
  // Its regions are none of the pool's.
  const found = own.rank === RANK_EMPTY ? other!() : own;
  return { ...found, untilMs: Math.min(untilMs, found.untilMs) };
}

function traceFork(trace: Trace | undefined, step: string, note: string): void {
  trace?.({ step, kept: [], dropped: [], note });
}

function decideChain(chain: LeafChain, tiers: Tiers, state: DecideState, trace?: Trace): Found {
  const footing = findFooting(chain, tiers, state);
  const { rank, rung, tier, tiersSearched } = footing;
  const answering = (tiers[tier] ?? []).filter((candidate) => isInPlay(candidate, footing));
  if (trace !== undefined) traceLadder(tiers, answering, footing, state, trace);
  const outcomes = rung === 'sorry' ? [] : choose(chain, tiers, answering, footing, state, trace);
  const untilMs = Number.POSITIVE_INFINITY;
  return { rank, rung, tier, outcomes, untilMs, tiersSearched: [tiersSearched] };
}

/** Runs the choosing steps on the answering tier. A step that leaves nothing is skipped. */
function choose(
  chain: LeafChain,
  tiers: Tiers,
  answering: readonly Candidate[],
  footing: Footing,
  state: DecideState,
  trace?: Trace,
): readonly Outcome[] {
  const usable = (candidate: Candidate): boolean =>
    footing.accepted.includes(footing.standing(candidate));
  const choiceState: ChoiceState = {
    usable,
    weight: (candidate) => candidate.weight,
    trim: ({ name }) => state.trims?.get(name) ?? 1,
    describe: (candidate) => describeWord(state.word(candidate.endpoint)),
    later: chain.looksBehind
      ? tiers
          .slice(footing.tier + 1)
          .flat()
          .filter((candidate) => isInPlay(candidate, footing) && usable(candidate))
      : [],
    planned: chain.isPlanned ? plannedShares(tiers, footing, usable, state) : undefined,
  };
  let outcomes: readonly Outcome[] = [
    { share: 1, candidates: answering, part: '', draw: 'spread' },
  ];
  for (const { kind, run } of chain.choose) {
    const chosen = run(outcomes, choiceState, trace).filter(
      ({ share, candidates }) => share > 0 && candidates.length > 0,
    );
    if (chosen.length > 0) outcomes = chosen;
    else traceSkipped(kind, answering, trace);
  }
  return mergeEqual(outcomes);
}

/** What a plan gives each region while these can be answered. */
function plannedShares(
  tiers: Tiers,
  footing: Footing,
  usable: (candidate: Candidate) => boolean,
  { plannedFor }: DecideState,
): ChoiceState['planned'] {
  if (plannedFor === undefined) return undefined;
  const open = new Set<string>();
  for (const candidate of tiers.flat()) {
    if (isInPlay(candidate, footing) && usable(candidate)) open.add(candidate.region);
  }
  return plannedFor((region) => open.has(region));
}
