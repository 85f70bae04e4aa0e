import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { questionSection, writeQuestion } from '../../src/discovery/question.ts';
import { matchReply, readReply } from '../../src/discovery/reply.ts';
import { arrange, FOUND_SERVERS_MAX, nameOf, readService } from '../../src/discovery/server-set.ts';
import { parseServerWord } from '../../src/discovery/server-word.ts';
import { TYPE_A, TYPE_SRV } from '../../src/dns/constants.ts';
import { equalNames, lowerName, parseName } from '../../src/dns/name.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** What a resolver says, or somebody in its place, and what a file says after a disk has had its way. */
const parameters = { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(3000) };
const name = parseName('_http._tcp.Web1.example.')!;
const question = { name, type: TYPE_SRV };
const bits = new Uint8Array(name.length).fill(1);

/** Begins as a good answer does: random octets alone never get past the header. */
const replies = fc
  .tuple(fc.uint8Array({ maxLength: 80 }), fc.array(fc.tuple(fc.nat(140), fc.nat(255))))
  .map(([tail, changes]) => {
    const query = writeQuestion(7, question, bits).subarray(0, 12 + name.length + 4);
    const srv = [0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 9, 0, 9, 0, 1, 0, 2, 0, 80, 1, 0x61, 0];
    const bytes = Uint8Array.from([...query, ...srv, ...tail]);
    bytes.set([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], 2);
    for (const [at, octet] of changes) if (at < bytes.length) bytes[at] = octet;
    return bytes;
  });

test('a reply is records, none, or a reason; never an exception', () => {
  fc.assert(
    fc.property(replies, (bytes) => {
      matchReply(bytes, writeQuestion(7, question, bits), question);
      for (const type of [TYPE_A, TYPE_SRV]) {
        const reply = readReply(bytes, { name, type });
        if (reply.kind === 'failed') assert.notEqual(reply.reason, '');
        else assert.ok(reply.ttlSeconds >= 0 && reply.ttlSeconds <= 0x7fffffff);
        if (reply.kind !== 'records') continue;
        assert.ok(reply.rdata.length > 0);
        for (const rdata of reply.rdata) readService(rdata);
      }
    }),
    parameters,
  );
});

test('a question keeps its name but for the case, and only its own echo belongs to it', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: name.length, maxLength: name.length }),
      fc.nat(0xffff),
      fc.nat(name.length * 8),
      (some, id, bit) => {
        const query = writeQuestion(id, question, some);
        const asked = questionSection(query, question).subarray(0, name.length);
        assert.ok(equalNames(lowerName(asked), lowerName(name)));
        const reply = query.slice();
        reply[2] = 0x80;
        assert.equal(matchReply(reply, query, question), 'ours');
        reply[12 + (bit >> 3)]! ^= 1 << (bit & 7);
        assert.notEqual(matchReply(reply, query, question), 'ours');
      },
    ),
    parameters,
  );
});

test('servers are each there once, bounded, in one order, with weights near each other', () => {
  const server = fc.record({
    address: fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1'),
    port: fc.integer({ min: 1, max: 5 }),
    weight: fc.nat(65_535),
    priority: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(server), (found) => {
      const servers = arrange(found);
      const names = servers.map(nameOf);
      assert.equal(new Set(names).size, names.length);
      assert.deepEqual(new Set(names), new Set(found.map(nameOf)));
      assert.ok(names.length <= FOUND_SERVERS_MAX);
      const weights = servers.map(({ weight }) => weight);
      for (const weight of weights) assert.ok(weight > 0 && weight * 101 > Math.max(...weights));
    }),
    parameters,
  );
});

test('what was kept of words is one or none', () => {
  const values = fc.oneof(fc.string(), fc.json());
  fc.assert(
    fc.property(values, (text) => assert.equal(parseServerWord(text), undefined)),
    parameters,
  );
});
