/** Where a record is to be: the zone that people named and a name in it; and what is wrong with that. */
import type { Config } from '../config/config.ts';
import { formatName, isSubdomain, lowerName, parseName } from '../dns/name.ts';
import { zoneNameOf } from '../nameserver/update-view.ts';
import type { Problem } from './control-plane.ts';

/** As the zone is called in the configuration. */
export function findZone({ zones }: Config, asked: string): { readonly zone: string } | Problem {
  const zone = asked === '.' ? asked : asked.toLowerCase().replace(/\.$/, '');
  if (Object.hasOwn(zones, zone)) return { zone };
  return {
    problem: 'not-found',
    code: 'no-zone',
    message: `There is no zone ${zone}.`,
    hint: 'GET /api/v1/zones lists the zones.',
  };
}

/** Absolute and lower case; undefined for what is no name, or of another zone. */
export function ownerIn({ zones }: Config, zone: string, name: string): string | undefined {
  const wire = parseName(name.endsWith('.') ? name : `${name}.`);
  const apex = parseName(zone === '.' ? zone : `${zone}.`)!;
  if (wire === undefined) return undefined;
  const lower = lowerName(wire);
  const isHere = isSubdomain(lower, apex) && zoneNameOf(zones, lower) === zone;
  return isHere ? formatName(lower) : undefined;
}

export function notInZone(name: string, zone: string): Problem {
  return {
    problem: 'invalid',
    code: 'name-not-in-zone',
    message: `${name} is not a name in the zone ${zone}.`,
    hint: `Give the name in full, for instance www.${zone}.`,
  };
}

export function doesNotFit(why: string): Problem {
  return {
    problem: 'conflict',
    code: 'record-does-not-fit',
    message: `This cannot be in the zone: ${why}.`,
    hint: 'Look at what the configuration says of that name.',
  };
}

export function notKept(reason: string): Problem {
  return {
    problem: 'unavailable',
    code: 'records-not-kept',
    message: `Nothing was changed: ${reason}.`,
    hint: 'Try again when the store answers; "meridian nodes" shows it.',
  };
}
