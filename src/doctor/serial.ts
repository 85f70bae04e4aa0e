import { bad, type Check, ok } from './finding.ts';
import { serving, standingOf } from './standing.ts';

/** One serial on all addresses of all nameservers: the same content everywhere. */
export const serial: Check = {
  kind: 'serial',
  look(observation) {
    const bySerial = new Map<number, string[]>();
    for (const server of serving(observation)) {
      const standing = standingOf(server, observation.zone);
      if (standing.kind !== 'authoritative') continue;
      const { serial: number } = standing.soa;
      bySerial.set(number, [...(bySerial.get(number) ?? []), server.address]);
    }
    const [first] = bySerial;
    if (first === undefined) return [];
    if (bySerial.size === 1) {
      return [ok(`Every address has serial ${first[0]} (${first[1].length}).`)];
    }
    const said = [...bySerial].map(([number, at]) => `${number} at ${at.join(', ')}`).join('; ');
    return [
      bad(
        `The nameservers have different versions of the zone: serial ${said}.`,
        'After a change, wait and ask again. When it stays: "meridian nodes" shows which node has which revision; a secondary may not reach its primary.',
      ),
    ];
  },
};
