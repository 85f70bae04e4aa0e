/**
 * Why a client gets the answer that it gets, in words: the functions that answer queries (lookup,
 * place, map, decide, draw), called with a trace. Nothing is computed a second way here, so
 * what `explain` says is what a query gets; a test holds the two together.
 */

import type { LatencyLayer } from '../clients/latency-layer.ts';
import { formatName } from '../dns/name.ts';
import { typeName } from '../dns/type-names.ts';
import type { GeoDatabase } from '../geo/database.ts';
import type { Location } from '../geo/location.ts';
import type { TraceLine } from '../steering/step.ts';
import { createLookupResult, lookup, STEERED } from '../zone/lookup.ts';
import type { ExplainedCandidate } from './explain-candidates.ts';
import type { ExplainedDraw } from './explain-draw.ts';
import { type ExplainProblem, type ExplainQuestion, readQuestion } from './explain-question.ts';
import { explainStatic } from './explain-static.ts';
import { explainSteered } from './explain-steered.ts';
import type { ServedHealth } from './served-health.ts';
import { hasType, serviceAt } from './services.ts';
import type { Snapshot } from './snapshot.ts';

export type { ExplainProblem, ExplainQuestion } from './explain-question.ts';

/** What an explanation is computed from; the health may be made up, as a drill's prediction does. */
export type ExplainContext = {
  readonly snapshot: Snapshot;
  readonly health: ServedHealth;
  readonly geo: GeoDatabase;
  /** What was measured of clients; undefined = nothing. */
  readonly latency?: LatencyLayer | undefined;
  /** Who said what of an endpoint, for clients near a region; undefined = its word is all there is. */
  readonly view?: (endpoint: string, near: string | undefined) => EndpointView | undefined;
  readonly served?: Omit<Explanation['served'], 'generation' | 'revision'>;
  /** What should be known about the explanation as a whole. */
  readonly notes?: readonly string[];
};

/** `reason` names who: the vantage points of a judgement, the person of an override. */
export type EndpointView = { readonly state: string; readonly reason: string };

export type Explanation = {
  readonly name: string;
  readonly type: string;
  readonly atMs: number;
  readonly client: {
    readonly network: string;
    readonly from: 'client-subnet' | 'resolver';
    readonly location: Location | undefined;
    readonly place: string;
    /** The region whose vantage points' view counts for it; undefined = the world's does. */
    readonly near: string | undefined;
  };
  readonly outcome: string;
  readonly policy: string | undefined;
  readonly pool: string | undefined;
  readonly classId: number | undefined;
  /** Everything that could have been answered, best tier first. */
  readonly candidates: readonly ExplainedCandidate[];
  readonly steps: readonly TraceLine[];
  readonly rung: string | undefined;
  readonly outcomes: readonly {
    readonly share: number;
    readonly endpoints: readonly string[];
    readonly addresses: readonly string[];
  }[];
  /** Undefined when there is nothing to draw: a name that is not steered. */
  readonly draw: ExplainedDraw | undefined;
  readonly answer: readonly string[];
  readonly region: string | undefined;
  readonly ttl: {
    readonly seconds: number;
    readonly why: string;
    /** The endpoints that the earliest change could come from; [] when no change is near. */
    readonly endpoints: readonly string[];
  };
  readonly scope: {
    readonly prefixLength: number;
    readonly why: string;
    /** Everybody in it gets answers of the same class; undefined when no scope is sent. */
    readonly network: string | undefined;
  };
  /** With what the node answered. */
  readonly served: {
    readonly node: string | undefined;
    readonly generation: number;
    readonly revision: number;
    /** SHA-256 of the steering part of the configuration, hexadecimal. */
    readonly config: string | undefined;
  };
  readonly notes: readonly string[];
};

/** What all explanations begin with. */
export type ExplanationHead = Pick<Explanation, 'name' | 'type' | 'atMs' | 'served' | 'notes'>;

/** Explains what a query gets at `nowMs`. A question that makes no sense is a problem. */
export function explain(
  context: ExplainContext,
  question: ExplainQuestion,
  nowMs: number,
): Explanation | ExplainProblem {
  const asked = readQuestion(question);
  if ('problem' in asked) return asked;
  const { notes = [], served, snapshot } = context;
  const result = createLookupResult();
  const outcome = lookup(snapshot.zones, asked.query, result);
  const service = outcome === STEERED ? serviceAt(snapshot.services, result.service) : undefined;
  const head: ExplanationHead = {
    name: formatName(asked.name),
    type: typeName(asked.query.qtype),
    atMs: nowMs,
    served: {
      node: served?.node,
      generation: snapshot.generation,
      revision: snapshot.revision,
      config: served?.config,
    },
    notes,
  };
  return service !== undefined && hasType(snapshot.services, result.service, asked.query.qtype)
    ? explainSteered(context, asked, service, result, head)
    : explainStatic(context, asked, result, head);
}
