import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { type DecodedMessage, decodeMessage } from '../../src/dns/decode.ts';
import { ECDSA_P256, generateKey } from '../../src/dns/dnssec/keys.ts';
import { DOWN } from '../../src/health/health-word.ts';
import { SIGN } from '../../src/nameserver/outcomes.ts';
import { NOTHING_PREPARED, preparedCount } from '../../src/nameserver/prepared.ts';
import { respond } from '../../src/nameserver/respond.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { addSignatures, learn, setHealth, setSnapshot } from '../../src/nameserver/worker-state.ts';
import { RENEW_SECONDS } from '../../src/signing/served-signatures.ts';
import { createSignerDesk, DESK_LIMITS } from '../../src/signing/signer-desk.ts';
import { hasSignedZones } from '../../src/zone/lookup.ts';
import { buildQuery, opt } from '../dns/query-builder.ts';
import {
  allUp,
  clientAt,
  compiled,
  createConfig,
  healthOf,
  NOW_MS,
  rrset,
  startWorker,
  wireName,
} from '../nameserver/fixture.ts';
import { NOW_SECONDS, run, signedWorld } from './signed-world.ts';
import { faultsOf } from './validator.ts';

const DAY_SECONDS = 86_400;
const REFRESH_SECONDS = 7 * DAY_SECONDS;
const RRSIG = 46;
const NSEC = 47;

/** A signer and a worker that has what the signer made; the clock stands until it is moved. */
function openDesk(
  denial: 'compact' | 'nsec' = 'compact',
  aheadSeconds = 0,
  isCopied = false,
  limits = {},
) {
  const world = signedWorld(denial, ['gslb.example'], withAll(isCopied));
  const { dnskeys, keys, plain } = world;
  let nowSeconds = NOW_SECONDS + aheadSeconds;
  const desk = createSignerDesk(() => nowSeconds, { ...DESK_LIMITS, ...limits });
  desk.setKeys(keys);
  const snapshot: Snapshot = { ...plain, ...run(desk.sign(plain)) };
  desk.serve(snapshot, healthOf(allUp(snapshot)));
  const worker = startWorker(snapshot);
  const hear = (news: ReturnType<typeof desk.renew> | ReturnType<typeof desk.prepare>) => {
    const told = run(news);
    if (told) addSignatures(worker, told.generation, told.signatures, told.prepared);
    return told;
  };
  /** Undefined when the worker lacks a signature. */
  const ask = (name: string, type: number): DecodedMessage | undefined => {
    const reply = new Uint8Array(4096);
    const query = queryOf(name, type);
    const length = respond(worker, clientAt('80.1.1.1', true), query, query.length, NOW_MS, reply);
    if (length === SIGN) return undefined;
    const decoded = decodeMessage(reply.subarray(0, length));
    assert.ok(decoded.ok);
    assert.deepEqual(faultsOf(decoded.message, dnskeys), [], name);
    return decoded.message;
  };
  const advance = (seconds: number) => {
    nowSeconds += seconds;
  };
  return { desk, dnskeys, keys, snapshot, worker, hear, ask, advance, now: () => nowSeconds };
}

const keyMaterial = () => ({ jwk: generateKey(ECDSA_P256), flags: 257 });

/** With a name whose answer is all that is healthy; others may copy the zone, or nobody. */
function withAll(isCopied: boolean): Config {
  const config = createConfig();
  const transfer = { networks: [], keys: [], notify: [], steered: 'omit' } as const;
  const zone = config.zones['gslb.example']!;
  const all = { owner: 'all.gslb.example.', pool: 'web', policy: 'all', ttlMin: 5, ttlMax: 30 };
  const zones = {
    ...config.zones,
    'gslb.example': { ...zone, steered: [...zone.steered, all], ...(isCopied && { transfer }) },
  };
  const policies = { ...config.policies, all: { chain: [{ kind: 'healthy', options: {} }] } };
  return { ...config, zones, policies };
}

function queryOf(name: string, type: number): Uint8Array {
  const question = [...wireName(name), type >> 8, type & 255, 0, 1];
  return buildQuery({ question, records: [opt([], 1232, [0, 0, 0x80, 0])] });
}

/** Seconds since 1970, of each signature in the answer. */
const endsOf = (message: DecodedMessage | undefined) => timesOf(message, 8);
const beginsOf = (message: DecodedMessage | undefined) => timesOf(message, 12);

