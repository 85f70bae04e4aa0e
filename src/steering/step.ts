import type { z } from 'zod';
import type { Location } from '../geo/location.ts';

/**
 * The contract of a steering step. A policy is a chain of steps of two kinds (docs/ARCHITECTURE.md,
 * "decisions are compiled"):
 *
 *   mapping   (network facts)  tiers of candidates -> tiers of candidates     evaluated when the map is built
 *   choosing  (state)          outcomes -> outcomes                           evaluated when health changes
 *
 * Mapping steps order candidates for a client network into tiers of equally good ones. Choosing
 * steps see one tier at a time and turn it into a distribution over ordered candidate lists, so the
 * exact share of every answer is known without drawing; the query path only draws.
 */

/** What DNS can steer to, as a step sees it. `endpoint` indexes the snapshot's endpoint table. */
export type Candidate = {
  readonly endpoint: number;
  /** Unique name, `pool/region`, as operators see it in `explain`. */
  readonly name: string;
  readonly region: string;
  readonly location: Location | undefined;
  /** Relative weight, >= 0; 0 means only when nothing else is left. */
  readonly weight: number;
};

/** Best first; the candidates inside one tier are equally good. No tier is empty. */
export type Tiers = readonly (readonly Candidate[])[];

/** What is known of a client network when a map is built. `location` is undefined when unknown. */
export type ClientNetwork = { readonly location: Location | undefined };

/** One possible answer: `candidates` in order, given to `share` (0..1) of the draws. */
export type Outcome = { readonly share: number; readonly candidates: readonly Candidate[] };

/** State at one instant. `usable` and `weight` already contain overrides, drains and the ladder's rung. */
export type ChoiceState = {
  usable(candidate: Candidate): boolean;
  /** The candidate's weight now. */
  weight(candidate: Candidate): number;
  /** Its state in a word or two for `explain`: "up", "down", "degraded", "drained", "not yet judged". */
  describe(candidate: Candidate): string;
};

/** A line of `explain`: which step did what to which candidates, in words for people. */
export type TraceLine = {
  readonly step: string;
  readonly kept: readonly string[];
  readonly dropped: readonly { readonly name: string; readonly reason: string }[];
  readonly note: string;
};
export type Trace = (line: TraceLine) => void;

export type MapFunction = (tiers: Tiers, client: ClientNetwork, trace?: Trace) => Tiers;
export type ChooseFunction = (
  outcomes: readonly Outcome[],
  state: ChoiceState,
  trace?: Trace,
) => readonly Outcome[];

/**
 * A step that reads facts about the client network; must not look at health. Of candidates it goes by region,
 * location and weight: pools that are alike in these share what it makes.
 */
export type MapStep<Options = unknown> = {
  readonly kind: string;
  readonly stage: 'map';
  readonly summary: string;
  /** It orders candidates by where the client is; else it does the same for everybody. */
  readonly readsClient: boolean;
  readonly options: z.ZodType<Options>;
  compile(options: Options): MapFunction;
};

/** A step that reads state; must not look at the client. Shares of its outcomes sum to 1, or it returns []. */
export type ChooseStep<Options = unknown> = {
  readonly kind: string;
  readonly stage: 'choose';
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  compile(options: Options): ChooseFunction;
};

export type SteeringStep<Options = unknown> = MapStep<Options> | ChooseStep<Options>;
