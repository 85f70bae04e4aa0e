/**
 * The report of the map: what the geo data, regions and policies of a configuration come to before anybody is
 * answered by them. Shares are of addresses, as everywhere that a single query has not come yet: addresses are not
 * clients (shares.ts). They are of those whose place is known, so regions add up to 1.
 */
import { describePlace } from '../geo/describe-place.ts';
import { type Choice, closeChoices, type Margin } from './close-choice.ts';
import { compareMaps, type MapChanges } from './map-changes.ts';
import {
  addSpace,
  answerTo,
  bySpace,
  chartMap,
  type ListedNetwork,
  listNetworks,
  type MapChart,
  type MapSubject,
  noSpace,
  type PerFamily,
  type SpaceShare,
  type SpaceSum,
  shareOf,
} from './map-chart.ts';
import { preferenceOf } from './policy.ts';
import type { RegionAnswer } from './region-answer.ts';

export type MapReport = {
  /** Whose place is known: the part of all IPv4 addresses, and the number of IPv6 networks. */
  readonly located: { readonly ipv4Share: number; readonly ipv6Networks: number };
  /** What is known of clients: places, and what the policy tells apart beside them. */
  readonly places: number;
  readonly classes: number;
  /** Networks that resolvers keep apart. */
  readonly scopes: PerFamily;
  /** Of `places`: there was no room for more classes; normally 0. */
  readonly locationsWithoutClass: number;
  /** Of the pool, the largest share first. */
  readonly regions: readonly RegionReport[];
  /** What clients get of whom nothing is known. */
  readonly unlocated: RegionAnswer;
  readonly close: CloseReport;
  /** Absent = there is nothing to compare with. */
  readonly changes?: MapChanges;
  /** It holds until then, milliseconds since the epoch; absent = no clock changes it. */
  readonly untilMs?: number;
};

export type RegionReport = {
  readonly region: string;
  /** Of what is located, while every endpoint is up; those of all regions are 1. */
  readonly share: SpaceShare;
  /** Of what is located: those that may get it, alone or among others. */
  readonly reach: SpaceShare;
  /** Networks that resolvers keep apart and that may get it. */
  readonly scopes: PerFamily;
};

export type CloseReport = {
  readonly margin: Margin;
  /** Of what is located. */
  readonly share: SpaceShare;
  readonly pairs: readonly {
    readonly regions: readonly [string, string];
    readonly share: SpaceShare;
  }[];
  /** The largest ones. */
  readonly networks: readonly CloseNetwork[];
};

export type CloseNetwork = ListedNetwork & Choice & { readonly place: string };

export type ReportOptions = {
  readonly margin: Margin;
  /** Networks of each family in each list at most. */
  readonly networksMax: number;
  /** For what goes by the clock; milliseconds since the epoch. */
  readonly nowMs: number;
};

/** @param before what to compare with */
export function reportMap(
  subject: MapSubject,
  options: ReportOptions,
  before?: MapSubject,
): MapReport {
  const chart = chartMap(subject, options.nowMs);
  const { answers, facts, sorted } = chart;
  const located = locatedSpace(chart);
  const was = before && chartMap(before, options.nowMs);
  const untilMs = Math.min(...answers.map((each) => each.untilMs));
  return {
    located: { ipv4Share: located.ipv4 / 2 ** 32, ipv6Networks: located.ipv6 },
    places: facts.count - 1,
    classes: sorted.entries.length,
    scopes: scopesOf(chart, () => true),
    locationsWithoutClass: sorted.locationsWithoutClass,
    regions: regionsOf(chart, located),
    unlocated: answerTo(chart, 0).answer,
    close: closeOf(chart, located, options),
    ...(was && { changes: compareMaps(was, chart, options.networksMax) }),
    ...(untilMs < Number.POSITIVE_INFINITY && { untilMs }),
  };
}

function locatedSpace({ facts, sizes }: MapChart): SpaceSum {
  const sum = noSpace();
  for (let number = 0; number < facts.count; number += 1) {
    if (facts.isLocated(number)) addSpace(sum, sizes, number);
  }
  return sum;
}

function regionsOf(chart: MapChart, located: SpaceSum): readonly RegionReport[] {
  const { candidates, facts, sizes } = chart;
  const regions = [...new Set(candidates.map(({ region }) => region))];
  const sums = new Map(regions.map((region) => [region, { own: noSpace(), reach: noSpace() }]));
  for (let number = 0; number < facts.count; number += 1) {
    if (!facts.isLocated(number)) continue;
    for (const { region, share } of answerTo(chart, number).answer) {
      const { own, reach } = sums.get(region)!;
      addSpace(own, sizes, number, share);
      addSpace(reach, sizes, number);
    }
  }
  return [...sums]
    .map(([region, { own, reach }]) => ({
      region,
      share: shareOf(own, located),
      reach: shareOf(reach, located),
      scopes: scopesOf(chart, (answer) => answer.some((each) => each.region === region)),
    }))
    .sort(bySpace);
}

/** Networks that resolvers keep apart, of classes that are answered so. */
function scopesOf(
  { answers, scopes }: MapChart,
  isIn: (answer: RegionAnswer) => boolean,
): PerFamily {
  const sum = noSpace();
  for (const [classId, { answer }] of answers.entries()) {
    if (isIn(answer)) addSpace(sum, scopes, classId);
  }
  return sum;
}

function closeOf(
  chart: MapChart,
  located: SpaceSum,
  { margin, networksMax, nowMs }: ReportOptions,
): CloseReport {
  const { candidates, facts, policy, sizes } = chart;
  const all = noSpace();
  const byPair = new Map<string, { regions: [string, string]; sum: SpaceSum }>();
  /** By number of a client, that of most. */
  const foremost = new Map<number, Choice>();
  for (let number = 0; number < facts.count; number += 1) {
    if (!facts.isLocated(number)) continue;
    const client = facts.clientAt(number);
    const preference = preferenceOf(policy, candidates, client);
    const choices = closeChoices(policy, candidates, client, preference, margin, nowMs);
    for (const choice of choices) {
      const { best, second, share } = choice;
      const regions: [string, string] = best < second ? [best, second] : [second, best];
      const key = JSON.stringify(regions);
      const pair = byPair.get(key) ?? { regions, sum: noSpace() };
      byPair.set(key, pair);
      addSpace(pair.sum, sizes, number, share);
      addSpace(all, sizes, number, share);
      if (share > (foremost.get(number)?.share ?? 0)) foremost.set(number, choice);
    }
  }
  const pairs = [...byPair.values()].map(({ regions, sum }) => ({
    regions,
    share: shareOf(sum, located),
  }));
  return {
    margin,
    share: shareOf(all, located),
    pairs: pairs.sort(bySpace),
    networks: closeNetworks(chart, located, foremost, networksMax),
  };
}

function closeNetworks(
  { facts, ranges }: MapChart,
  located: SpaceSum,
  choices: ReadonlyMap<number, Choice>,
  most: number,
): readonly CloseNetwork[] {
  const isClose = (number: number): boolean => choices.has(number);
  return listNetworks(ranges, isClose, most, located).map(([network, number]) => ({
    ...network,
    place: describePlace(facts.clientAt(number).location),
    ...choices.get(number)!,
  }));
}
