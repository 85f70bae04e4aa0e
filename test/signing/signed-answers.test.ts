import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { typeName } from '../../src/dns/type-names.ts';
import { SIGN } from '../../src/nameserver/outcomes.ts';
import { respond } from '../../src/nameserver/respond.ts';
import type { WorkerState } from '../../src/nameserver/worker-state.ts';
import { buildQuery, opt } from '../dns/query-builder.ts';
import { clientAt, createConfig, NOW_MS, rrset, wireName } from '../nameserver/fixture.ts';
import { type SignedWorld, signedWorld } from './signed-world.ts';
import { faultsOf } from './validator.ts';

const NAMES = [
  'gslb.example',
  'ns1.gslb.example',
  'static.gslb.example',
  'STATIC.gslb.example',
  'www.gslb.example',
  'v4.gslb.example',
  'share.gslb.example',
  'one.app.gslb.example',
  'a.b.app.gslb.example',
  'app.gslb.example',
  '*.app.gslb.example',
  'ent.gslb.example',
  'deep.ent.gslb.example',
  'below.deep.ent.gslb.example',
  'any.wild.gslb.example',
  'known.wild.gslb.example',
  'below.known.wild.gslb.example',
  'wild.gslb.example',
  'sub.gslb.example',
  'host.sub.gslb.example',
  'alias.gslb.example',
  'twice.gslb.example',
  'away.gslb.example',
  'gone.gslb.example',
  'into-sub.gslb.example',
  'any.into.gslb.example',
  '!any.wild.gslb.example',
  '!one.app.gslb.example',
  'to-steered.gslb.example',
  'cross.gslb.example',
  'any.star.gslb.example',
  'old.gslb.example',
  'x.old.gslb.example',
  'nowhere.old.gslb.example',
  'c.old.gslb.example',
  'out.gslb.example',
  'x.out.gslb.example',
  'missing.gslb.example',
  'aaaa.missing.gslb.example',
  'zzz.gslb.example',
  '0.gslb.example',
  'big.gslb.example',
  'second.test',
  'host.second.test',
  'missing.second.test',
];
const TYPES = [1, 2, 5, 6, 15, 16, 28, 39, 43, 46, 47, 48, 64, 65, 99, 255];

for (const denial of ['compact', 'nsec'] as const) {
  for (const signed of [['gslb.example'], ['gslb.example', 'second.test'], ['second.test']]) {
    test(`respond() answers ${signed.join(' and ')} so that it validates (${denial})`, () => {
      const world = signedWorld(denial, signed);
      for (const name of NAMES) {
        for (const type of TYPES) {
          const { bytes } = answerOf(world, name, type);
          const message = decodeMessage(bytes);
          assert.ok(message.ok, `${name} ${type}`);
          const faults = faultsOf(message.message, world.dnskeys);
          assert.deepEqual(faults, [], `${name} ${typeName(type)}\n${textOf(message.message)}`);
        }
      }
    });
  }
}

const FAMILY = [
  'child.gslb.example',
  'host.child.gslb.example',
  'missing.child.gslb.example',
  'bare.gslb.example',
  'bare.bare.gslb.example',
  'gslb.example',
  'chilc.gslb.example',
  'childe.gslb.example',
];

for (const denial of ['compact', 'nsec'] as const) {
  for (const children of [['child'], ['child', 'bare'], ['bare'], []]) {
    test(`respond() proves what a parent says of zones of ours (${denial}, ${children})`, () => {
      const signed = children.map((child) => `${child}.gslb.example`);
      const world = signedWorld(denial, ['gslb.example', ...signed], family());
      for (const name of FAMILY) {
        for (const type of TYPES) {
          const { bytes } = answerOf(world, name, type);
          const message = decodeMessage(bytes);
          assert.ok(message.ok, `${name} ${type}`);
          const faults = faultsOf(message.message, world.dnskeys);
          assert.deepEqual(faults, [], `${name} ${typeName(type)}\n${textOf(message.message)}`);
        }
      }
    });
  }
}

/** A zone with a DS in its parent, and one without. */
function family(): Config {
  const config = createConfig();
  const parent = config.zones['gslb.example']!;
  const { soa, ttl } = parent;
  const child = (name: string) => ({
    ttl,
    soa,
    rrsets: [rrset(`host.${name}.`, 'A', ['192.0.2.9'])],
    steered: [],
  });
  const ds = rrset('child.gslb.example.', 'DS', [`1 13 2 ${'00'.repeat(32)}`]);
  const zones = {
    'gslb.example': { ...parent, rrsets: [...parent.rrsets, ds] },
    'child.gslb.example': child('child.gslb.example'),
    'bare.gslb.example': child('bare.gslb.example'),
  };
  return { ...config, zones };
}

