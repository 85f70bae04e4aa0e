import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Config, RrsetConfig, ZoneConfig } from '../../src/config/config.ts';
import { type DecodedMessage, decodeMessage } from '../../src/dns/decode.ts';
import { typeNumber } from '../../src/dns/type-names.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { DROP, SIGN } from '../../src/nameserver/outcomes.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { learn } from '../../src/nameserver/worker-state.ts';
import { buildQuery, opt } from '../dns/query-builder.ts';
import { clientAt, createConfig, geo, NOW_MS, wireName } from '../nameserver/fixture.ts';
import { type SignedWorld, signedWorld } from '../signing/signed-world.ts';
import { faultsOf } from '../signing/validator.ts';
import type { NaiveZone } from '../zone/naive-lookup.ts';
import { drawnName, drawnType, drawnWorld, zonesOf } from '../zone/random-zones.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Random zones, some of them signed: whatever is asked, a validator finds no fault with the answer. */
const SEED = fuzzSeed(20_261_121);
const RUNS = fuzzRuns(60);
/** DO, and with it CO (RFC 9824 5.1), by turns. */
const DO_FLAGS = [0x80, 0xc0];
const UDP_SIZE = 1232;

const questions = fc.array(
  fc.tuple(drawnName, fc.oneof(drawnType, fc.constantFrom('ANY', 'NSEC', 'RRSIG', 'SOA'))),
  { minLength: 10, maxLength: 25 },
);
const denial = fc.constantFrom('compact' as const, 'nsec' as const);

test('respond() answers random signed zones so that all of it validates', () => {
  let [answered, cold] = [0, 0];
  fc.assert(
    fc.property(drawnWorld, questions, denial, fc.nat(7), (drawn, asked, how, which) => {
      const zones = zonesOf(drawn).filter(({ apex }) => apex !== '.');
      const config = configOf(zones);
      if (!compileSnapshot(config, geo, 1, 1).ok) return;
      const names = Object.keys(config.zones);
      const signed = names.filter((_, index) => (which & (1 << index)) !== 0);
      const world = signedWorld(how, signed, config);
      const owners = drawn.records.map(({ owner, type }) => [owner, type] as const);
      for (const [index, [name, type]] of [...asked, ...owners].entries()) {
        const query = queryOf(name, type, DO_FLAGS[index % 2]!);
        const { bytes, isCold } = answerOf(world, query);
        const decoded = decodeMessage(bytes);
        assert.ok(decoded.ok, `${name} ${type}`);
        const { message } = decoded;
        const faults = isLoop(world, message, type) ? [] : faultsOf(message, world.dnskeys);
        const text = `${name} ${type}, ${how}, signed ${signed}, ${JSON.stringify(zones)}`;
        assert.deepEqual(faults, [], `${text}\n${Buffer.from(bytes).toString('hex')}`);
        if (how === 'compact') assert.deepEqual(spans(message), [], text);
        answered += 1;
        if (isCold) cold += 1;
      }
    }),
    { seed: SEED, numRuns: RUNS },
  );
  assert.ok(answered > RUNS * 5 && cold > RUNS / 2, `${answered} answered, ${cold} cold`);
});