function timesOf(message: DecodedMessage | undefined, at: number): readonly number[] {
  assert.ok(message);
  const rrsigs = [...message.answer, ...message.authority].filter(({ type }) => type === RRSIG);
  assert.ok(rrsigs.length > 0);
  return rrsigs.map(({ rdata }) => new DataView(rdata.buffer, rdata.byteOffset).getUint32(at));
}

const ASKED = [
  ['static.gslb.example', 1],
  ['www.gslb.example', 1],
  ['www.gslb.example', 28],
  ['gslb.example', 48],
  ['static.gslb.example', 28],
] as const;

test('signatures stay until they are due, and never end sooner than the time of renewal', () => {
  const { advance, ask, hear, desk, now } = openDesk('nsec');
  const all = () => ASKED.flatMap(([name, type]) => endsOf(ask(name, type)));
  const first = all();
  advance(DAY_SECONDS);
  hear(desk.renew());
  assert.deepEqual(all(), first, 'nothing was due');
  for (let day = 2; day < 40; day += 1) {
    advance(DAY_SECONDS);
    hear(desk.renew());
    for (const end of all()) assert.ok(end >= now() + REFRESH_SECONDS, `day ${day}`);
  }
  assert.ok(all().every((end, index) => end > first[index]!));
});

test('cold answers are signed anew in time, too', () => {
  const { advance, ask, desk, now } = openDesk();
  const client = clientAt('80.1.1.1', true);
  const cold = () => {
    assert.equal(ask('missing.gslb.example', 1), undefined);
    const { reply } = desk.answer(queryOf('missing.gslb.example', 1), client, NOW_MS);
    const decoded = decodeMessage(reply!);
    assert.ok(decoded.ok);
    return endsOf(decoded.message);
  };
  const first = cold();
  assert.deepEqual(cold(), first);
  advance(8 * DAY_SECONDS);
  const [, ...others] = cold();
  // The SOA's is of what is served, which renew() replaces.
  assert.ok(others.every((end) => end >= now() + REFRESH_SECONDS));
});

test('what was signed once is answered by the worker, until something else is served', () => {
  const { advance, ask, desk, hear, snapshot, worker } = openDesk();
  const client = clientAt('80.1.1.1', true);
  const asked = [
    ['missing.gslb.example', 1],
    ['any.wild.gslb.example', 1],
    ['any.wild.gslb.example', 16],
    ['one.app.gslb.example', 1],
    ['one.app.gslb.example', 15],
  ] as const;
  for (const [name, type] of asked) {
    assert.equal(ask(name, type), undefined, 'nobody has signed it');
    const query = queryOf(name, type);
    const { generation, learned, reply } = desk.answer(query, client, NOW_MS);
    for (const { content, owner, records } of learned) {
      for (const { buffer, length } of [content, owner, records]) {
        assert.equal(buffer.byteLength, length, 'no larger buffer goes with it');
      }
    }
    learn(worker, generation + 1, learned);
    assert.equal(ask(name, type), undefined, 'of another generation');
    learn(worker, generation, learned);
    assert.deepEqual(ask(name, type), (decodeMessage(reply!) as { message: unknown }).message);
    assert.equal(ask(`x.${name}`, type), undefined);
  }
  assert.ok(ask('MISSING.gslb.example', 1), 'whatever the case');
  // The other region's addresses are not those that were signed.
  const words = allUp(snapshot).fill(DOWN, 2);
  setHealth(worker, healthOf(words), snapshot.generation);
  assert.equal(ask('one.app.gslb.example', 1), undefined);
  assert.equal(hear(desk.renew()), undefined, 'it is too soon');
  advance(RENEW_SECONDS);
  assert.equal(hear(desk.renew())?.signatures?.arena.length, snapshot.signatures!.arena.length);
  for (const [name, type] of asked) assert.equal(ask(name, type), undefined, 'renewed');
  advance(RENEW_SECONDS);
  assert.equal(hear(desk.renew()), undefined, 'nothing was learned since');
});

