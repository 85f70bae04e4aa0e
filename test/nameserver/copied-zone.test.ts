import assert from 'node:assert/strict';
import { test } from 'node:test';
import dnsPacket from 'dns-packet';
import type { Config, RrsetConfig, SteeredConfig } from '../../src/config/config.ts';
import { withOverlays, type ZoneOverlay } from '../../src/config/overlay.ts';
import { writeNotify } from '../../src/dns/notify.ts';
import { signTsig } from '../../src/dns/tsig.ts';
import { DEFER_NOTIFY } from '../../src/nameserver/outcomes.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { APEX, KEY, NOW, soa } from '../secondary/primary-stream.ts';
import {
  ask,
  clientAt,
  compiled,
  createConfig,
  NOW_MS,
  RECORDS,
  rrset,
  STEERED,
  startWorker,
} from './fixture.ts';

const ZONE = 'gslb.example';
const steered = STEERED.filter(({ owner }) => owner !== 'gslb.example.');
/** What the primary says of names that are steered here. */
const HIDDEN: readonly RrsetConfig[] = [
  rrset('www.gslb.example.', 'A', ['192.0.2.77']),
  rrset('share.gslb.example.', 'CNAME', ['static.gslb.example.']),
];
const overlay: ZoneOverlay = {
  zone: ZONE,
  soa: { ...createConfig().zones[ZONE]!.soa, serial: 42 },
  soaTtl: 77,
  rrsets: [...RECORDS, ...HIDDEN],
};

function configOf(
  whenExpired: 'servfail' | 'answer' = 'servfail',
  more: readonly SteeredConfig[] = [],
): Config {
  const { zones } = createConfig();
  const primary = { servers: [{ address: '192.0.2.1', port: 53 }], whenExpired };
  const zone = { ...zones[ZONE]!, rrsets: [], steered: [...steered, ...more], primary };
  return createConfig({ zones: { [ZONE]: zone, 'second.test': zones['second.test']! } });
}
const worker = (config: Config, ...overlays: readonly ZoneOverlay[]) =>
  startWorker(compiled(withOverlays(config, overlays)));

/** `RCODE EDE answers…` */
function says(at: ReturnType<typeof worker>, name: string, type = 'A'): string {
  const { bytes, data, rcode } = ask(at, name, type, { edns: true });
  const opt = dnsPacket.decode(Buffer.from(bytes)).additionals?.find((each) => each.type === 'OPT');
  const error = opt?.options.find(({ code }) => Number(code) === 15) as
    | { data?: Buffer }
    | undefined;
  const ede = error?.data === undefined ? '-' : error.data.readUInt16BE(0);
  return [rcode, ede, ...data].join(' ').trim();
}
const STEERED_ANSWER = /^NOERROR - 198\.51\.100\.\d$/;

test('before there is a copy only what is steered is answered', () => {
  const at = worker(configOf());
  for (const [name, type] of [
    ['static.gslb.example', 'A'],
    ['nowhere.gslb.example', 'A'],
    ['gslb.example', 'SOA'],
    ['gslb.example', 'NS'],
    ['gslb.example', 'ANY'],
    ['www.gslb.example', 'TXT'],
  ] as const) {
    assert.equal(says(at, name, type), 'SERVFAIL 14', `${name} ${type}`);
  }
  assert.match(says(at, 'www.gslb.example'), STEERED_ANSWER);
  assert.match(says(at, 'x.app.gslb.example'), STEERED_ANSWER);
  assert.equal(says(at, 'host.second.test', 'MX'), 'NOERROR - 1 mail.second.test');
  assert.match(says(at, 'elsewhere.example'), /^REFUSED 20/);
});

test('a copy is served, with steered names in the place of its addresses', () => {
  const at = worker(configOf(), overlay);
  assert.equal(says(at, 'static.gslb.example'), 'NOERROR - 192.0.2.1 192.0.2.2');
  assert.match(says(at, 'www.gslb.example'), STEERED_ANSWER);
  assert.match(says(at, 'share.gslb.example'), STEERED_ANSWER);
  assert.equal(says(at, 'www.gslb.example', 'TXT'), 'NOERROR - beside the steered addresses');
  assert.equal(says(at, 'nowhere.gslb.example'), 'NXDOMAIN -');
  assert.deepEqual(ask(at, ZONE, 'SOA').ttls, [77]);
});

test('an expired copy fails, or is answered as what it is; steered names go on in any case', () => {
  const expired = { ...overlay, isExpired: true };
  const at = worker(configOf(), expired);
  for (const name of ['static', 'alias', 'nowhere', 'x.sub', 'to-steered', 'x.wild']) {
    assert.equal(says(at, `${name}.gslb.example`), 'SERVFAIL 24', name);
  }
  assert.equal(says(at, 'gslb.example', 'SOA'), 'SERVFAIL 24');
  assert.match(says(at, 'www.gslb.example'), STEERED_ANSWER);
  const stale = worker(configOf('answer'), expired);
  assert.equal(says(stale, 'static.gslb.example'), 'NOERROR 3 192.0.2.1 192.0.2.2');
  assert.equal(says(stale, 'nowhere.gslb.example'), 'NXDOMAIN 3');
  assert.match(says(stale, 'www.gslb.example'), STEERED_ANSWER);
  assert.match(says(stale, 'to-steered.gslb.example'), /^NOERROR 3 \S+ 198\.51\.100\.\d$/);
});