test('what does not fit over UDP is truncated and empty: no proof goes without its half (RFC 4035 3.1.1)', () => {
  for (const denial of ['compact', 'nsec'] as const) {
    const world = signedWorld(denial);
    const seen = { whole: 0, truncated: 0 };
    for (const size of [512, 700, 1232]) {
      for (const name of NAMES) {
        for (const type of TYPES) {
          const { bytes } = answerOf(world, name, type, size);
          assert.ok(bytes.length <= size, `${name} ${type}: ${bytes.length} of ${size}`);
          const decoded = decodeMessage(bytes);
          assert.ok(decoded.ok, `${name} ${type}`);
          const { answer, truncated } = decoded.message;
          if (truncated) assert.deepEqual(answer, [], `${name} ${type} ${size}`);
          else assert.deepEqual(faultsOf(decoded.message, world.dnskeys), [], `${name} ${type}`);
          seen[truncated ? 'truncated' : 'whole'] += 1;
        }
      }
    }
    assert.ok(seen.whole > 100 && seen.truncated > 30, JSON.stringify(seen));
  }
});

test('a denial is kept as long as a negative answer: the least of SOA and MINIMUM (RFC 9077 3)', () => {
  const NSEC = 47;
  for (const denial of ['compact', 'nsec'] as const) {
    for (const [ttl, expected] of [
      [3600, 60],
      [30, 30],
    ] as const) {
      const config = createConfig();
      const zone = { ...config.zones['gslb.example']!, ttl };
      const world = signedWorld(denial, ['gslb.example'], {
        ...config,
        zones: { ...config.zones, 'gslb.example': zone },
      });
      let seen = 0;
      for (const name of NAMES) {
        const decoded = decodeMessage(answerOf(world, name, NSEC).bytes);
        assert.ok(decoded.ok, name);
        for (const record of [...decoded.message.answer, ...decoded.message.authority]) {
          if (record.type !== NSEC) continue;
          assert.equal(record.ttlSeconds, expected, name);
          seen += 1;
        }
      }
      assert.ok(seen > 10, `${seen}`);
    }
  }
});

test('faultsOf() misses no record that is taken away, and no signature that is bent', () => {
  const world = signedWorld('nsec');
  let seen = 0;
  for (const name of [
    'missing.gslb.example',
    'any.wild.gslb.example',
    'sub.gslb.example',
    'www.gslb.example',
  ]) {
    for (const type of [1, 43]) {
      const { bytes } = answerOf(world, name, type);
      const { message } = decodeMessage(bytes) as { message: Message };
      for (const section of ['answer', 'authority'] as const) {
        for (const [index, record] of message[section].entries()) {
          if (record.type === 2 || record.type === 6) continue;
          const rest = message[section].filter((_, other) => other !== index);
          const isEmptied = rest.every((each) => each.type === 46);
          if (isEmptied) continue;
          assert.notDeepEqual(
            faultsOf({ ...message, [section]: rest }, world.dnskeys),
            [],
            textOf(message),
          );
          const rdata = record.rdata.slice();
          rdata[rdata.length - 1]! ^= 1;
          const bent = message[section].map((each) =>
            each === record ? { ...each, rdata } : each,
          );
          assert.notDeepEqual(
            faultsOf({ ...message, [section]: bent }, world.dnskeys),
            [],
            textOf(message),
          );
          seen += 1;
        }
      }
    }
  }
  assert.ok(seen > 20, `${seen}`);
});

/** @param udpSize over UDP with so much room; 0 = over TCP */
function answerOf(world: SignedWorld, name: string, type: number, udpSize = 0) {
  const reply = respondTo(world.worker, name, type, udpSize);
  if (reply !== undefined) return { bytes: reply, isCold: false };
  const bytes = respondTo(world.signer, name, type, udpSize);
  assert.ok(bytes, `${name} ${type}: the signer cannot sign`);
  return { bytes, isCold: true };
}

/** Undefined when a signature is missing. */
function respondTo(
  worker: WorkerState,
  name: string,
  type: number,
  udpSize: number,
): Uint8Array | undefined {
  const question = [...wireName(name), type >> 8, type & 255, 0, 1];
  const records = [opt([], udpSize || 1232, [0, 0, 0x80, 0])];
  const query = buildQuery({ question, records });
  const reply = new Uint8Array(65_535);
  const client = clientAt('192.0.2.200', udpSize === 0);
  const length = respond(worker, client, query, query.length, NOW_MS, reply);
  if (length === SIGN) return undefined;
  assert.ok(length > 0, `${name} ${type}: ${length}`);
  return reply.slice(0, length);
}

type Message = (ReturnType<typeof decodeMessage> & { readonly ok: true })['message'];

function textOf({ answer, authority, rcode }: Message): string {
  const lines = (section: Message['answer']) =>
    section.map(
      ({ name, text, ttlSeconds, type }) => `  ${name} ${ttlSeconds} ${typeName(type)} ${text}`,
    );
  return [`rcode ${rcode}`, ...lines(answer), ' --', ...lines(authority)].join('\n');
}