test('when health makes much that is not signed, all is told anew', () => {
  for (const [added, isAnew] of [
    [0, true],
    [1000, false],
  ] as const) {
    const { ask, desk, hear, snapshot, worker } = openDesk('compact', 0, false, { added });
    const words = allUp(snapshot);
    words[0] = DOWN;
    desk.setHealth(snapshot.generation, healthOf(words));
    setHealth(worker, healthOf(words), snapshot.generation);
    const news = hear(desk.prepare());
    assert.equal(news?.signatures, isAnew ? snapshot.signatures : undefined);
    for (const name of ['all', 'www', 'share']) assert.ok(ask(`${name}.gslb.example`, 1), name);
    const before = countOf(snapshot.prepared);
    const count = preparedCount(news!.prepared);
    assert.ok(isAnew ? count > before / 2 : count < before / 2, `${count} after ${before}`);
    assert.equal(hear(desk.prepare()), undefined, 'and once is enough');
  }
});

test('what health makes of a steered name is signed before somebody asks again', () => {
  const { ask, desk, hear, snapshot, worker } = openDesk();
  const words = allUp(snapshot);
  words[0] = DOWN;
  assert.equal(desk.setHealth(snapshot.generation + 1, healthOf(words)), false);
  assert.equal(desk.setHealth(snapshot.generation, healthOf(words)), true);
  setHealth(worker, healthOf(words), snapshot.generation);
  assert.ok(ask('www.gslb.example', 1), 'one endpoint was signed beforehand');
  assert.equal(ask('all.gslb.example', 1), undefined, 'two were not');
  hear(desk.prepare());
  for (const type of [1, 28]) assert.ok(ask('all.gslb.example', type));
  assert.equal(hear(desk.prepare()), undefined, 'and once is enough');
});

test('news of another generation change nothing', () => {
  const { ask, desk, snapshot, worker } = openDesk('nsec');
  const before = endsOf(ask('static.gslb.example', 1));
  const signatures = { ...snapshot.signatures!, bytes: new Uint8Array() };
  addSignatures(worker, snapshot.generation + 1, signatures, NOTHING_PREPARED);
  assert.deepEqual(endsOf(ask('static.gslb.example', 1)), before);
  assert.equal(desk.setHealth(snapshot.generation - 1, healthOf(allUp(snapshot))), false);
});

test('a successor of the keys signs alone, and without keys nothing is signed', () => {
  const { desk, snapshot } = openDesk();
  const other = signedWorld('compact');
  desk.setKeys(other.keys);
  const again = { ...other.plain, ...run(desk.sign(other.plain)) };
  const worker = startWorker(again);
  const reply = new Uint8Array(4096);
  const query = queryOf('static.gslb.example', 1);
  const client = clientAt('80.1.1.1', true);
  const length = respond(worker, client, query, query.length, NOW_MS, reply);
  const decoded = decodeMessage(reply.subarray(0, length));
  assert.ok(decoded.ok);
  assert.deepEqual(faultsOf(decoded.message, other.dnskeys), []);
  desk.setKeys([]);
  const bare = run(desk.sign(snapshot));
  assert.equal(countOf(bare.prepared), 0);
  const unsigned = startWorker({ ...snapshot, ...bare });
  for (const name of ['static.gslb.example', 'missing.gslb.example', 'www.gslb.example']) {
    const asked = queryOf(name, 1);
    const answer = decodeMessage(
      reply.subarray(0, respond(unsigned, client, asked, asked.length, NOW_MS, reply)),
    );
    assert.ok(answer.ok);
    const types = [...answer.message.answer, ...answer.message.authority].map(({ type }) => type);
    assert.ok(types.length > 0 && !types.includes(RRSIG) && !types.includes(NSEC), name);
  }
});

test('a clock that was ahead leaves nothing behind when it is set back', () => {
  const { advance, ask, desk, hear, now } = openDesk('compact', 365 * DAY_SECONDS);
  advance(-365 * DAY_SECONDS);
  hear(desk.renew());
  for (const [name, type] of ASKED) {
    for (const begin of beginsOf(ask(name, type))) assert.ok(begin < now(), name);
  }
});

