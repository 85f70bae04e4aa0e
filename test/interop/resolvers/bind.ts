import { join } from 'node:path';
import { RESOLVER } from './places.ts';
import { familiesOf, type Plan, type ResolverKind, type Setup, type Way } from './resolver.ts';

export const BIND: ResolverKind = {
  name: 'BIND',
  addresses: RESOLVER.bind,
  cannot: {
    'with client subnets': 'sends client subnets in its commercial edition only',
  },
  keepsCase: true,
  // Of its own zones as well (9.18).
  bareNegatives: ['with minimised names'],
  plan,
};

const FAMILY_FLAGS: Readonly<Partial<Record<Way, readonly string[]>>> = {
  'over IPv4 alone': ['-4'],
  'over IPv6 alone': ['-6'],
};

function plan({ directory, hints, anchor }: Setup, way: Way): Plan {
  const [tag, algorithm, digestType, ...digest] = anchor.split(' ');
  const key = `. static-ds ${tag} ${algorithm} ${digestType} "${digest.join('')}";`;
  const families = familiesOf(way);
  const options = [
    `directory "${directory}"`,
    `listen-on { ${families.includes(4) ? RESOLVER.bind[4] : 'none'}; }`,
    `listen-on-v6 { ${families.includes(6) ? RESOLVER.bind[6] : 'none'}; }`,
    ...(families.includes(4) ? [`query-source address ${RESOLVER.bind[4]}`] : []),
    ...(families.includes(6) ? [`query-source-v6 address ${RESOLVER.bind[6]}`] : []),
    'allow-query { any; }',
    'allow-recursion { any; }',
    'recursion yes',
    'dnssec-validation yes',
    `qname-minimization ${way === 'with minimised names' ? 'strict' : 'relaxed'}`,
    'pid-file none',
    'session-keyfile none',
  ];
  const servers = ['0.0.0.0/0', '::/0'].map((network) => `server ${network} { tcp-only yes; };\n`);
  const file = [
    `options {\n${options.map((line) => `  ${line};\n`).join('')}};\n`,
    'controls { };\n',
    `trust-anchors { ${key} };\n`,
    `zone "." { type hint; file "${hints}"; };\n`,
    ...(way === 'over TCP alone' ? servers : []),
  ];
  const flags = ['-g', '-n', '1', ...(FAMILY_FLAGS[way] ?? [])];
  return {
    files: { 'named.conf': file.join('') },
    words: ['named', ...flags, '-c', join(directory, 'named.conf')],
  };
}