test('respond() survives damaged queries for signed zones', () => {
  const worlds = [signedWorld('compact'), signedWorld('nsec')];
  const names = ['www.gslb.example', 'no.gslb.example', 'x.old.gslb.example', 'a.app.gslb.example'];
  const reply = new Uint8Array(70_000);
  const edit = fc.tuple(fc.nat(80), fc.nat(255));
  let signed = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.constantFrom('A', 'DS', 'ANY', 'NSEC'),
      fc.array(edit, { maxLength: 3 }),
      fc.boolean(),
      (name, type, edits, isTcp) => {
        const query = queryOf(name, type, 0x80);
        for (const [at, value] of edits) query[at % query.length] = value;
        for (const { signer, worker } of worlds) {
          for (const state of [worker, signer]) {
            reply.fill(GUARD, 0, 4096);
            const client = clientAt('192.0.2.200', isTcp);
            const length = respond(state, client, query, query.length, NOW_MS, reply);
            if (length === DROP) continue;
            if (length === SIGN) {
              assert.equal(state, worker, 'the signer hands nothing on');
              signed += 1;
              continue;
            }
            if (length < 0) continue;
            assert.ok(length >= 12 && (isTcp || length <= UDP_SIZE), `${length}`);
            const isCut = (reply[2]! & 2) !== 0 && !isTcp;
            assert.equal(reply[isCut ? UDP_SIZE : length], GUARD);
            assert.ok(decodeMessage(reply.subarray(0, length)).ok);
          }
        }
      },
    ),
    { seed: SEED, numRuns: fuzzRuns(2000) },
  );
  assert.ok(signed > 100, `${signed}`);
});

const GUARD = 0xee;

/** NSEC records that deny more than types of their own name. */
function spans({ answer, authority }: DecodedMessage): readonly string[] {
  return [...answer, ...authority]
    .filter(({ type }) => type === typeNumber('NSEC'))
    .filter(({ name, text }) => text.split(' ')[0]!.toLowerCase() !== `\\000.${name}`.toLowerCase())
    .map(({ name, text }) => `${name} ${text}`);
}

/** A chain that comes back to itself is left where it does, and denies nothing. */
function isLoop(world: SignedWorld, { answer, authority }: DecodedMessage, type: string): boolean {
  const last = answer.findLast((record) => record.type === typeNumber('CNAME'));
  const isDenial = authority.some((record) => record.type === typeNumber('SOA'));
  if (last === undefined || isDenial || type === 'ANY') return false;
  const { bytes } = answerOf(world, queryOf(last.text, type, 0x80));
  const next = decodeMessage(bytes);
  return next.ok && next.message.answer.some((record) => record.type === last.type);
}

function queryOf(name: string, type: string, flags: number): Uint8Array {
  const number = typeNumber(type)!;
  const question = [...wireName(name.replace(/\.$/, '')), number >> 8, number & 255, 0, 1];
  return buildQuery({ question, records: [opt([], UDP_SIZE, [0, 0, flags, 0])] });
}

function answerOf({ noted, signer, snapshot, worker }: SignedWorld, query: Uint8Array) {
  const reply = new Uint8Array(65_535);
  const client = clientAt('192.0.2.200', true);
  const length = respond(worker, client, query, query.length, NOW_MS, reply);
  if (length !== SIGN) return { bytes: reply.slice(0, length), isCold: false };
  noted.length = 0;
  const later = respond(signer, client, query, query.length, NOW_MS, reply);
  const bytes = reply.slice(0, later);
  learn(worker, snapshot.generation, noted);
  const again = respond(worker, client, query, query.length, NOW_MS, reply);
  assert.deepEqual(reply.slice(0, again), bytes, 'what was signed once is known');
  return { bytes, isCold: true };
}

function configOf(zones: readonly NaiveZone[]): Config {
  const base = createConfig();
  const [like] = Object.values(base.zones);
  const entries = zones.map(({ apex, rrsets, steered }): [string, ZoneConfig] => {
    const ns = { owner: apex, type: 'NS', ttl: 300, data: ['ns.invalid.'] };
    const sets = rrsets.map(
      ({ owner, type, data }): RrsetConfig => ({ owner, type, ttl: 300, data: [data] }),
    );
    const names = steered.map((owner) => ({
      owner,
      pool: 'web',
      policy: 'near',
      ttlMin: 5,
      ttlMax: 30,
    }));
    return [
      apex.slice(0, -1),
      { ttl: like!.ttl, soa: like!.soa, rrsets: [ns, ...sets], steered: names },
    ];
  });
  return { ...base, zones: Object.fromEntries(entries) };
}
