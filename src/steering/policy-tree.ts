/**
 * A compiled policy: chains of steps as the leaves of a tree. Without a forking step there is one chain.
 *
 *   chain      maps candidates into tiers, and chooses among those of one
 *   match      by facts about the client: one part for each client network, known when the map is built
 *   split      by lot: each part has its share of the clients; what a part cannot answer goes to the others
 *   try        in order: the first part that has something healthy
 *   schedule   by the clock
 */
import type { ChooseFunction, ClientNetwork, DrawMode, MapFunction, WaysFunction } from './step.ts';
import type { TimeWindow } from './time-window.ts';

export type PolicyNode =
  | { readonly kind: 'chain'; readonly chain: LeafChain }
  | { readonly kind: 'match'; readonly parts: readonly MatchPart[]; readonly otherwise: PolicyNode }
  | {
      readonly kind: 'split';
      readonly parts: readonly SplitPart[];
      /** Drawn for each query; undefined = by client, who stays in its part. */
      readonly draw: DrawMode | undefined;
    }
  | { readonly kind: 'try'; readonly parts: readonly LabelledNode[] }
  | {
      readonly kind: 'schedule';
      readonly label: string;
      readonly windows: readonly TimeWindow[];
      readonly during: PolicyNode;
      readonly otherwise: PolicyNode;
    };

/** `label` names the part in `explain`. */
export type LabelledNode = { readonly label: string; readonly node: PolicyNode };
/**
 * `fits`: how well, 0 = not; the best fit has the client, the first of equals. `way`: the part that stands for all that
 * go on alike, whose clients need not be told apart.
 */
export type MatchPart = LabelledNode & {
  fits(client: ClientNetwork): number;
  readonly way: number;
};
/** Shares sum to 1. */
export type SplitPart = LabelledNode & { readonly share: number };

/** One chain, its mapping and choosing steps apart: they are evaluated at different times. */
export type LeafChain = {
  readonly map: readonly {
    readonly kind: string;
    readonly run: MapFunction;
    /** It may leave nothing; any other step that does is skipped. */
    readonly fences: boolean;
    /** What it orders by, where that is a length. */
    readonly ways?: WaysFunction | undefined;
  }[];
  readonly choose: readonly { readonly kind: string; readonly run: ChooseFunction }[];
  /** False when the chain has no `healthy` step: then only operators' overrides count. */
  readonly readsHealth: boolean;
  /** A tier counts as healthy when so many of its candidates are. */
  readonly healthyMin: number;
  /** Some choosing step answers with candidates of later tiers too. */
  readonly looksBehind: boolean;
  /** Some choosing step gives endpoints shares of the clients. */
  readonly isShared: boolean;
  /** Some choosing step goes by a plan (area.ts). */
  readonly isPlanned: boolean;
};

/** The part of a match that a client belongs to; parts.length = `otherwise`. */
export function partOf(parts: readonly MatchPart[], client: ClientNetwork): number {
  let best = parts.length;
  let most = 0;
  for (const [index, { fits }] of parts.entries()) {
    const fit = fits(client);
    if (fit <= most) continue;
    most = fit;
    best = index;
  }
  return best;
}

/** The part that stands for those that go on as this one does. */
export function wayOf(parts: readonly MatchPart[], part: number): number {
  return parts[part]?.way ?? part;
}

/** What goes on from a match for the clients of a part. */
export function matchedNode(
  { otherwise, parts }: Extract<PolicyNode, { kind: 'match' }>,
  part: number,
): LabelledNode {
  return parts[part] ?? { label: 'otherwise', node: otherwise };
}
