import type { z } from 'zod';
import type { RttSource } from '../clients/rtt-sketch.ts';
import type { Location } from '../geo/location.ts';
import type { Prefix } from '../ip/prefix.ts';
import type { PolicyNode } from './policy-tree.ts';

/**
 * The contract of a steering step. A policy is a chain of steps of three kinds (docs/ARCHITECTURE.md,
 * "decisions are compiled"):
 *
 *   mapping   (network facts)  tiers of candidates -> tiers of candidates     evaluated when the map is built
 *   choosing  (state)          outcomes -> outcomes                           evaluated when health changes
 *   forking   (either)         the rest of the chain -> a tree of chains      when the policy is compiled
 *
 * Mapping steps order candidates for a client network into tiers of equally good ones. Choosing
 * steps see one tier at a time and turn it into a distribution over ordered candidate lists, so the
 * exact share of every answer is known without drawing; the query path only draws. A forking step
 * says which of several chains goes on, and what decides between them (policy-tree.ts).
 */

/** What DNS can steer to, as a step sees it. `endpoint` indexes the snapshot's endpoint table. */
export type Candidate = {
  readonly endpoint: number;
  /** Unique name, `pool/label`, as operators see it in `explain`. */
  readonly name: string;
  /** Its name in the pool: mostly the region's. */
  readonly label: string;
  readonly region: string;
  readonly location: Location | undefined;
  /** Relative weight, >= 0; 0 means only when nothing else is left. */
  readonly weight: number;
};

/** Best first; the candidates inside one tier are equally good. No tier is empty. */
export type Tiers = readonly (readonly Candidate[])[];

/** What is known of a client network when a map is built. */
export type ClientNetwork = {
  /** Undefined when unknown. */
  readonly location: Location | undefined;
  /** Number of the autonomous system that it is in; 0 = unknown, or no step asks. */
  readonly system: number;
  /** By the number of a set of networks (Marks): what the longest of them around the client stands for, 0 = none. */
  readonly marks: readonly number[];
  /** Names of regions by what was measured, best first; undefined = nothing was, or no step asks. */
  readonly order?: readonly string[] | undefined;
  /** What the first of them are believed to be away, milliseconds; when a map is built, on average of that order. */
  readonly waysMs?: readonly number[] | undefined;
  /** Who measured them; for `explain`. */
  readonly measuredBy?: readonly RttSource[] | undefined;
};

/** Networks that a step tells clients apart by; what each stands for is above 0. */
export type NetworkSet = readonly { readonly prefix: Prefix; readonly value: number }[];

/** Takes a set of networks of a step; returns its number in `ClientNetwork.marks`. */
export type Marks = (networks: NetworkSet) => number;

/** How one of the outcomes of a part is drawn (nameserver/draw.ts). */
export type DrawMode =
  /** Evenly over time and clients, the same for everybody who computes it. */
  | 'spread'
  /** Anew for each query. */
  | 'random'
  /** Always the same for a name, whoever asks. */
  | 'name';

/**
 * One possible answer: `candidates` in order, given to `share` (0..1) of the draws.
 *
 * Clients belong to one `part` of those that a distribution has, and stay there while its share does not
 * shrink; outcomes of one part are drawn by `draw`. Shares are of the whole, not of the part.
 */
export type Outcome = {
  readonly share: number;
  readonly candidates: readonly Candidate[];
  /** '' = there is one part: all. A part within a part is `others > web/eu` (slots.ts). */
  readonly part: string;
  readonly draw: DrawMode;
};

/** State at one instant. `usable` and `weight` already contain overrides, drains and the ladder's rung. */
export type ChoiceState = {
  usable(candidate: Candidate): boolean;
  /** The candidate's weight now. */
  weight(candidate: Candidate): number;
  /** What its weight is to be multiplied by where what comes differs from what is sent (capacity/share-control.ts). */
  trim(candidate: Candidate): number;
  /** Its state in a word or two for `explain`: "up", "down", "degraded", "drained", "not yet judged". */
  describe(candidate: Candidate): string;
  /** What could be answered from the tiers behind this one, best first, as it were for this rung. */
  readonly later: readonly Candidate[];
  /** By region the part of the clients that a plan gives it, 0..1; undefined = there is no plan. */
  readonly planned: ReadonlyMap<string, number> | undefined;
};

