import { TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_HTTPS, TYPE_SVCB } from '../dns/constants.ts';
import type { Candidate } from '../steering/step.ts';
import { type Bodies, type Body, bodyOf } from './body.ts';
import type { Snapshot, SteeringMap } from './snapshot.ts';

/** Instead of an endpoint: the answer is the pool's sorry addresses. */
export const SORRY = -1;

/**
 * The answer that a draw falls on, by type. A body is made when it is first read: fifty endpoints in rotation
 * are fifty outcomes with fifty records each, of which a query needs one. A class for its getters, which
 * cost a reader no more than a field does once they are made.
 */
export class OutcomeAnswer {
  /** The first endpoint, which the answer is counted for, or SORRY. */
  readonly endpoint: number;
  readonly #bodies: Bodies;
  readonly #snapshot: Snapshot;
  readonly #map: SteeringMap;
  readonly #candidates: readonly Candidate[];
  #body4: Body | undefined;
  #body6: Body | undefined;
  #alias: Body | undefined;
  #https: Body | undefined;
  #svcb: Body | undefined;

  /** @param candidates [] = the sorry addresses */
  constructor(
    bodies: Bodies,
    snapshot: Snapshot,
    map: SteeringMap,
    candidates: readonly Candidate[],
  ) {
    this.endpoint = candidates[0]?.endpoint ?? SORRY;
    this.#bodies = bodies;
    this.#snapshot = snapshot;
    this.#map = map;
    this.#candidates = candidates;
  }

  isOf(candidates: readonly Candidate[]): boolean {
    const own = this.#candidates;
    if (own.length !== candidates.length) return false;
    for (let index = 0; index < own.length; index += 1) {
      if (own[index]!.endpoint !== candidates[index]!.endpoint) return false;
    }
    return true;
  }

  get body4(): Body {
    this.#body4 ??= this.#make(TYPE_A);
    return this.#body4;
  }

  get body6(): Body {
    this.#body6 ??= this.#make(TYPE_AAAA);
    return this.#body6;
  }

  /** For names that are aliases, and for HTTPS and SVCB; empty where the map has none. */
  get alias(): Body {
    this.#alias ??= this.#make(TYPE_CNAME);
    return this.#alias;
  }

  get https(): Body {
    this.#https ??= this.#make(TYPE_HTTPS);
    return this.#https;
  }

  get svcb(): Body {
    this.#svcb ??= this.#make(TYPE_SVCB);
    return this.#svcb;
  }

  #make(type: number): Body {
    const endpoints = this.#candidates.map(({ endpoint }) => endpoint);
    return bodyOf(this.#bodies, this.#snapshot, this.#map, endpoints, type);
  }
}
