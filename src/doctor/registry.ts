import { clientSubnet } from './client-subnet.ts';
import { clock } from './clock.ts';
import { delegation } from './delegation.ts';
import { dnssec } from './dnssec.ts';
import { edns } from './edns.ts';
import type { Check, Finding } from './finding.ts';
import { glue } from './glue.ts';
import { lame } from './lame.ts';
import type { Observation } from './observation.ts';
import { redundancy } from './redundancy.ts';
import { serial } from './serial.ts';
import { tcp } from './tcp.ts';
import { ttl } from './ttl.ts';

/** Every check, in the order in which findings are read: what the later ones say rests on the earlier. */
export const CHECKS: readonly Check[] = [
  delegation,
  glue,
  lame,
  serial,
  tcp,
  edns,
  dnssec,
  clientSubnet,
  clock,
  redundancy,
  ttl,
];

/** All that the checks find. */
export function diagnose(observation: Observation): readonly Finding[] {
  return CHECKS.flatMap(({ kind, look }) =>
    look(observation).map((found) => ({ check: kind, ...found })),
  );
}
