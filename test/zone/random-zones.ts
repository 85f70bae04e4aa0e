/** Random zones and questions for them, with names that are often related. */
import fc from 'fast-check';
import type { NaiveZone } from './naive-lookup.ts';

/** Few and colliding labels, so that names are often related. */
const label = fc.constantFrom('a', 'b', '*', 'c');
const relative = fc
  .array(label, { maxLength: 4 })
  .map((labels) => labels.map((l) => `${l}.`).join(''));
export const drawnName = fc
  .tuple(relative, fc.constantFrom('z.', 'z.', 'z.', 'a.z.', 'y.'))
  .map(([prefix, end]) => `${prefix}${end}`);
export const drawnType = fc.constantFrom('A', 'AAAA', 'CNAME', 'NS', 'TXT', 'DS');
const record = fc
  .tuple(drawnName, drawnType, drawnName, fc.nat(250))
  .map(([owner, kind, target, n]) => ({ owner, type: kind, data: dataOf(kind, target, n) }));

function dataOf(kind: string, target: string, n: number): string {
  switch (kind) {
    case 'A':
      return `192.0.2.${n}`;
    case 'AAAA':
      return `2001:db8::${(n + 1).toString(16)}`;
    case 'TXT':
      return `"${n}"`;
    case 'DS':
      return `\\# 5 00010D02${n.toString(16).padStart(2, '0')}`.toLowerCase();
    default:
      return target;
  }
}

export const drawnWorld = fc.record({
  apexes: fc.uniqueArray(fc.constantFrom('z.', 'a.z.', 'b.a.z.', 'y.', '.'), {
    minLength: 1,
    maxLength: 3,
  }),
  records: fc.array(record, { maxLength: 25 }),
  steered: fc.array(drawnName, { maxLength: 2 }),
});

/** Sorts records into zones as an operator would, leaving out what compileZones() must refuse. */
export function zonesOf({
  apexes,
  records,
  steered,
}: {
  apexes: string[];
  records: { owner: string; type: string; data: string }[];
  steered: string[];
}): NaiveZone[] {
  const zones = apexes.map((apex) => ({
    apex,
    rrsets: [] as { owner: string; type: string; data: string }[],
    steered: [] as string[],
  }));
  const below = (owner: string, apex: string): boolean =>
    owner === apex || apex === '.' || owner.endsWith(`.${apex}`);
  for (const [index, one] of records.entries()) {
    const homes = zones.filter(({ apex }) => below(one.owner, apex));
    // Any enclosing zone may list it; only the closest one is right, the others are occluded.
    const zone = homes[index % Math.max(1, homes.length)];
    if (zone === undefined) continue;
    const here = zone.rrsets.filter(({ owner }) => owner === one.owner);
    const clash =
      here.some(({ type }) => type === one.type || type === 'CNAME') ||
      (one.type === 'CNAME' && (here.length > 0 || one.owner === zone.apex)) ||
      (one.type === 'NS' && (one.owner.startsWith('*.') || one.owner === zone.apex)) ||
      (one.type === 'DS' && one.owner === zone.apex);
    const child = zones.some(
      ({ apex }) => apex !== zone.apex && below(one.owner, apex) && below(apex, zone.apex),
    );
    if (!clash && !(child && one.type === 'CNAME')) zone.rrsets.push(one);
  }
  for (const owner of steered) {
    const homes = zones.filter(({ apex }) => below(owner, apex));
    const zone = homes.sort((a, b) => b.apex.length - a.apex.length)[0];
    if (zone === undefined || zone.steered.includes(owner)) continue;
    zone.rrsets = zone.rrsets.filter(
      (one) => one.owner !== owner || !['A', 'AAAA', 'CNAME'].includes(one.type),
    );
    zone.steered.push(owner);
  }
  return zones;
}