/** A line of `explain`: which step did what to which candidates, in words for people. */
export type TraceLine = {
  readonly step: string;
  readonly kept: readonly string[];
  readonly dropped: readonly { readonly name: string; readonly reason: string }[];
  readonly note: string;
};
export type Trace = (line: TraceLine) => void;

/** How far candidates are from a client as a step sees it, in the order in which it has them. */
export type Ways = {
  readonly unit: 'km' | 'ms';
  /** Undefined lengths are not known. */
  readonly ways: readonly { readonly candidate: Candidate; readonly length: number | undefined }[];
};
export type WaysFunction = (candidates: readonly Candidate[], client: ClientNetwork) => Ways;

export type MapFunction = (tiers: Tiers, client: ClientNetwork, trace?: Trace) => Tiers;
export type ChooseFunction = (
  outcomes: readonly Outcome[],
  state: ChoiceState,
  trace?: Trace,
) => readonly Outcome[];

/** Facts about clients that a step may read. */
export type ClientFact = 'location' | 'system' | 'networks' | 'latency';

/**
 * A step that reads facts about the client network; must not look at health. Of candidates it goes by label,
 * region, location and weight: pools that are alike in these share what it makes.
 */
export type MapStep<Options = unknown> = {
  readonly kind: string;
  readonly stage: 'map';
  readonly summary: string;
  /** What it orders candidates by; [] = it does the same for everybody. */
  reads(options: Options): readonly ClientFact[];
  readonly options: z.ZodType<Options>;
  compile(options: Options, marks: Marks): MapFunction;
  /** It may leave out endpoints for good, all of them if need be. Default: no. */
  fences?(options: Options): boolean;
  /** What it orders candidates of one tier by, where that is a length: the report of the map tells who is close. */
  ways?(options: Options): WaysFunction;
  /** Numbers of autonomous systems that it tells apart. Default: none. */
  systems?(options: Options): readonly number[];
};

/** A step that reads state; must not look at the client. Shares of its outcomes sum to 1, or it returns []. */
export type ChooseStep<Options = unknown> = {
  readonly kind: string;
  readonly stage: 'choose';
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  compile(options: Options): ChooseFunction;
  /** Tiers behind the answering one may be part of its answers. Default: no. */
  looksBehind?(options: Options): boolean;
  /** It gives endpoints shares of the clients by weight: it is worth knowing what comes of them. Default: no. */
  readonly isShared?: true;
  /** It goes by a plan (ChoiceState.planned), for which clients are told apart by where they are. Default: no. */
  readonly isPlanned?: true;
};

/** Steps with their options, as they are written. */
export type Chain = readonly { readonly kind: string; readonly options: unknown }[];

/** What a forking step makes its tree with. */
export type Fork = {
  /** The tree of a chain that goes on instead of what follows the step; default: what follows it. */
  follow(chain?: Chain): PolicyNode;
  /** What follows the step. */
  readonly rest: Chain;
  readonly marks: Marks;
};

/**
 * A step that other chains begin at. A policy that its options name comes as `chain` beside the name
 * (policy-chains.ts), so that a compiled chain needs nothing else.
 */
export type ForkStep<Options = unknown> = {
  readonly kind: string;
  readonly stage: 'fork';
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  reads(options: Options): readonly ClientFact[];
  compile(options: Options, fork: Fork): PolicyNode;
  systems?(options: Options): readonly number[];
};

export type SteeringStep<Options = unknown> =
  | MapStep<Options>
  | ChooseStep<Options>
  | ForkStep<Options>;
