/**
 * A file of networks as a geo database: what an operator knows of a million of them, one on a line.
 *
 *   # network, where its clients are
 *   192.0.2.0/24,DE
 *   198.51.100.0/22,US-VA
 *   2001:db8::/32,50.11,8.68
 *
 * A network inside another one has its say within. Wrong lines make the whole file unreadable, with the first
 * of them named: half of what an operator knows would steer clients where nobody wants them.
 */
import { parsePrefix } from '../ip/prefix.ts';
import { createPrefixList } from '../ip/prefix-list.ts';
import { MAX_RANGE_VALUE } from '../ip/ranges.ts';
import { completeLocation } from './centroids.ts';
import type { OpenGeoResult } from './database.ts';
import type { Location } from './location.ts';
import { locationOfName, type Places } from './places.ts';
import { NO_SYSTEMS } from './systems.ts';

const NEWLINE = 0x0a;

/** @param builtAtMs of the file */
export function openNetworks(bytes: Uint8Array, places: Places, builtAtMs: number): OpenGeoResult {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const list = createPrefixList();
  const locations: Location[] = [{}];
  const known = new Map<string, number>();
  const lines: number[] = [];
  let line = 0;
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf(NEWLINE, at);
    const to = end < 0 ? text.length : end;
    const entry = text.toString('latin1', at, to).trim();
    at = to + 1;
    line += 1;
    if (entry === '' || entry.startsWith('#')) continue;
    const comma = entry.indexOf(',');
    const prefix = comma < 0 ? undefined : parsePrefix(entry.slice(0, comma).trim());
    if (prefix === undefined)
      return refuse(line, `"${entry.slice(0, 60)}" is no network with a place`);
    const place = entry.slice(comma + 1).trim();
    let value = known.get(place);
    if (value === undefined) {
      const location = readPlace(place, places);
      if (location === undefined)
        return refuse(
          line,
          `"${place.slice(0, 60)}" is no place: DE, US-VA, aws/eu-west-1 or 50.11,8.68`,
        );
      value = locations.push(location) - 1;
      known.set(place, value);
    }
    list.add(prefix, value);
    lines.push(line);
  }
  if (lines.length === 0) return { ok: false, reason: 'there is no network in the file' };
  if (locations.length > MAX_RANGE_VALUE) return { ok: false, reason: 'too many distinct places' };
  const made = list.finish();
  if ('twice' in made) return refuse(lines[made.twice]!, 'this network is there twice');
  const { ranges } = made;
  const description = `${lines.length} networks`;
  const networks = lines.length;
  return {
    ok: true,
    geo: {
      locations,
      ranges,
      systems: NO_SYSTEMS,
      description,
      builtAtMs,
      networks,
      attribution: places.attribution,
    },
  };
}

const refuse = (line: number, reason: string): OpenGeoResult => ({
  ok: false,
  reason: `line ${line}: ${reason}`,
});

const COORDINATE = /^-?[0-9]{1,3}(\.[0-9]{1,9})?$/;

function readPlace(text: string, places: Places): Location | undefined {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length === 1) return locationOfName(text, places);
  if (parts.length !== 2 || !parts.every((part) => COORDINATE.test(part))) return undefined;
  const [latitude, longitude] = parts.map(Number) as [number, number];
  if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return undefined;
  return completeLocation({ latitude, longitude }, places);
}