test('copies are made once, and anew for other keys, other times, or a clock that is set back', () => {
  const { advance, desk, keys, snapshot } = openDesk('compact', 0, true);
  const copy = () => run(desk.sign(snapshot)).transfers[0]!.contents.at(-1)!;
  let last = copy();
  const isAnew = () => {
    const before = last;
    last = copy();
    return last !== before;
  };
  assert.ok(!isAnew());
  advance(DAY_SECONDS);
  assert.ok(!isAnew());
  advance(8 * DAY_SECONDS);
  assert.ok(isAnew(), 'they end soon');
  advance(-3 * DAY_SECONDS);
  assert.ok(isAnew(), 'they are of the future');
  const times = { ...keys[0]!.times, validitySeconds: 10 * DAY_SECONDS };
  desk.setKeys(keys.map((each) => ({ ...each, times })));
  assert.ok(isAnew(), 'other times');
  desk.setKeys(keys.map((each) => ({ ...each, times, zoneKeys: [keyMaterial()] })));
  assert.ok(isAnew(), 'other keys');
  assert.ok(!isAnew());
});

test('what is served keeps the keys that it was signed with, until something signed with others is', () => {
  const { advance, ask, desk, hear, keys, snapshot, worker } = openDesk('nsec');
  const client = clientAt('80.1.1.1', true);
  const others = keys.map((each) => ({ ...each, entryKeys: [keyMaterial()] }));
  desk.setKeys(others);
  const renew = () => {
    advance(8 * DAY_SECONDS);
    assert.ok(hear(desk.renew())?.signatures);
  };
  renew();
  assert.ok(ask('gslb.example', 48), 'a key that it does not show would be no good to validators');
  const next = { ...snapshot, generation: snapshot.generation + 1 };
  const again = { ...next, ...run(desk.sign(next)) };
  renew();
  assert.ok(ask('gslb.example', 48), 'it was signed and not served');
  // The same generation is signed once more, with the first keys.
  desk.setKeys(keys);
  const last = { ...next, ...run(desk.sign(next)) };
  desk.setKeys(others);
  assert.notDeepEqual(last.signatures, again.signatures);
  desk.serve(last, healthOf(allUp(last)));
  setSnapshot(worker, last, healthOf(allUp(last)));
  renew();
  assert.ok(ask('gslb.example', 48));
  const { reply } = desk.answer(queryOf('gslb.example', 48), client, NOW_MS);
  assert.deepEqual(decodeMessage(reply!), { ok: true, message: ask('gslb.example', 48) });
});

test('cold answers have the keys of what is served, too', () => {
  const { desk, dnskeys, keys } = openDesk();
  desk.setKeys(keys.map((each) => ({ ...each, zoneKeys: [keyMaterial()] })));
  const query = queryOf('missing.gslb.example', 1);
  const { reply } = desk.answer(query, clientAt('80.1.1.1', true), NOW_MS);
  const decoded = decodeMessage(reply!);
  assert.ok(decoded.ok);
  assert.deepEqual(faultsOf(decoded.message, dnskeys), []);
});

test('a successor renews what is served before anything else', () => {
  const { advance, hear, ask, keys, now, snapshot } = openDesk('nsec');
  advance(12 * DAY_SECONDS);
  const successor = createSignerDesk(now);
  successor.setKeys(keys);
  successor.serve(snapshot, healthOf(allUp(snapshot)));
  assert.ok(hear(successor.begin())?.signatures);
  for (const [name, type] of ASKED) {
    for (const end of endsOf(ask(name, type))) assert.ok(end > now() + REFRESH_SECONDS, name);
  }
  const next = { ...snapshot, generation: snapshot.generation + 1 };
  const again = { ...next, ...run(successor.sign(next)) };
  successor.serve(again, healthOf(allUp(again)));
  assert.equal(run(successor.begin()), undefined, 'its own are new');
});

test('a flood of names pushes nothing out that is served', () => {
  const { desk, snapshot } = openDesk('compact', 0, false, { cold: 5 });
  const client = clientAt('80.1.1.1', true);
  const cold = (name: string) => desk.answer(queryOf(name, 1), client, NOW_MS).learned[0]!.records;
  const first = cold('first.gslb.example');
  assert.deepEqual(cold('first.gslb.example'), first);
  for (let n = 0; n < 40; n += 1) cold(`n${n}.gslb.example`);
  assert.notDeepEqual(cold('first.gslb.example'), first, 'forgotten');
  const { prepared, signatures } = run(desk.sign({ ...snapshot, generation: 2, prepared: [] }));
  assert.deepEqual(signatures, snapshot.signatures);
  assert.deepEqual(prepared, snapshot.prepared);
});

