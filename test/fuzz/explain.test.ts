import assert from 'node:assert/strict';
import { test } from 'node:test';
import dnsPacket from 'dns-packet';
import fc from 'fast-check';
import { momentAt, parseEntry } from '../../src/control/journal-entry.ts';
import { createDeferrals, DEFER_LIMITS } from '../../src/nameserver/defer.ts';
import { explain } from '../../src/nameserver/explain.ts';
import { explainReply } from '../../src/nameserver/explain-reply.ts';
import { DEFER } from '../../src/nameserver/outcomes.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { contextOf, snapshot } from '../nameserver/explain-rig.ts';
import { clientAt, NOW_MS, queryBytes, STEERED, startWorker } from '../nameserver/fixture.ts';
import { fuzzHits, fuzzRuns, fuzzSeed } from './effort.ts';

/** Queries for explanations and lines of the record, damaged: nothing throws, nothing grows. */
const SEED = fuzzSeed(20_260_702);

const names = [...STEERED.map(({ owner }) => owner), 'static.gslb.example', 'no.gslb.example'];
const query = fc
  .record({
    name: fc.constantFrom(...names),
    type: fc.constantFrom('TXT', 'TXT', 'TXT', 'A', 'ANY'),
    subnet: fc.constantFrom('80.1.2.0/24', '10.0.0.0/8', '::/0', '2001:db8:2000::/48', undefined),
    udpSize: fc.constantFrom(0, 512, 1232, 65_535),
    edits: fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 3 }),
    cut: fc.option(fc.nat(80), { freq: 8 }),
  })
  .map(({ cut, edits, name, subnet, type, udpSize }) => {
    const bytes = queryBytes(`_explain.${name}`, type, {
      udpSize,
      ...(subnet === undefined ? {} : { subnet }),
    });
    for (const [at, value] of edits) if (at >= 12 && at < bytes.length) bytes[at] = value;
    return cut === null ? bytes : bytes.slice(0, cut);
  });

test('respond() and explainReply() survive damaged queries for explanations', () => {
  const worker = startWorker(snapshot);
  const reply = new Uint8Array(65_535);
  let deferred = 0;
  fc.assert(
    fc.property(query, fc.boolean(), fc.boolean(), (bytes, tcp, isAllowed) => {
      const client = clientAt(isAllowed ? '127.0.0.1' : '192.0.2.7', tcp);
      const length = respond(worker, client, bytes, bytes.length, NOW_MS, reply);
      assert.ok(length >= DEFER);
      if (length !== DEFER) return;
      deferred += 1;
      assert.ok(isAllowed);
      const made = explainReply(bytes, client, snapshot.udpSizeMax, (question) =>
        explain(contextOf(), question, NOW_MS),
      );
      assert.ok(made !== undefined, 'what is deferred is answered');
      assert.ok(made.length <= (tcp ? 65_535 : snapshot.udpSizeMax));
      const packet = dnsPacket.decode(Buffer.from(made));
      assert.equal(dnsPacket.decode.bytes, made.length);
      assert.equal(packet.id, (bytes[0]! << 8) | bytes[1]!);
      assert.ok(packet.answers?.every((record) => !('ttl' in record) || record.ttl === 0));
    }),
    { seed: SEED, numRuns: fuzzRuns(1500) },
  );
  assert.ok(deferred > fuzzHits(100, 1500), String(deferred));
});

test('createDeferrals() never hands over more than its limit, whatever the clock does', () => {
  const step = fc.record({ ms: fc.integer({ min: -3000, max: 3000 }), answers: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const deferrals = createDeferrals<number>(0);
      let nowMs = 1_000_000;
      let forwardMs = 0;
      let admitted = 0;
      for (const { answers, ms } of steps) {
        const isStill = Math.abs(ms) > 100;
        nowMs += isStill ? 0 : ms;
        forwardMs += isStill ? 0 : Math.max(0, ms);
        const id = deferrals.admit(1, nowMs);
        if (id === undefined) continue;
        admitted += 1;
        if (answers) deferrals.take(id);
      }
      const allowed = DEFER_LIMITS.explain.perSecond * (1 + forwardMs / 1000);
      assert.ok(admitted <= allowed + 1e-6, `${admitted} of ${allowed}`);
    }),
    { seed: SEED, numRuns: fuzzRuns(300) },
  );
});

const entry = fc.oneof(
  fc.record({ kind: fc.constant('alive'), atMs: fc.integer() }),
  fc.record({
    kind: fc.constant('health'),
    atMs: fc.nat(10_000),
    health: fc.array(fc.tuple(fc.string(), fc.nat(), fc.string(), fc.string()), { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('serving'),
    atMs: fc.nat(10_000),
    node: fc.string(),
    generation: fc.nat(),
    revision: fc.nat(),
    config: fc.constant('0'.repeat(64)),
    geo: fc.record({ description: fc.string(), builtAtMs: fc.nat(), networks: fc.nat() }),
    health: fc.array(fc.tuple(fc.constantFrom('__proto__', 'a', 'b'), fc.nat()), { maxLength: 3 }),
    near: fc.constant([]),
  }),
  fc.jsonValue(),
);

test('momentAt() survives any lines, and reads those that are whole', () => {
  const line = fc
    .tuple(entry, fc.option(fc.nat(60), { freq: 3 }))
    .map(([value, cut]) => JSON.stringify(value).slice(0, cut ?? undefined));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), fc.nat(10_000), (lines, atMs) => {
      const moment = momentAt(lines, atMs);
      const entries = lines.map(parseEntry);
      const hasServing = entries.some((each) => each?.kind === 'serving' && each.atMs <= atMs);
      if (moment !== undefined) assert.ok(hasServing);
      assert.ok((moment?.damaged ?? 0) <= lines.length);
      assert.ok((moment?.lastMs ?? 0) <= atMs);
    }),
    { seed: SEED, numRuns: fuzzRuns(1500) },
  );
});
