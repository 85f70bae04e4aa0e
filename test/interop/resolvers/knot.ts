import { join } from 'node:path';
import { RESOLVER } from './places.ts';
import { familiesOf, type Plan, type ResolverKind, type Setup, type Way } from './resolver.ts';

export const KNOT: ResolverKind = {
  name: 'Knot Resolver',
  addresses: RESOLVER.knot,
  cannot: { 'with client subnets': 'has no client subnets' },
  plan,
};

/** It minimises names and mixes their case unless told not to; each is alone where it is tried. */
const WAY_LINES: Readonly<Partial<Record<Way, readonly string[]>>> = {
  'over IPv4 alone': ['net.ipv6 = false'],
  'over IPv6 alone': ['net.ipv4 = false'],
  'over TCP alone': [`policy.add(policy.all(policy.FLAGS('TCP')))`],
  'with minimised names': [`policy.add(policy.all(policy.FLAGS('NO_0X20')))`],
  'with names in mixed case': [`policy.add(policy.all(policy.FLAGS('NO_MINIMIZE')))`],
};

function plan({ directory, hints, anchor }: Setup, way: Way): Plan {
  const families = familiesOf(way);
  const lines = [
    `log_target('stderr')`,
    ...families.map((family) => `net.listen('${RESOLVER.knot[family]}', 53)`),
    ...families.map((family) => `net.outgoing_v${family}('${RESOLVER.knot[family]}')`),
    `modules = { 'hints > iterate' }`,
    `hints.root_file('${hints}')`,
    // Debian's package knows the keys of the real root.
    `trust_anchors.remove('.')`,
    `trust_anchors.add('. IN DS ${anchor}')`,
    ...(WAY_LINES[way] ?? []),
    // RFC 6761 keeps this name for us; resolvers know better than to ask for it.
    `policy.add(policy.suffix(policy.PASS, policy.todnames({ 'test.' })))`,
    'cache.size = 10 * MB',
  ];
  return {
    files: { 'kresd.conf': `${lines.join('\n')}\n` },
    words: ['kresd', '-n', '-c', join(directory, 'kresd.conf'), directory],
  };
}
