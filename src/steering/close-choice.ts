/**
 * Which of a client's choices are close: where the way to the best region is hardly shorter than that to the next
 * one, so that a little error of the geo data, or of a measurement, would have sent it elsewhere.
 *
 * Only steps that order by a length can be close (MapStep.ways): what a rule says is no matter of degrees. The step
 * that counts is the first one that has several regions left to order, of those that answer the client in the end.
 */
import { mapTiers, type Policy, type Preference } from './policy.ts';
import { type LeafChain, matchedNode, type PolicyNode } from './policy-tree.ts';
import type { Candidate, ClientNetwork, Tiers, Ways } from './step.ts';
import { windowAt } from './time-window.ts';

/** Of two regions what the way to the second is longer by; below 0 where a shorter way was not found worth a move. */
export type Choice = {
  readonly best: string;
  readonly second: string;
  readonly unit: Ways['unit'];
  readonly bestWay: number;
  readonly secondWay: number;
  readonly difference: number;
  /** The second is in the best tier as well: clients are shared by the two. */
  readonly isShared: boolean;
  /** The part of the clients whose choice it is, 0..1; the others go by other chains of the policy. */
  readonly share: number;
};

/** Differences below these are close. */
export type Margin = Readonly<Record<Ways['unit'], number>>;

/** The close choices of a client, by chain that answers while everything is up. */
export function closeChoices(
  { root }: Pick<Policy, 'root'>,
  candidates: readonly Candidate[],
  client: ClientNetwork,
  preference: Preference,
  margin: Margin,
  nowMs: number,
): readonly Choice[] {
  return chainsInForce(root, preference, { part: 0, leaf: 0 }, nowMs).flatMap((inForce) => {
    const choice = choiceOf(inForce, candidates, client);
    return choice !== undefined && choice.difference < margin[choice.unit] ? [choice] : [];
  });
}

type InForce = {
  readonly chain: LeafChain;
  readonly tiers: Tiers;
  /** Of the clients. */
  readonly share: number;
};

/** The chains that answer while everything is up; `at` counts the matches and chains of the preference. */
function chainsInForce(
  node: PolicyNode,
  preference: Preference,
  at: { part: number; leaf: number },
  nowMs: number,
): readonly InForce[] {
  const visit = (next: PolicyNode): readonly InForce[] =>
    chainsInForce(next, preference, at, nowMs);
  switch (node.kind) {
    case 'chain': {
      const tiers = preference.leaves[at.leaf] ?? [];
      at.leaf += 1;
      return tiers.length === 0 ? [] : [{ chain: node.chain, tiers, share: 1 }];
    }
    case 'match': {
      const part = preference.parts[at.part] ?? node.parts.length;
      at.part += 1;
      return visit(matchedNode(node, part).node);
    }
    case 'try':
      return node.parts.map((part) => visit(part.node)).find((ways) => ways.length > 0) ?? [];
    case 'schedule': {
      const [during, otherwise] = [visit(node.during), visit(node.otherwise)];
      const { isOpen } = windowAt(node.windows, nowMs);
      const [now, other] = isOpen ? [during, otherwise] : [otherwise, during];
      return now.length > 0 ? now : other;
    }
    case 'split': {
      const parts = node.parts.map((part) => ({ share: part.share, chains: visit(part.node) }));
      const there = parts.filter(({ chains }) => chains.length > 0);
      const all = there.reduce((sum, { share }) => sum + share, 0);
      const ofAll = (share: number): number => (all > 0 ? share / all : 1 / there.length);
      return there
        .flatMap(({ chains, share }) =>
          chains.map((each) => ({ ...each, share: each.share * ofAll(share) })),
        )
        .filter(({ share }) => share > 0);
    }
  }
}

function choiceOf(
  { chain, share, tiers }: InForce,
  candidates: readonly Candidate[],
  client: ClientNetwork,
): Choice | undefined {
  const answering = answeringTier(tiers);
  const isLeft = inPlay(tiers);
  const compared: (Compared | undefined)[] = [];
  mapTiers(chain, candidates, client, undefined, ({ ways }, before) => {
    if (compared.length > 0 || ways === undefined) return;
    const left = before.map((tier) => tier.filter(isLeft)).find((tier) => tier.length > 0) ?? [];
    if (new Set(left.map(({ region }) => region)).size < 2) return;
    compared.push(compare(ways(left, client)));
  });
  const [found] = compared;
  const isIn = (region: string): boolean => answering.some((each) => each.region === region);
  if (found === undefined || !isIn(found.best)) return undefined;
  return { ...found, isShared: isIn(found.second), share };
}

/** Endpoints of weight 0 wait until nothing with a weight is left; some are fenced off for good. */
function inPlay(tiers: Tiers): (candidate: Candidate) => boolean {
  const all = tiers.flat();
  const weighty = all.filter(({ weight }) => weight > 0);
  const left = new Set(weighty.length > 0 ? weighty : all);
  return (candidate) => left.has(candidate);
}

function answeringTier(tiers: Tiers): readonly Candidate[] {
  const isLeft = inPlay(tiers);
  return tiers.map((tier) => tier.filter(isLeft)).find((tier) => tier.length > 0) ?? [];
}

type Compared = Omit<Choice, 'isShared' | 'share'>;

/** The best region beside the next one; undefined where a way is not known. */
function compare({ unit, ways }: Ways): Compared | undefined {
  const [first] = ways;
  const next = ways.find(({ candidate }) => candidate.region !== first?.candidate.region);
  if (first?.length === undefined || next?.length === undefined) return undefined;
  return {
    best: first.candidate.region,
    second: next.candidate.region,
    unit,
    bestWay: first.length,
    secondWay: next.length,
    difference: next.length - first.length,
  };
}
