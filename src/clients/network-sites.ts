/**
 * Networks that are one place in truth: those that a public resolver asks from at one of its sites. What is known of one
 * of them is known of all, and its clients are elsewhere. They come as ranges of numbers of sites, 0 = none.
 */
import type { Ranges } from '../ip/ranges.ts';
import { type NetworkSpan, networkOf6, spanOf4 } from './network-key.ts';

export type NetworkSites = {
  /** The site of a network; 0 = none. */
  siteOf(network: number): number;
  /** Ascending. */
  networksOf(site: number): readonly number[];
  /** Networks that there was no room for. */
  readonly isCutOff: boolean;
};

/** IPv4 /24s and IPv6 /48s in sites. Somebody who lists the whole world has not meant it. */
export const SITE_NETWORKS_MAX = 200_000;

/** A network that has parts of several sites is of the first. */
export function networkSites(
  ranges: Ranges | undefined,
  networksMax = SITE_NETWORKS_MAX,
): NetworkSites {
  const sites = new Map<number, number>();
  const networks = new Map<number, number[]>();
  let isCutOff = false;
  for (const { count, first, site } of ranges === undefined ? [] : spansOf(ranges)) {
    for (let network = first; network < first + count; network += 1) {
      if (sites.has(network)) continue;
      if (sites.size >= networksMax) {
        isCutOff = true;
        break;
      }
      sites.set(network, site);
      const known = networks.get(site) ?? [];
      networks.set(site, known);
      known.push(network);
    }
  }
  return {
    siteOf: (network) => sites.get(network) ?? 0,
    networksOf: (site) => networks.get(site) ?? [],
    isCutOff,
  };
}

type SiteSpan = NetworkSpan & { readonly site: number };

function* spansOf({ starts4, starts6, values4, values6 }: Ranges): Generator<SiteSpan> {
  for (const [index, site] of values4.entries()) {
    if (site === 0) continue;
    const end = index + 1 < starts4.length ? starts4[index + 1]! : 2 ** 32;
    yield { ...spanOf4(starts4[index]!, end - 1), site };
  }
  for (const [index, site] of values6.entries()) {
    if (site === 0) continue;
    const at = 4 * index;
    const first = networkOf6(starts6[at]!, starts6[at + 1]!);
    yield { first, count: endOf6(starts6, at + 4) - first, site };
  }
}

/** The network behind the last one that a range has a part of. */
function endOf6(starts6: Uint32Array, at: number): number {
  if (at >= starts6.length) return networkOf6(0xffffffff, 0xffffffff) + 1;
  const [second, third, fourth] = [starts6[at + 1]!, starts6[at + 2]!, starts6[at + 3]!];
  const isWhole = (second & 0xffff) === 0 && third === 0 && fourth === 0;
  return networkOf6(starts6[at]!, second) + (isWhole ? 0 : 1);
}
