import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../node/until.ts';
import type { Island } from './island.ts';
import { type Addresses, CHILD, MERIDIAN, ROOT, TLD } from './places.ts';

/**
 * What stands above Meridian, and one zone below: BIND as the root and as `test.`, both signed, and as
 * the children that Meridian delegates, `sub.gslb.test.` and the like, unsigned. One process with a view per address,
 * since a server that has both zones would never give a referral from the one to the other.
 */
export type Parents = {
  /** What resolvers must trust: data of the DS record of the root's key. */
  readonly anchor: string;
  /** Delegates a zone below `test.` to Meridian with these DS data, instead of what it had. */
  delegate(zone: string, ds: readonly string[]): Promise<void>;
  /** What it was asked so far, letter by letter. */
  queries(): readonly ParentQuery[];
  /** What the server has written, for when something is wrong. */
  said(): string;
};
export type ParentQuery = {
  /** Address of the resolver. */
  readonly from: string;
  readonly view: 'root' | 'tld' | 'child';
  /** As it was written in the query, without the last dot. */
  readonly name: string;
  readonly type: string;
  readonly transport: 'udp' | 'tcp';
};

export const ROOT_NAME = 'a.root.';
/** A name of the signed `test.`, whose answer every validating resolver calls secure. */
export const SIGNED_NAME = 'www.elsewhere.test.';
export const SIGNED_ADDRESS = '192.0.2.99';
/** Of the zones below each of those that are delegated to Meridian. */
export const CHILD_LABEL = 'sub';
export const CHILD_ADDRESS = '192.0.2.77';

const TLD_ZONE = 'test.';
const TLD_NAME = 'a.nic.test.';
const DEADLINE_MS = 30_000;

/** The TLD delegates these zones to Meridian, without DS. */
export async function startParents(island: Island, zones: readonly string[]): Promise<Parents> {
  const directory = join(island.directory, 'parents');
  mkdirSync(directory);
  const keys = {
    root: await makeKey(island, directory, '.'),
    tld: await makeKey(island, directory, TLD_ZONE),
  };
  const delegated = new Map<string, readonly string[]>(zones.map((zone) => [zone, []]));
  let serial = 1;
  const signTld = async (): Promise<void> => {
    writeFileSync(join(directory, 'tld'), tldZone(serial, delegated));
    // As registries do it: NSEC3 without salt or iterations (RFC 9276).
    await sign(island, directory, { zone: TLD_ZONE, file: 'tld', more: ['-3', '-', '-H', '0'] });
  };
  writeFileSync(join(directory, 'root'), rootZone(keys.tld));
  await sign(island, directory, { zone: '.', file: 'root', more: [] });
  await signTld();
  const children = zones.map((zone) => `${CHILD_LABEL}.${zone}`);
  for (const zone of children) writeFileSync(join(directory, zone), childZone(zone));
  writeFileSync(join(directory, 'named.conf'), configuration(directory, children));
  const named = island.start(['named', '-g', '-n', '1', '-c', join(directory, 'named.conf')]);
  const serves = async (): Promise<boolean> => {
    const words = ['dig', '+short', '+tries=1', '+time=1', `@${TLD[4]}`, TLD_ZONE, 'SOA'];
    const { stdout } = await island.run(words);
    return stdout.split(' ')[2] === `${serial}`;
  };
  const untilServed = (): Promise<number> =>
    until(serves, DEADLINE_MS, () => `serial ${serial} of ${TLD_ZONE}: ${named.said()}`);
  await untilServed();
  return {
    anchor: keys.root,
    async delegate(zone, ds) {
      delegated.set(zone, ds);
      serial += 1;
      await signTld();
      named.kill('SIGHUP');
      await untilServed();
    },
    queries: () => [...named.said().matchAll(QUERY)].map(({ groups }) => parentQuery(groups!)),
    said: named.said,
  };
}

/** Its log of queries; the flags have a `T` for TCP. */
const QUERY =
  /client @\S+ (?<from>[\da-f.:]+)#\d+ \(\S+\): view (?<view>\w+): query: (?<name>\S+) IN (?<type>\S+) (?<flags>[-+]\S*)/g;

