import type { TestContext } from 'node:test';
import type { Place } from './ask.ts';
import { startPowerdns } from './powerdns-process.ts';
import { startUnbound } from './unbound-process.ts';

/** Caching resolvers that keep answers for the scope that they have, each sending as much of clients as it can. */
export type Resolver = {
  readonly title: string;
  /** How much of a client's address it sends. */
  readonly bits: Bits;
  /** It may ask again for what it was told. */
  readonly isForgetful: boolean;
  start(t: TestContext, asked: Asked): Promise<void>;
};
export type Bits = Readonly<Record<4 | 6, number>>;
export type Asked = {
  /** Where it serves its clients. */
  readonly place: Place;
  readonly zone: string;
  readonly server: Place;
};

export const FULL: Bits = { 4: 32, 6: 128 };
/** What resolvers send when nobody tells them otherwise (RFC 7871 11.1). */
const USUAL: Bits = { 4: 24, 6: 56 };
/** By default unbound keeps 100 networks of a name. */
const KEEPS_ALL = ['max-ecs-tree-size-ipv4: 10000', 'max-ecs-tree-size-ipv6: 10000'];

export const RESOLVERS: readonly Resolver[] = [
  {
    title: 'unbound, with whole addresses',
    bits: FULL,
    isForgetful: false,
    start: (t, asked) =>
      withUnbound(t, asked, [
        'client-subnet-always-forward: yes',
        'max-client-subnet-ipv4: 32',
        'max-client-subnet-ipv6: 128',
        ...KEEPS_ALL,
      ]),
  },
  {
    title: 'unbound, with what resolvers usually send, and little room',
    bits: USUAL,
    isForgetful: true,
    start: (t, asked) => withUnbound(t, asked, [`client-subnet-zone: ${asked.zone}`]),
  },
  {
    title: 'PowerDNS Recursor, with whole addresses',
    bits: FULL,
    isForgetful: false,
    start: (t, asked) =>
      withPowerdns(t, asked, [
        ...['ecs-ipv4-bits=32', 'ecs-ipv4-cache-bits=32'],
        ...['ecs-ipv6-bits=128', 'ecs-ipv6-cache-bits=128'],
      ]),
  },
  {
    title: 'PowerDNS Recursor, with what resolvers usually send',
    bits: USUAL,
    isForgetful: false,
    start: (t, asked) => withPowerdns(t, asked, []),
  },
];

async function withUnbound(
  t: TestContext,
  { place, server, zone }: Asked,
  lines: readonly string[],
): Promise<void> {
  const unbound = await startUnbound({
    place,
    // Never asked: all questions are of the stub's zone.
    root: { name: 'a.root.', address: server.address },
    lines: [
      'module-config: "subnetcache validator iterator"',
      `outgoing-interface: ${place.address}`,
      // It would ask for each step towards a name, and again for each client network.
      'qname-minimisation: no',
      ...lines,
    ],
    clauses: ['stub-zone:', `  name: ${zone}`, `  stub-addr: ${server.address}@${server.port}`],
  });
  t.after(unbound.stop);
}

async function withPowerdns(
  t: TestContext,
  { place, server, zone }: Asked,
  lines: readonly string[],
): Promise<void> {
  const subnets = ['use-incoming-edns-subnet=yes', `edns-subnet-allow-list=${zone}`];
  const powerdns = await startPowerdns({ place, zone, server, lines: [...subnets, ...lines] });
  t.after(powerdns.stop);
}