test('an answer is stale when any alias on the way to it is', () => {
  const far = rrset('far.gslb.example.', 'CNAME', ['host.second.test.']);
  const expired = { ...overlay, rrsets: [...RECORDS, far], isExpired: true };
  const stale = worker(configOf('answer'), expired);
  assert.equal(
    says(stale, 'far.gslb.example', 'MX'),
    'NOERROR 3 host.second.test 1 mail.second.test',
  );
  assert.equal(says(stale, 'host.second.test', 'MX'), 'NOERROR - 1 mail.second.test');
  // From a cache of whole answers as well as the first time.
  assert.match(says(stale, 'far.gslb.example', 'MX'), /^NOERROR 3 /);
});

test('what comes besides the copy is answered without it: keys, challenges', () => {
  const challenge = rrset('_acme-challenge.gslb.example.', 'TXT', ['"token"']);
  const beside: ZoneOverlay = { zone: ZONE, rrsets: [challenge] };
  for (const overlays of [[beside], [beside, { ...overlay, isExpired: true }]]) {
    const at = worker(configOf(), ...overlays);
    assert.equal(says(at, '_acme-challenge.gslb.example', 'TXT'), 'NOERROR - token');
    assert.match(says(at, 'static.gslb.example'), /^SERVFAIL/);
  }
});

test('overlays are joined with a copy whichever comes first, and serials are those of the primary', () => {
  const beside: ZoneOverlay = {
    zone: ZONE,
    serialIncrement: 3,
    rrsets: [rrset('x.gslb.example.', 'A', ['192.0.2.9'])],
  };
  for (const overlays of [
    [beside, overlay],
    [overlay, beside],
  ]) {
    const zone = withOverlays(configOf(), overlays).zones[ZONE]!;
    assert.equal(zone.soa.serial, 45);
    assert.equal(zone.copy, 'current');
    assert.ok(zone.rrsets.some(({ owner }) => owner === 'x.gslb.example.'));
    assert.ok(zone.rrsets.some(({ owner }) => owner === 'static.gslb.example.'));
  }
});

test("a zone that is signed here has no keys of its primary's", () => {
  const keys = ['DNSKEY', 'CDS', 'CDNSKEY'].map((type) => rrset('gslb.example.', type, ['x']));
  const signed = { ...overlay, rrsets: [...overlay.rrsets, ...keys] };
  const typesOf = (config: Config): readonly string[] =>
    withOverlays(config, [signed]).zones[ZONE]!.rrsets.map(({ type }) => type);
  const config = configOf();
  const dnssec = { scheme: 'csk' } as never;
  const zones = { ...config.zones, [ZONE]: { ...config.zones[ZONE]!, dnssec } };
  assert.ok(typesOf(config).includes('DNSKEY'));
  for (const { type } of keys) assert.ok(!typesOf({ ...config, zones }).includes(type), type);
});

test('a zone that has no primary any more is not a copy', () => {
  const own = createConfig();
  const zone = withOverlays(own, [overlay]).zones[ZONE]!;
  assert.deepEqual(zone, own.zones[ZONE]);
});

test('a steered name where the primary delegates is refused', () => {
  const below = { ...steered[0]!, owner: 'www.sub.gslb.example.' };
  assert.throws(
    () => compiled(withOverlays(configOf('servfail', [below]), [overlay])),
    /sub\.gslb/,
  );
});

test('NOTIFY of a primary, or signed, is for the main thread; of others it is refused at once', () => {
  const { dns, ...rest } = configOf();
  const keys = {
    'key.': { algorithm: KEY.algorithm, secret: Buffer.from(KEY.secret).toString('base64') },
  };
  const at = worker({ ...rest, dns: { ...dns, keys } }, overlay);
  const none = startWorker();
  const plain = writeNotify(7, APEX, soa(9));
  const signed = signTsig(plain, KEY, NOW).message;
  const reply = new Uint8Array(65_535);
  const outcome = (to: typeof at, from: string, bytes: Uint8Array): number | string => {
    const length = respond(to, clientAt(from), bytes, bytes.length, NOW_MS, reply);
    return length > 0 ? reply[3]! & 15 : length;
  };
  assert.equal(outcome(at, '192.0.2.1', plain), DEFER_NOTIFY);
  assert.equal(outcome(at, '192.0.2.2', plain), 5);
  assert.equal(outcome(at, '192.0.2.2', signed), DEFER_NOTIFY);
  const forged = signTsig(plain, { ...KEY, secret: new Uint8Array(32) }, NOW).message;
  for (const from of ['192.0.2.1', '192.0.2.2']) {
    assert.equal(outcome(at, from, forged), 9, 'who only says that it has the key gets no further');
  }
  assert.equal(outcome(at, '192.0.2.2', signed), DEFER_NOTIFY, 'the packet was not spoilt');
  assert.equal(outcome(none, '192.0.2.1', plain), 4);
  assert.equal(outcome(none, '192.0.2.1', signed), 4);
});
