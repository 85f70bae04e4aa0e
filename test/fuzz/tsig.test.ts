import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeMessage } from '../../src/dns/decode.ts';
import { createQuery, PARSE_NOTIMP, PARSE_OK, parseQuery } from '../../src/dns/message.ts';
import { parseName } from '../../src/dns/name.ts';
import {
  readTsig,
  refuseTsig,
  signTsig,
  TSIG_ALGORITHMS,
  type TsigKey,
  verifyTsig,
  withoutTsig,
} from '../../src/dns/tsig.ts';
import { buildQuery } from '../dns/query-builder.ts';
import { updateMessage } from '../nameserver/update-rig.ts';
import { fuzzHits, fuzzRuns, fuzzSeed } from './effort.ts';

/** Signatures that are damaged, cut, moved and made up: none throws, and none that is not right is taken. */
const SEED = fuzzSeed(20_260_803);
const NOW = 1_780_000_000;
const keys: readonly TsigKey[] = TSIG_ALGORITHMS.map((algorithm, index) => ({
  name: parseName(`k${index}.key.`)!,
  algorithm,
  secret: new Uint8Array(32).fill(index + 1),
}));
const messages = [
  buildQuery(),
  updateMessage(['add a.gslb.example. 1 TXT a', 'nxdomain b.gslb.example.']),
  updateMessage([]),
];

const edit = fc.tuple(fc.nat(600), fc.nat(255));
const damaged = fc
  .record({
    message: fc.constantFrom(...messages),
    key: fc.constantFrom(...keys),
    edits: fc.array(edit, { maxLength: 4 }),
    fromEnd: fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 3 }),
    cut: fc.option(fc.nat(80), { freq: 6 }),
    more: fc.uint8Array({ maxLength: 3 }),
  })
  .map(({ cut, edits, fromEnd, key, message, more }) => {
    const signed = new Uint8Array(signTsig(message, key, NOW).message);
    const bytes = Uint8Array.from([...signed.subarray(0, signed.length - (cut ?? 0)), ...more]);
    for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
    for (const [at, value] of fromEnd) if (at < bytes.length) bytes[bytes.length - 1 - at] = value;
    return { bytes, message };
  });

test('a signature that is taken is of just this message', () => {
  let taken = 0;
  let refused = 0;
  fc.assert(
    fc.property(damaged, ({ bytes, message }) => {
      const query = createQuery();
      const parse = parseQuery(query, bytes, bytes.length);
      if ((parse !== PARSE_OK && parse !== PARSE_NOTIMP) || !query.hasTsig) return;
      const before = bytes.slice();
      const verdict = verifyTsig(bytes, query.tsigOffset, keys, NOW);
      assert.deepEqual(bytes, before, 'nothing is written');
      if (verdict.ok) {
        taken += 1;
        // The ID of the header is that of the hop; what was signed is the one in the record.
        assert.deepEqual(withoutTsig(bytes, verdict.tsig), message);
        return;
      }
      refused += 1;
      const bare = updateMessage([]);
      const reply = refuseTsig(bare, verdict, NOW);
      assert.ok(reply.length <= bare.length + bytes.length + 600, 'no amplifier');
      assert.ok(decodeMessage(reply).ok);
    }),
    { seed: SEED, numRuns: fuzzRuns(6000) },
  );
  assert.ok(taken > fuzzHits(100, 6000) && refused > fuzzHits(500, 6000), `${taken} ${refused}`);
});

test('readTsig() survives any octets at any place, and reads nothing outside of them', () => {
  fc.assert(
    fc.property(damaged, fc.nat(400), ({ bytes }, offset) => {
      const framed = new Uint8Array(bytes.length + 64).fill(0xaa);
      framed.set(bytes, 32);
      const inside = framed.subarray(32, 32 + bytes.length);
      const tsig = readTsig(inside, offset);
      framed.fill(0x55, 0, 32).fill(0x55, 32 + bytes.length);
      assert.deepEqual(readTsig(inside, offset), tsig);
      if (tsig === undefined) return;
      const { algorithm, keyName, mac, other } = tsig;
      assert.ok(mac.length + other.length < bytes.length);
      assert.ok(keyName.length <= 255 && algorithm.length <= 255);
    }),
    { seed: SEED, numRuns: fuzzRuns(6000) },
  );
});
