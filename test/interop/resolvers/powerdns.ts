import { ZONE } from './meridian.ts';
import { RESOLVER } from './places.ts';
import { familiesOf, type Plan, type ResolverKind, type Setup, type Way } from './resolver.ts';

export const POWERDNS: ResolverKind = {
  name: 'PowerDNS Recursor',
  addresses: RESOLVER.powerdns,
  cannot: {
    'over TCP alone': 'asks over TCP what was truncated, and has no setting to begin so',
  },
  keepsCase: true,
  plan,
};

const WAY_LINES: Readonly<Partial<Record<Way, readonly string[]>>> = {
  'with minimised names': ['qname-minimization=yes'],
  'with client subnets': [`edns-subnet-allow-list=${ZONE}`, 'ecs-ipv4-bits=24', 'ecs-ipv6-bits=56'],
};

function plan({ directory, hints, anchor }: Setup, way: Way): Plan {
  const addresses = familiesOf(way).map((family) => RESOLVER.powerdns[family]);
  const lines = [
    `local-address=${addresses.join(',')}`,
    `query-local-address=${addresses.join(',')}`,
    'allow-from=0.0.0.0/0,::/0',
    // All of the island is what should not be asked elsewhere.
    'dont-query=',
    `hint-file=${hints}`,
    'dnssec=validate',
    'dnssec-log-bogus=yes',
    `lua-config-file=${directory}/recursor.lua`,
    `socket-dir=${directory}`,
    'security-poll-suffix=',
    'write-pid=no',
    'disable-syslog=yes',
    'daemon=no',
    'threads=1',
    ...(WAY_LINES[way] ?? ['qname-minimization=no']),
  ];
  return {
    files: {
      'recursor.conf': `${lines.join('\n')}\n`,
      'recursor.lua': `clearTA('.')\naddTA('.', '${anchor}')\n`,
    },
    words: ['pdns_recursor', `--config-dir=${directory}`],
  };
}
