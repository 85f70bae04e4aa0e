import { join } from 'node:path';
import { ZONE } from './meridian.ts';
import { MERIDIAN, RESOLVER } from './places.ts';
import { familiesOf, type Plan, type ResolverKind, type Setup, type Way } from './resolver.ts';

export const UNBOUND: ResolverKind = {
  name: 'unbound',
  addresses: RESOLVER.unbound,
  cannot: {},
  plan,
};

const WAY_LINES: Readonly<Partial<Record<Way, readonly string[]>>> = {
  'over IPv4 alone': ['do-ip6: no'],
  'over IPv6 alone': ['do-ip4: no'],
  'over TCP alone': ['tcp-upstream: yes'],
  'with minimised names': ['qname-minimisation: yes', 'qname-minimisation-strict: yes'],
  'with names in mixed case': ['use-caps-for-id: yes'],
  'with client subnets': [
    'module-config: "subnetcache validator iterator"',
    ...MERIDIAN.flatMap((each) => [
      `send-client-subnet: ${each[4]}`,
      `send-client-subnet: ${each[6]}`,
    ]),
    `client-subnet-zone: ${ZONE}`,
  ],
};

function plan({ directory, hints, anchor }: Setup, way: Way): Plan {
  const addresses = familiesOf(way).map((family) => RESOLVER.unbound[family]);
  const server = [
    ...addresses.flatMap((each) => [`interface: ${each}`, `outgoing-interface: ${each}`]),
    'access-control: 0.0.0.0/0 allow',
    'access-control: ::0/0 allow',
    // Nothing of the machine: no other user, no root directory, no files but these.
    'username: ""',
    'chroot: ""',
    'pidfile: ""',
    `directory: "${directory}"`,
    `root-hints: "${hints}"`,
    `trust-anchor: ". DS ${anchor}"`,
    // RFC 6761 keeps this name for us; resolvers know better than to ask for it.
    'local-zone: "test." nodefault',
    'use-syslog: no',
    'logfile: ""',
    'verbosity: 1',
    'val-log-level: 2',
    'num-threads: 1',
    'so-reuseport: no',
    'harden-referral-path: yes',
    ...(WAY_LINES[way] ?? []),
  ];
  const lines = server.map((line) => `  ${line}\n`).join('');
  return {
    files: {
      'unbound.conf': `server:\n${lines}remote-control:\n  control-enable: no\n`,
    },
    words: ['unbound', '-d', '-p', '-c', join(directory, 'unbound.conf')],
  };
}
