/**
 * One map, looked at by address: which clients there are, how much of the address space they are, what they are
 * answered. The report of the map (map-report.ts) adds up what is here.
 */
import type { LatencyLayer } from '../clients/latency-layer.ts';
import type { GeoDatabase } from '../geo/database.ts';
import type { Location } from '../geo/location.ts';
import { largestNetworks } from '../ip/largest-networks.ts';
import { networkCounts6, scopeCounts } from '../ip/network-counts.ts';
import { formatPrefix, parsePrefix } from '../ip/prefix.ts';
import { FOLDED_NETWORKS } from '../ip/prefix-table.ts';
import { addressCounts, overlayPrefixes, type Ranges } from '../ip/ranges.ts';
import type { ClientFacts } from './client-facts.ts';
import { type ClassTables, createClassTables, type SortedClients, sortClients } from './map.ts';
import type { Policy } from './policy.ts';
import { type ClassAnswer, classAnswers } from './region-answer.ts';
import type { Candidate } from './step.ts';

/** What maps are made of, whatever the policy. */
export type MapWorld = {
  readonly geo: GeoDatabase;
  readonly tables: ClassTables;
  /** The ranges of clients, without addresses that are answered by another one that they carry. */
  ownRanges(facts: ClientFacts): Ranges;
  sizesOf(ranges: Ranges): ValueSizes;
};

/**
 * By value of ranges, how much of the address space has it; short of the last values where no range has them. Of IPv4
 * the addresses. Of IPv6 the networks: by addresses, what registries have given to nobody would outweigh all others,
 * for databases place it at the registry.
 */
export type ValueSizes = { readonly ipv4: Float64Array; readonly ipv6: Float64Array };

/** @param latency with ways (layerWithWays), where choices by latency are to be told that are close */
export function createMapWorld(geo: GeoDatabase, latency: LatencyLayer | undefined): MapWorld {
  const known = new WeakMap<Ranges, ValueSizes>();
  const own = new WeakMap<Ranges, Ranges>();
  return {
    geo,
    tables: createClassTables(geo, latency),
    ownRanges({ ranges }) {
      const made = own.get(ranges) ?? overlayPrefixes(ranges, FOLDED);
      own.set(ranges, made);
      return made;
    },
    sizesOf(ranges) {
      const sizes = known.get(ranges) ?? {
        ipv4: addressCounts(ranges),
        ipv6: networkCounts6(ranges),
      };
      known.set(ranges, sizes);
      return sizes;
    },
  };
}

/** As if nothing were known of them. */
const FOLDED = FOLDED_NETWORKS.map((text) => ({ prefix: parsePrefix(text)!, value: 0 }));

/** A policy over a pool. */
export type MapSubject = {
  readonly world: MapWorld;
  readonly policy: Policy;
  readonly candidates: readonly Candidate[];
  /** As of buildMap: [] = clients are not told apart by the region that they are near to. */
  readonly clientRegions: readonly (Location | undefined)[];
};

export type MapChart = MapSubject & {
  readonly facts: ClientFacts;
  /** The values are numbers of clients. */
  readonly ranges: Ranges;
  readonly sorted: SortedClients;
  /** By class. */
  readonly answers: readonly ClassAnswer[];
  /** Networks that resolvers keep apart, by class. */
  readonly scopes: ValueSizes;
  /** By number of a client. */
  readonly sizes: ValueSizes;
};

export function chartMap(subject: MapSubject, nowMs: number): MapChart {
  const { candidates, clientRegions, policy, world } = subject;
  const facts = world.tables.factsOf(policy);
  const sorted = sortClients(policy, candidates, facts, clientRegions);
  const classes = sorted.entries.length;
  const { table } = world.tables.of(facts, sorted.classOf, classes);
  const ranges = world.ownRanges(facts);
  return {
    ...subject,
    facts,
    ranges,
    sorted,
    answers: classAnswers(policy, candidates, sorted, nowMs),
    scopes: scopeCounts(table, classes),
    sizes: world.sizesOf(ranges),
  };
}

/** What clients with a number are answered. */
export function answerTo({ answers, sorted }: MapChart, number: number): ClassAnswer {
  return answers[sorted.classOf[number]!]!;
}

export type PerFamily = { readonly ipv4: number; readonly ipv6: number };

/** Parts of something, 0..1: of its IPv4 addresses, and of its IPv6 networks. */
export type SpaceShare = PerFamily;

/** IPv4 addresses and IPv6 networks, to be added to. */
export type SpaceSum = { ipv4: number; ipv6: number };

export const noSpace = (): SpaceSum => ({ ipv4: 0, ipv6: 0 });

/** Adds a part (0..1) of what has a value. */
export function addSpace(sum: SpaceSum, sizes: ValueSizes, value: number, part = 1): void {
  sum.ipv4 += (sizes.ipv4[value] ?? 0) * part;
  sum.ipv6 += (sizes.ipv6[value] ?? 0) * part;
}

/** Of nothing, nothing. */
export const shareOf = (part: SpaceSum, whole: SpaceSum): SpaceShare => ({
  ipv4: whole.ipv4 > 0 ? part.ipv4 / whole.ipv4 : 0,
  ipv6: whole.ipv6 > 0 ? part.ipv6 / whole.ipv6 : 0,
});

/** Larger parts first: what matters more stands above. */
export const bySpace = (a: { readonly share: SpaceShare }, b: { readonly share: SpaceShare }) =>
  b.share.ipv4 - a.share.ipv4 || b.share.ipv6 - a.share.ipv6;

/** A network in a list of the report. */
export type ListedNetwork = {
  readonly network: string;
  /** Of the IPv4 addresses that shares are of; absent = it is of IPv6, where a network is one of many. */
  readonly ipv4Share?: number;
};

/**
 * The largest networks of both families that have a wanted value, IPv4 first, each with its value.
 * @param most of each family
 * @param whole what shares are of
 */
export function listNetworks(
  ranges: Ranges,
  isWanted: (value: number) => boolean,
  most: number,
  whole: SpaceSum,
): readonly (readonly [ListedNetwork, value: number])[] {
  const four = largestNetworks(ranges, 4, isWanted, most).map(({ prefix, value }) => {
    const ipv4Share = whole.ipv4 > 0 ? 2 ** (32 - prefix.length) / whole.ipv4 : 0;
    return [{ network: formatPrefix(prefix), ipv4Share }, value] as const;
  });
  const six = largestNetworks(ranges, 6, isWanted, most).map(({ prefix, value }) => {
    return [{ network: formatPrefix(prefix) }, value] as const;
  });
  return [...four, ...six];
}
