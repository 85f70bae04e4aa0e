/** Zone files and networks as operators have them, of any size. */

/** Of a small zone, with its SOA: what a domain mostly has. */
export const ZONE_RRSETS = 10;

/** A master file with so many RRsets; `www` has this address. */
export function zoneText(zone: string, rrsets: number, www = '198.51.100.1'): string {
  const head = [
    '$TTL 3600',
    `@ IN SOA ns1.${zone}. hostmaster.${zone}. 1 7200 900 1209600 300`,
    '@ IN NS ns1',
    '@ IN NS ns2',
    'ns1 IN A 192.0.2.1',
    'ns2 IN A 192.0.2.2',
    '@ IN MX 10 mail',
    'mail IN A 192.0.2.3',
    '@ IN TXT "v=spf1 mx -all"',
    `www 300 IN A ${www}`,
    'www 300 IN AAAA 2001:db8::1',
    'ftp IN CNAME www',
  ];
  const hosts = Array.from({ length: Math.max(0, rrsets - ZONE_RRSETS) }, (_, i) => {
    return `host${i} IN A 10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
  });
  return `${[...head, ...hosts].join('\n')}\n`;
}

const PLACES = ['DE', 'US-VA', 'JP', 'FR', 'BR', 'US-CA', 'IN', 'AU', '50.1,8.7'];

/** So many networks: three quarters of IPv4, some of them inside others, and the rest of IPv6. */
export function networkLines(count: number): string {
  const lines: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const place = PLACES[(i * 7) % PLACES.length]!;
    const n = i >> 2;
    // Four of them are a /22, two /24 in it, and an IPv6 /48.
    const ipv4 = (n * 4 + (i & 3)) << 8;
    const address = `${1 + ((ipv4 >>> 24) & 0x7f)}.${(ipv4 >>> 16) & 255}.${(ipv4 >>> 8) & 255}.0`;
    if ((i & 3) === 3)
      lines.push(`2001:${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}::/48,${place}`);
    else lines.push(`${address}/${(i & 3) === 0 ? 22 : 24},${place}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Of steered names: 500 endpoints in 50 regions, in pools that are everywhere or in two or three places. */
export type SteeredWorld = { readonly pools: number; readonly summary: string };

export const STEERED_WORLDS: readonly SteeredWorld[] = [
  { pools: 10, summary: '10 pools of 50 endpoints' },
  { pools: 200, summary: '200 pools of 2 or 3 endpoints' },
];

const ENDPOINTS = 500;
const REGIONS = 50;
/** Besides `closest`, which is there unless written and said. */
const CHAINS = {
  ordered: ['healthy', 'failover', 'first'],
  shared: ['healthy', 'weighted', { step: 'first', count: 2 }],
};

/** Sections of a configuration with so many names in one zone; each pool is used with each policy. */
export function steeredConfig(names: number, { pools }: SteeredWorld): object {
  const policies = [undefined, ...Object.keys(CHAINS)];
  const entries = Array.from({ length: names }, (_, index) => {
    const policy = policies[Math.floor(index / pools) % policies.length];
    return [`n${index}`, { pool: `p${index % pools}`, policy }];
  });
  return {
    regions: Object.fromEntries(Array.from({ length: REGIONS }, (_, index) => regionOf(index))),
    pools: Object.fromEntries(Array.from({ length: pools }, (_, index) => poolOf(index, pools))),
    policies: Object.fromEntries(Object.entries(CHAINS).map(([name, chain]) => [name, { chain }])),
    zones: { 'z.example': { nameservers: 'ns.other.', steered: Object.fromEntries(entries) } },
  };
}

/** Spread over where people live. */
function regionOf(index: number): readonly [string, object] {
  const location = { latitude: ((index * 17) % 100) - 40, longitude: ((index * 71) % 300) - 140 };
  const vips = [`198.51.100.${index}`, `2001:db8::${index + 1}`];
  return [`r${index}`, { location, vips }];
}

function poolOf(pool: number, pools: number): readonly [string, object] {
  const [first = 0, next = 0] = [0, 1].map((more) =>
    Math.floor(((pool + more) * ENDPOINTS) / pools),
  );
  const endpoints = Array.from({ length: next - first }, (_, index) => {
    // Neighbours in the list are of different regions, and no pool has a region twice.
    return { region: `r${((first + index) * 7) % REGIONS}`, weight: 1 + (index % 3) };
  });
  return [`p${pool}`, { endpoints }];
}
