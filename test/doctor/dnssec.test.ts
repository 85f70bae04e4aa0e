import { test } from 'node:test';
import { dsText } from '../../src/dns/dnssec/key-digest.ts';
import { parseName } from '../../src/dns/name.ts';
import type { NameserverSights, Observation } from '../../src/doctor/observation.ts';
import {
  expectFindings,
  healthy,
  NOW_SECONDS,
  parentServer,
  record,
  seen,
  silent,
  soaLine,
  withAll,
  ZONE,
} from './observation-fixture.ts';

const DAY = 86_400;
const KEY = `${ZONE} 3600 DNSKEY 257 3 13 ${Buffer.alloc(64, 7).toString('base64')}`;
const rdata = record(KEY).rdata;
const owner = parseName(ZONE)!;
const DS = dsText(owner, rdata);
const [TAG] = DS.split(' ');

/** A signature of the type, from and to in seconds from now. */
function signature(type: string, from: number, to: number): string {
  const [inception, expiration] = [from, to].map((seconds) => NOW_SECONDS + seconds);
  return `${ZONE} 300 RRSIG ${type} 13 2 300 ${expiration} ${inception} ${TAG} ${ZONE} AAAA`;
}

function signed(from = -DAY, to = 13 * DAY): Partial<NameserverSights> {
  const soa = seen({ answer: [soaLine(), signature('SOA', from, to)] });
  const keys = seen({ answer: [KEY, signature('DNSKEY', -DAY, 13 * DAY)] });
  return { soa, tcp: soa, keys };
}

const withDs = (observation: Observation, ...ds: readonly string[]): Observation => ({
  ...observation,
  parent: {
    name: 'example.',
    servers: [parentServer({ ds: seen({ answer: ds.map((text) => `${ZONE} 3600 DS ${text}`) }) })],
  },
});

test('dnssec: DS at the parent and keys of the zone', () => {
  const other = `1 13 2 ${'00'.repeat(32)}`;
  const sameTag = `${TAG} 13 2 ${'00'.repeat(32)}`;
  const unasked = { name: undefined, servers: [parentServer({ ds: silent() })] };
  expectFindings('dnssec', [
    ['unsigned', healthy()],
    [
      'unsigned, DS not asked',
      healthy({ parent: unasked }),
      /^warn The zone is not signed; whether/,
    ],
    ['well', withDs(withAll(signed()), DS)],
    [
      'keys that the key of the DS has not signed',
      withDs(
        withAll({
          ...signed(),
          keys: seen({
            answer: [KEY, signature('DNSKEY', -DAY, 13 * DAY).replace(` ${TAG} `, ' 4711 ')],
          }),
        }),
        DS,
      ),
      /^bad The keys at .* are signed by none that the parent has the DS of \(key tag/,
    ],
    [
      'DS without keys',
      withDs(healthy(), other),
      /^bad The parent has DS records \(key tag 1\), but the zone has no keys/,
    ],
    ['keys without DS', withAll(signed()), /^warn The zone is signed, but the parent has no DS/],
    ['of another key', withDs(withAll(signed()), other), /^bad No DS at the parent \(key tag 1\)/],
    ['another digest', withDs(withAll(signed()), sameTag), /^bad No DS at the parent/],
    [
      'one of two',
      withDs(withAll(signed()), DS, other),
      /^warn DS records at the parent have no key in the zone: key tag 1\.$/,
    ],
  ]);
});

test('dnssec: signatures that end, and nodes without', () => {
  const unsigned = { soa: seen({ answer: [soaLine()] }), keys: seen() };
  const { nameservers } = withAll(signed());
  const half = healthy({
    nameservers: [
      ...nameservers.slice(0, -1),
      { ...nameservers[2]!, ...unsigned, tcp: unsigned.soa },
    ],
  });
  const expiring = (from: number, to: number) => {
    const all = withAll(signed()).nameservers;
    return withDs(
      healthy({ nameservers: [...all.slice(0, -1), { ...all[2]!, ...signed(from, to) }] }),
      DS,
    );
  };
  expectFindings('dnssec', [
    [
      'past',
      expiring(-14 * DAY, -3600),
      /^bad The signature of SOA at ns2\S+ \(\S+\) ended 60 minutes ago/,
    ],
    ['future', expiring(3600, 14 * DAY), /^bad The signature of SOA .* begins in 60 minutes only/],
    [
      'near',
      expiring(-12 * DAY, 2 * DAY),
      /^warn The signature of SOA .* ends in 2 days, with most of its 14 days gone/,
    ],
    ['short by design', expiring(-DAY, DAY)],
    [
      'one node unsigned',
      withDs(half, DS),
      /^bad Keys or signatures are missing at ns2\S+ \(\S+\), while/,
    ],
    ['too long for UDP', withDs(withAll({ ...signed(), soa: seen({ answer: [soaLine()] }) }), DS)],
  ]);
});
