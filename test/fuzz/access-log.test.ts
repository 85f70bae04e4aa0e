import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createLogClock,
  putIsoTime,
  putMember,
  putMemberBytes,
  putMsMember,
  putQuoted,
} from '../../src/balancer/access-line.ts';
import { bytesOf } from '../../src/http/ascii.ts';
import { createByteSink, sunkBytes } from '../../src/http/byte-sink.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Whatever a client sends, a line is one line, and reads back as what was sent. */

const octets = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
});
const runs = { numRuns: fuzzRuns(3000), seed: fuzzSeed(6) };

test('a JSON line reads back as what was written', () => {
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(octets, text, fc.nat(10_000_000), fc.nat(4e12), (sent, name, us, atMs) => {
      const sink = createByteSink(1);
      sink.length = 0;
      putMember(sink, 'name', name);
      putMemberBytes(sink, 'sent', bytesOf(sent), 0, sent.length);
      putMsMember(sink, 'ms', us / 1000);
      const line = Buffer.from(sunkBytes(sink)).toString('latin1');
      assert.match(line, /^[ -~]*$/);
      assert.deepEqual(JSON.parse(`{${line.slice(1)}}`), { name, sent, ms: us / 1000 });
      sink.length = 0;
      putIsoTime(sink, createLogClock(), atMs);
      assert.equal(Buffer.from(sunkBytes(sink)).toString(), new Date(atMs).toISOString());
    }),
    runs,
  );
});

test('a quoted text of the combined format ends where it is meant to', () => {
  fc.assert(
    fc.property(octets, (sent) => {
      const sink = createByteSink(1);
      putQuoted(sink, bytesOf(sent), 0, sent.length);
      const text = Buffer.from(sunkBytes(sink)).toString('latin1');
      const inner = /^"([ !#-~]*)"$/.exec(text)?.[1];
      assert.ok(inner !== undefined, text);
      const read = inner.replace(/\\x([0-9a-f]{2})/g, (_, hex) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      );
      assert.equal(sent === '' ? '-' : sent, read);
    }),
    runs,
  );
});