function parentQuery({ from, view, name, type, flags }: Record<string, string>): ParentQuery {
  const transport = flags!.includes('T') ? 'tcp' : 'udp';
  return { from: from!, view: view as ParentQuery['view'], name: name!, type: type!, transport };
}

/** Makes the zone's only key and resolves to its DS data. */
async function makeKey(island: Island, directory: string, zone: string): Promise<string> {
  const keygen = ['dnssec-keygen', '-q', '-K', directory, '-a', 'ECDSAP256SHA256', '-f', 'KSK'];
  const name = (await runWell(island, [...keygen, zone])).trim();
  const ds = await runWell(island, ['dnssec-dsfromkey', '-2', join(directory, `${name}.key`)]);
  return ds.trim().replace(/^.* DS /, '');
}

type Signing = {
  readonly zone: string;
  readonly file: string;
  readonly more: readonly string[];
};

/** Writes `file`.signed with the keys that are in the directory. */
async function sign(
  island: Island,
  directory: string,
  { zone, file, more }: Signing,
): Promise<void> {
  const path = join(directory, file);
  const words = ['dnssec-signzone', '-S', '-z', '-K', directory, '-d', directory, ...more];
  await runWell(island, [...words, '-o', zone, '-f', `${path}.signed`, path]);
}

async function runWell(island: Island, words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await island.run(words);
  assert.equal(code, 0, `${words.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

const addressLines = (name: string, addresses: Addresses): string[] => [
  `${name} A ${addresses[4]}`,
  `${name} AAAA ${addresses[6]}`,
];

const master = (zone: string, server: string, serial: number, lines: readonly string[]): string =>
  [
    '$TTL 3600',
    `${zone} SOA ${server} nobody.${server} ${serial} 1800 900 604800 60`,
    `${zone} NS ${server}`,
    ...lines,
    '',
  ].join('\n');

function rootZone(tldDs: string): string {
  return master('.', ROOT_NAME, 1, [
    ...addressLines(ROOT_NAME, ROOT),
    `${TLD_ZONE} NS ${TLD_NAME}`,
    ...addressLines(TLD_NAME, TLD),
    `${TLD_ZONE} DS ${tldDs}`,
  ]);
}

function tldZone(serial: number, delegated: ReadonlyMap<string, readonly string[]>): string {
  const delegations = [...delegated].flatMap(([zone, ds]) => [
    ...MERIDIAN.flatMap((addresses, index) => {
      const server = `ns${index + 1}.${zone}`;
      return [`${zone} NS ${server}`, ...addressLines(server, addresses)];
    }),
    ...ds.map((data) => `${zone} DS ${data}`),
  ]);
  return master(TLD_ZONE, TLD_NAME, serial, [
    ...addressLines(TLD_NAME, TLD),
    `${SIGNED_NAME} A ${SIGNED_ADDRESS}`,
    ...delegations,
  ]);
}

function childZone(zone: string): string {
  const server = `ns.${zone}`;
  return master(zone, server, 1, [...addressLines(server, CHILD), `a.${zone} A ${CHILD_ADDRESS}`]);
}

function configuration(directory: string, children: readonly string[]): string {
  const served = [
    { view: 'root', zones: [{ zone: '.', file: 'root.signed' }], at: ROOT },
    { view: 'tld', zones: [{ zone: TLD_ZONE, file: 'tld.signed' }], at: TLD },
    { view: 'child', zones: children.map((zone) => ({ zone, file: zone })), at: CHILD },
  ];
  const views = served.map(
    ({ view, zones, at }) =>
      `view ${view} {
  match-destinations { ${at[4]}; ${at[6]}; };
${zones.map(({ file, zone }) => `  zone "${zone}" { type primary; file "${file}"; };`).join('\n')}
};`,
  );
  return `options {
  directory "${directory}";
  listen-on { ${served.map(({ at }) => `${at[4]};`).join(' ')} };
  listen-on-v6 { ${served.map(({ at }) => `${at[6]};`).join(' ')} };
  allow-query { any; };
  recursion no;
  dnssec-validation no;
  notify no;
  querylog yes;
  pid-file none;
  session-keyfile none;
};
controls { };
${views.join('\n')}
`;
}
