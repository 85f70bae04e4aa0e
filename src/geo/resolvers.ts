/**
 * Networks that a public resolver asks from, as files of its operator or of yours have them: a geofeed or one of our own
 * files of networks (networks.ts), whose places are sites, or a list of networks and names of sites:
 *
 *   # network, site
 *   192.0.2.0/24 fra
 *   2001:db8:7::/48 fra
 *
 * A place is where the resolver is; of clients it says no more than that they are about there. Wrong entries of lists are
 * passed over, as those of geofeeds are: operators publish them, and there are always some.
 */
import { parsePrefix } from '../ip/prefix.ts';
import { createPrefixList } from '../ip/prefix-list.ts';
import { MAX_RANGE_VALUE, mapRanges, uniformRanges } from '../ip/ranges.ts';
import type { OpenGeoResult } from './database.ts';
import { shown } from './network-place.ts';
import { createPassedOver, entriesOf, openNetworks, REPEATED } from './networks.ts';
import type { Places } from './places.ts';
import { NO_SYSTEMS } from './systems.ts';

/** @param writtenAtMs when the file was */
export function openResolvers(
  bytes: Uint8Array,
  places: Places,
  writtenAtMs: number,
): OpenGeoResult {
  for (const { entry } of entriesOf(bytes)) {
    // What the file is, its first entry says.
    return entry.includes(',')
      ? withSites(openNetworks(bytes, places, writtenAtMs))
      : openNames(bytes, writtenAtMs);
  }
  return { ok: false, reason: 'there is no network in the file' };
}

/** Networks that are to have no place are of no site. */
function withSites(opened: OpenGeoResult): OpenGeoResult {
  if (!opened.ok) return opened;
  const { nowhere, ranges } = opened.geo;
  const sites = mapRanges(ranges, (value) => (value === nowhere ? 0 : value));
  return { ...opened, geo: { ...opened.geo, sites } };
}

const ENTRY = /^(\S+)\s+([\w.-]{1,63})$/;

function openNames(bytes: Uint8Array, writtenAtMs: number): OpenGeoResult {
  const list = createPrefixList();
  const numbers = new Map<string, number>();
  const lines: number[] = [];
  const passedOver = createPassedOver();
  for (const { entry, line } of entriesOf(bytes)) {
    const [, network = '', name = ''] = ENTRY.exec(entry) ?? [];
    const prefix = parsePrefix(network);
    if (prefix === undefined) {
      passedOver.add(line, `${shown(entry)} is no network with a site`);
      continue;
    }
    const number = numbers.get(name) ?? numbers.size + 1;
    if (number > MAX_RANGE_VALUE) return refuse('too many sites');
    numbers.set(name, number);
    list.add(prefix, number);
    lines.push(line);
  }
  const made = list.finish((repeated) => {
    passedOver.add(lines[repeated]!, REPEATED);
    return true;
  });
  if (lines.length === 0 || 'twice' in made) return refuse(passedOver.first() ?? REPEATED);
  const warning = passedOver.warning();
  return {
    ok: true,
    ...(warning !== undefined && { warning }),
    geo: {
      locations: [{}],
      ranges: uniformRanges(0),
      systems: NO_SYSTEMS,
      sites: made.ranges,
      description: `${lines.length - made.leftOut} networks of ${numbers.size} resolver sites (${new Date(writtenAtMs).toISOString().slice(0, 16)})`,
      builtAtMs: 0,
      networks: 0,
      attribution: '',
    },
  };
}

const refuse = (reason: string): OpenGeoResult => ({ ok: false, reason });