test('with more steered names than there is room for, what is answered now comes first', () => {
  const { ask, desk, hear, snapshot, worker } = openDesk('compact', 0, false, {
    prepared: 34,
    likely: 30,
    stale: 3,
  });
  const steered = ['www', 'v4', 'share', 'all'].map((name) => `${name}.gslb.example`);
  for (const name of steered) assert.ok(ask(name, 1), name);
  assert.ok(countOf(snapshot.prepared) === 30, String(countOf(snapshot.prepared)));
  const endpoints = snapshot.endpoints.length;
  let [told, anew] = [0, 0];
  for (let turn = 0; turn < 12; turn += 1) {
    const words = allUp(snapshot);
    for (let bit = 0; bit < endpoints; bit += 1) if (((turn + 1) >> bit) & 1) words[bit] = DOWN;
    desk.setHealth(snapshot.generation, healthOf(words));
    setHealth(worker, healthOf(words), snapshot.generation);
    const news = hear(desk.prepare());
    const count = countOf(news ? [news.prepared] : []);
    assert.ok(count <= 34);
    if (news?.signatures === undefined) told += count;
    else {
      anew += 1;
      assert.equal(news.signatures, snapshot.signatures, 'nothing was due');
    }
    for (const name of steered) {
      const query = queryOf(name, 1);
      if (ask(name, 1)) continue;
      const { generation, learned } = desk.answer(query, clientAt('80.1.1.1', true), NOW_MS);
      learn(worker, generation, learned);
      assert.ok(ask(name, 1), 'and the rest is learned');
    }
  }
  assert.ok(told > 4 && anew > 0 && anew < 6, `${told} told, ${anew} times all`);
});

test('what health has left behind goes with the next renewal, and nothing else is sent', () => {
  const { advance, ask, desk, hear, snapshot, worker } = openDesk();
  const change = (words: Uint32Array) => {
    desk.setHealth(snapshot.generation, healthOf(words));
    setHealth(worker, healthOf(words), snapshot.generation);
    return hear(desk.prepare());
  };
  const words = allUp(snapshot);
  words[0] = DOWN;
  assert.ok(change(words));
  change(allUp(snapshot));
  advance(RENEW_SECONDS);
  const renewed = hear(desk.renew());
  assert.equal(countOf(renewed ? [renewed.prepared] : []), countOf(snapshot.prepared));
  for (let hour = 0; hour < 3; hour += 1) {
    advance(RENEW_SECONDS);
    assert.equal(hear(desk.renew()), undefined);
  }
  setHealth(worker, healthOf(words), snapshot.generation);
  assert.equal(ask('all.gslb.example', 1), undefined);
});

test('signatures that are renewed early are looked for more often', () => {
  const { advance, desk, keys, snapshot } = openDesk();
  const times = { validitySeconds: 3000, refreshSeconds: 600, jitterSeconds: 0 };
  desk.setKeys(keys.map((each) => ({ ...each, times })));
  const next = { ...snapshot, generation: snapshot.generation + 1 };
  const signed = { ...next, ...run(desk.sign(next)) };
  desk.serve(signed, healthOf(allUp(signed)));
  for (let second = 0; second < 2400; second += 150) {
    assert.equal(run(desk.renew()), undefined);
    advance(150);
  }
  assert.equal(run(desk.renew()), undefined, 'not due yet, by a second');
  advance(150);
  assert.ok(run(desk.renew())?.signatures);
});

test('a zone with DNSKEY records of its own and no known keys is not signed', () => {
  const config = createConfig();
  const zone = config.zones['gslb.example']!;
  const { dnssec } = signedWorld('compact').config.zones['gslb.example']!;
  const own = rrset('gslb.example.', 'DNSKEY', ['257 3 13 AAAA']);
  const unkeyed = { ...zone, dnssec: dnssec!, rrsets: [...zone.rrsets, own] };
  const snapshot = compiled({ ...config, zones: { ...config.zones, 'gslb.example': unkeyed } });
  assert.equal(hasSignedZones(snapshot.zones), false);
});

test('a query that the signer cannot answer either gets nothing', () => {
  const { desk } = openDesk();
  const { learned, reply } = desk.answer(new Uint8Array(5), clientAt('80.1.1.1'), NOW_MS);
  assert.deepEqual([learned, reply], [[], undefined]);
});

const countOf = (prepared: Snapshot['prepared']): number =>
  prepared.reduce((sum, each) => sum + preparedCount(each), 0);
