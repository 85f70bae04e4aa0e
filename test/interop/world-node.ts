import { type NodeFixture, startNodeFixture } from '../node/node-fixture.ts';

/**
 * What the interop tests ask: a nameserver with three regions and one zone that has every kind of
 * name. Clients in networks for documentation are placed by overrides, so that answers and scopes
 * are known to the bit; three real networks are placed by the database that the program ships.
 */
export const REGIONS = {
  virginia: {
    location: { latitude: 38.95, longitude: -77.45 },
    vips: ['192.0.2.1', '2001:db8::1'],
  },
  frankfurt: {
    location: { latitude: 50.11, longitude: 8.68 },
    vips: ['192.0.2.2', '2001:db8::2'],
  },
  singapore: {
    location: { latitude: 1.35, longitude: 103.82 },
    vips: ['192.0.2.3', '2001:db8::3'],
  },
} as const;
export type Region = keyof typeof REGIONS;

/** Networks that the overrides of the test place, and the region that is nearest to each. */
export const PLACED: readonly { readonly network: string; readonly region: Region }[] = [
  { network: '198.51.100.0/25', region: 'virginia' },
  { network: '198.51.100.128/25', region: 'singapore' },
  { network: '203.0.113.0/24', region: 'frankfurt' },
  { network: '2001:db8:2::/48', region: 'virginia' },
  { network: '2001:db8:4::/48', region: 'frankfurt' },
  { network: '2001:db8:3::/48', region: 'singapore' },
];
/** Universities: New York, Paris, Tokyo. */
export const REAL: readonly { readonly network: string; readonly region: Region }[] = [
  { network: '128.59.0.0/24', region: 'virginia' },
  { network: '193.49.0.0/24', region: 'frankfurt' },
  { network: '133.11.0.0/24', region: 'singapore' },
];
/** Where a client on a loopback address is: `dig -b` chooses. */
export const RESOLVERS = {
  virginia: '127.60.0.1',
  frankfurt: '127.0.0.1',
  singapore: '127.62.0.1',
} as const;

const NEAR = { virginia: 'US-VA', frankfurt: 'DE', singapore: 'SG' } as const;
const LONG_TEXT_COUNT = 40;

export const zone = {
  ttl: 300,
  nameservers: ['ns1', 'ns2'],
  soa: { rname: 'hostmaster', serial: 7, minimum: 60 },
  steered: {
    www: { pool: 'web', policy: 'closest', ttl: { min: 2, max: 30 } },
    app: { pool: 'web', policy: 'standby' },
    '*.wild-steered': { pool: 'web', policy: 'closest' },
    quick: { pool: 'web', policy: 'closest', ttl: { min: 1, max: 1 } },
    v4: { pool: 'v4', policy: 'closest' },
  },
  records: {
    '@': { MX: ['10 mail', '20 mail.backup.example.'], TXT: 'v=spf1 mx -all' },
    caa: { CAA: '0 issue "ca.example"' },
    ns1: { A: '192.0.2.53', AAAA: '2001:db8::53' },
    ns2: { A: '192.0.2.54' },
    mail: { A: '192.0.2.25', AAAA: '2001:db8::25' },
    '_sip._tcp': { SRV: '10 60 5060 mail' },
    ptr: { PTR: 'mail' },
    text: { TXT: '"one \\"two\\"" "three; four"' },
    several: { A: ['192.0.2.80', '192.0.2.81', '192.0.2.82'] },
    '*.wild': { A: '192.0.2.9', TXT: 'any name below wild' },
    'below.ent': { A: '192.0.2.10' },
    alias: { CNAME: 'www' },
    'static-alias': { CNAME: 'mail' },
    outside: { CNAME: 'www.elsewhere.example.' },
    sub: { NS: ['ns.sub', 'ns2.sub'] },
    'ns.sub': { A: '192.0.2.55', AAAA: '2001:db8::55' },
    'ns2.sub': { A: '192.0.2.56' },
    big: {
      TXT: Array.from({ length: LONG_TEXT_COUNT }, (_, index) => `${index} ${'x'.repeat(200)}`),
    },
    middle: { TXT: Array.from({ length: 4 }, (_, index) => `${index} ${'x'.repeat(200)}`) },
  },
};

/** A nameserver and nothing else, at these addresses. */
export function startWorldNode(
  listeners: readonly unknown[],
  zones: Readonly<Record<string, unknown>> = { 'gslb.example': zone },
  dns: Readonly<Record<string, unknown>> = {},
  files: Readonly<Record<string, string>> = {},
  /** Where keys are kept; default: nowhere. */
  stateDirectory?: string,
): Promise<NodeFixture> {
  const endpoints = Object.keys(REGIONS);
  const v4 = Object.entries(REGIONS).map(([region, { vips }]) => ({ region, addresses: vips[0] }));
  const resolvers = Object.entries(RESOLVERS).map(([region, address]) => ({
    network: address === '127.0.0.1' ? '127.0.0.0/8' : `${address}/32`,
    region: region as Region,
  }));
  const placed = [...PLACED, ...resolvers, { network: '::1/128', region: 'singapore' as const }];
  return startNodeFixture(
    {
      node: { roles: ['nameserver'], workers: { dns: 1 }, stateDirectory },
      regions: REGIONS,
      geo: {
        overrides: placed.map(({ network, region }) => ({
          networks: [network],
          location: NEAR[region],
        })),
      },
      pools: { web: { endpoints }, v4: { endpoints: v4 } },
      policies: {
        standby: {
          chain: ['healthy', { step: 'failover', regions: ['frankfurt', 'virginia'] }, 'first'],
        },
      },
      zones,
      dns: { ...dns, listeners },
    },
    {},
    files,
  );
}
