import { containsAddress, type Prefix, parsePrefix } from '../../ip/prefix.ts';
import type { Say } from '../notes.ts';
import type { DynamicRule, Subnet } from './dynamic-record.ts';
import type { GeoCode } from './geo-code.ts';
import { placesAround } from './geo-code.ts';

/**
 * octoDNS goes through the rules in order, our steps let the narrowest place or network decide. The two are one as
 * long as no rule names what is inside of something that an earlier rule has, which octoDNS refuses. Where a lenient
 * record does it nonetheless, what is never reached is left out, so that the first rule has it here too.
 */
export function withoutShadowed(rules: readonly DynamicRule[], say: Say): readonly DynamicRule[] {
  const geosBefore = new Map<string, number>();
  const subnetsBefore: { readonly prefix: Prefix; readonly rule: number; readonly text: string }[] =
    [];
  return rules.flatMap((rule, index) => {
    const told = (what: string, by: string, before: number): string => {
      const where = by === what ? 'has it' : `has ${by}`;
      return `rule ${index + 1} never has ${what}: rule ${before + 1} ${where}`;
    };
    const geos = rule.geos.filter(({ at, code }: GeoCode) => {
      const around = [code, ...placesAround(code)].find((each) => geosBefore.has(each));
      if (around === undefined) return true;
      say(at, told(code, around, geosBefore.get(around)!), 'narrower places come first');
      return false;
    });
    const subnets = rule.subnets.filter(({ at, network }: Subnet) => {
      const own = parsePrefix(network)!;
      const around = subnetsBefore.find(({ prefix }) => holds(prefix, own));
      if (around === undefined) return true;
      say(at, told(network, around.text, around.rule), 'narrower networks come first');
      return false;
    });
    for (const { code } of rule.geos) if (!geosBefore.has(code)) geosBefore.set(code, index);
    for (const { network } of rule.subnets) {
      subnetsBefore.push({ prefix: parsePrefix(network)!, rule: index, text: network });
    }
    return geos.length + subnets.length === 0 ? [] : [{ ...rule, geos, subnets }];
  });
}

/** Whether the inner network is the outer one, or inside of it. */
const holds = (outer: Prefix, inner: Prefix): boolean =>
  outer.length <= inner.length && containsAddress(outer, inner.address);
