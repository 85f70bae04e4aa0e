/**
 * Areas: what a plan tells clients apart by (capacity/plan.ts). Those of one square of the world who have the same order
 * of regions are alike to it, and are told apart only by policies that go by a plan, as more classes mean
 * narrower scopes.
 */
import { lossStep } from '../clients/latency-layer.ts';
import { priorMs } from '../clients/prior.ts';
import type { Location } from '../geo/location.ts';
import type { Preference } from './policy.ts';
import type { Candidate, ClientNetwork, Tiers } from './step.ts';

export type Area = {
  /** The square, and its order of regions: the same on all nodes that know the same of clients. */
  readonly key: string;
  /** By candidate of the pool, milliseconds, on average over its addresses. */
  readonly waysMs: readonly number[];
};

/**
 * Wide enough that few networks are divided by its sides, as each of them is a range more for every look-up: with ten
 * degrees tables are three times as long, and answers no better (docs/decisions/0039-capacity.md).
 */
const SQUARE_DEGREES = 60;

/** `N50E000`: its southern and western side; `-` = the place is unknown. */
export function squareOf(location: Location | undefined): string {
  const { latitude, longitude } = location ?? {};
  if (latitude === undefined || longitude === undefined) return '-';
  return `${side(latitude, 'N', 'S')}${side(longitude, 'E', 'W')}`;
}

function side(degrees: number, plus: string, minus: string): string {
  const floor = Math.floor(degrees / SQUARE_DEGREES) * SQUARE_DEGREES;
  return `${floor < 0 ? minus : plus}${String(Math.abs(floor)).padStart(3, '0')}`;
}

/**
 * With the order of the first of the chains that clients may be answered by, as a class has one part in a plan, and with
 * how much they would lose by the second region, where that was measured: those who lose least are to leave first.
 */
export function areaKey({ leaves }: Preference, { location, waysMs = [] }: ClientNetwork): string {
  const tiers = leaves.find((each) => each.length > 0) ?? [];
  const loss = lossStep(waysMs);
  return `${squareOf(location)} ${orderText(tiers)}${loss < 0 ? '' : ` ${loss}`}`;
}

/** Those behind the last region that has a tier of its own are in no order. */
function orderText(tiers: Tiers): string {
  const regions = tiers.map((tier) => [...new Set(tier.map(({ region }) => region))]);
  const isRest = regions.length > 1 && (regions.at(-1)?.length ?? 0) > 1;
  const told = isRest ? regions.slice(0, -1) : regions;
  return told.map((tier) => tier.join('=')).join('>');
}

/** By candidate, milliseconds: measured where that was, else by distance, but never against the order. */
export function waysOf(candidates: readonly Candidate[], client: ClientNetwork): readonly number[] {
  const { location, order = [], waysMs = [] } = client;
  const last = waysMs.at(-1) ?? 0;
  return candidates.map((candidate) => {
    const measured = waysMs[order.indexOf(candidate.region)] ?? 0;
    if (measured > 0) return measured;
    return Math.max(last, priorMs(location, candidate.location));
  });
}
