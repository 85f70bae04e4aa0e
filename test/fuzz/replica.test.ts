import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Fact, formatFact, parseFact } from '../../src/cluster/fact.ts';
import { parseFactFile } from '../../src/cluster/fact-file.ts';
import { createFactGossip } from '../../src/cluster/fact-gossip.ts';
import { readNodeInfo } from '../../src/cluster/node-table.ts';
import { createReplica, type Replica } from '../../src/cluster/replica.ts';
import { readRevision } from '../../src/cluster/revisions.ts';
import { createKeyring } from '../../src/cluster/sealed.ts';
import { formatStamp, parseStamp } from '../../src/cluster/stamp.ts';
import { mergeShared } from '../../src/config/own-sections.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Facts in any order, any number of times, and texts that claim to be facts. */
const parameters = { seed: fuzzSeed(20_260_711), numRuns: fuzzRuns(300) };
const NOW_MS = 1_790_000_000_000;

const fact: fc.Arbitrary<Fact> = fc
  .record({
    key: fc.constantFrom('a', 'b', 'override/x', 'secret/y'),
    kind: fc.constantFrom('created', 'revised', 'written'),
    revision: fc.nat({ max: 3 }),
    ms: fc.integer({ min: NOW_MS - 5, max: NOW_MS }),
    counter: fc.nat({ max: 2 }),
    node: fc.constantFrom('n1', 'n2'),
    form: fc.nat({ max: 1 }),
    value: fc.option(fc.string({ maxLength: 3 }), { nil: undefined }),
    expiresAtMs: fc.option(fc.integer({ min: NOW_MS, max: NOW_MS + 5 }), { nil: undefined }),
  })
  .map(({ key, value, expiresAtMs, ...rest }) => {
    const revision = rest.kind === 'revised' ? rest.revision : 0;
    const stamp = formatStamp({ ...rest, kind: rest.kind as 'created', revision });
    return { key, stamp, value, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) };
  });
const facts = fc.array(fact, { maxLength: 20 });

function merged(...lists: readonly (readonly Fact[])[]): Replica {
  const replica = createReplica('n');
  for (const list of lists) replica.merge(list, NOW_MS, 'peer');
  return replica;
}
const content = (replica: Replica): unknown => [replica.all(), [...replica.digest()]];

test('merge() is commutative, associative and idempotent', () => {
  fc.assert(
    fc.property(facts, facts, facts, (a, b, c) => {
      const all = content(merged(a, b, c));
      assert.deepEqual(content(merged(c, a, b)), all);
      assert.deepEqual(content(merged(a, merged(b, c).all())), all);
      assert.deepEqual(content(merged(merged(a, b).all(), c)), all);
      assert.deepEqual(content(merged(a, b, c, a, c.toReversed(), b)), all);
    }),
    parameters,
  );
});

test('a word that is spoken counts until a later one is heard', () => {
  fc.assert(
    fc.property(facts, fc.constantFrom('a', 'b'), (list, key) => {
      const replica = merged(list);
      const written = replica.write(key, 'mine', NOW_MS);
      assert.ok(written.ok);
      replica.merge(list, NOW_MS, 'peer');
      assert.equal(replica.value(key), 'mine');
    }),
    parameters,
  );
});

test('two nodes that gossip over a lossy way end with the same map', () => {
  fc.assert(
    fc.property(facts, facts, fc.infiniteStream(fc.nat({ max: 3 })), (a, b, luck) => {
      const [one, two] = [merged(a), merged(b)];
      one.write('long', 'ü'.repeat(700), NOW_MS);
      const ends = [one, two].map((replica) =>
        createFactGossip({ replica, nowMs: () => NOW_MS, onDigest: () => {} }),
      );
      for (let round = 0; round < 200 && one.differing(two.digest()).length > 0; round += 1) {
        for (const [from, to] of [ends, ends.toReversed()]) {
          for (const record of from!.missing(to!.digest())) {
            if (luck.next().value !== 0) to!.hear(record);
          }
        }
      }
      assert.equal(JSON.stringify(one.all()), JSON.stringify(two.all()));
    }),
    { ...parameters, numRuns: fuzzRuns(50) },
  );
});

test('parseFact(), parseStamp() and the rest take any text without harm', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fact.map(formatFact),
    fact.map((each) => formatFact(each).replace(/[0-9]/, 'x')),
    fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 9 }), fc.string()).map(([index, count, part]) => {
      return `#0123456789abcdef ${index}/${count} ${part}`;
    }),
  );
  const keyring = createKeyring(['k'.repeat(32)], (count) => new Uint8Array(count));
  const replica = createReplica('n');
  const gossip = createFactGossip({ replica, nowMs: () => NOW_MS, onDigest: () => {} });
  fc.assert(
    fc.property(texts, (text) => {
      const parsed = parseFact('key', text);
      if (parsed) assert.deepEqual(parseFact('key', formatFact(parsed)), parsed);
      const stamp = parseStamp(text);
      if (stamp) assert.equal(formatStamp(stamp), text);
      readNodeInfo(text);
      readRevision(
        text,
        createKeyring([], () => new Uint8Array()),
      );
      assert.ok(Array.isArray(parseFactFile(text, 'file').facts));
      assert.equal(keyring.open(text, 'name', 'stamp').ok, false);
      gossip.hear({ kind: 'fact', key: text, text });
      gossip.hear({ kind: 'fact', key: 'key', text });
      gossip.missing(text);
    }),
    parameters,
  );
});

test('open() gives what was sealed under the same name and stamp, and nothing for a flipped bit', () => {
  const keyring = createKeyring(['k'.repeat(32)], (count) => new Uint8Array(count));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), fc.nat(), (bytes, place) => {
      const sealed = keyring.seal(bytes, 'name', 'stamp', NOW_MS)!;
      const opened = keyring.open(sealed, 'name', 'stamp');
      assert.ok(opened.ok && Buffer.compare(opened.bytes, bytes) === 0);
      assert.equal(keyring.open(sealed, 'other', 'stamp').ok, false);
      assert.equal(keyring.open(sealed, 'name', 'later').ok, false);
      const envelope = JSON.parse(sealed) as { data: string };
      const data = Buffer.from(envelope.data, 'base64');
      data[place % data.length]! ^= 1 << (place % 8);
      const bent = JSON.stringify({ ...envelope, data: data.toString('base64') });
      assert.equal(keyring.open(bent, 'name', 'stamp').ok, false);
    }),
    parameters,
  );
});

test('mergeShared() takes any two texts, and says where everything is', () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .array(
        fc.constantFrom('node: 1', 'dns: { listeners: 2 }', 'dns: 3', 'pools: { a: [', 'x: *a'),
      )
      .map((lines) => lines.join('\n')),
  );
  fc.assert(
    fc.property(text, text, (own, shared) => {
      const merged = mergeShared(own, { text: shared, name: 'shared' }, {});
      for (const { at, path } of merged.findings) assert.ok(merged.locate(path, at).line >= 1);
    }),
    parameters,
  );
});
