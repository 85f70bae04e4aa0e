import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bodySignature,
  createBodySignatures,
  keepSignatures,
  replaceSignatures,
} from '../../src/nameserver/body.ts';
import {
  findPrepared,
  hashKey,
  NOTHING_PREPARED,
  type PreparedSignature,
  packPrepared,
  preparedCount,
  preparedOf,
} from '../../src/nameserver/prepared.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

const anyKey = fc.stringMatching(/^(1|28) (\d{1,3},\d{1,3} ?){0,4}$/);
/** Few services, so that keys and services meet in many ways. */
const anySignature = fc
  .tuple(anyKey, fc.nat(5), fc.uint8Array({ maxLength: 9 }))
  .map(([key, service, records]): PreparedSignature => ({ key, service, records }));
const anySignatures = fc.uniqueArray(anySignature, {
  maxLength: 40,
  selector: ({ key, service }) => `${key}/${service}`,
});

const plain = (signatures: Iterable<PreparedSignature>) =>
  Array.from(signatures, ({ key, service, records }) => [key, service, [...records]]);

test('findPrepared() finds what was packed, and nothing else', () => {
  fc.assert(
    fc.property(anySignatures, anySignatures, (signatures, others) => {
      const table = structuredClone(packPrepared(signatures));
      assert.equal(preparedCount(table), signatures.length);
      assert.deepEqual(plain(preparedOf(table)), plain(signatures));
      for (const { key, service } of [...signatures, ...others]) {
        const expected = signatures.find((each) => each.key === key && each.service === service);
        const found = findPrepared(table, key, hashKey(key), service);
        assert.deepEqual(found && [...found], expected && [...expected.records]);
      }
    }),
    fuzzParameters(200),
  );
});

test('a body finds what was added before what came together, and only that when all is replaced', () => {
  const [key, service] = ['1 192,0,2,1', 3];
  const signatures = createBodySignatures();
  const at = (octet: number) => packPrepared([{ key, service, records: Uint8Array.of(octet) }]);
  replaceSignatures(signatures, at(1));
  const known = new Map<number, Uint8Array>();
  signatures.known.set(key, known);
  const found = () =>
    bodySignature(signatures, { key, keyHash: hashKey(key), signatures: known }, 3);
  assert.deepEqual([...found()!], [1]);
  keepSignatures(signatures, at(2));
  assert.deepEqual([...found()!], [2]);
  replaceSignatures(signatures, at(4));
  assert.deepEqual([...found()!], [4]);
  replaceSignatures(signatures, NOTHING_PREPARED);
  assert.equal(found(), undefined);
});

test('prepared signatures are no objects of a message: what threads are sent of them is shared', () => {
  for (const { buffer } of Object.values(NOTHING_PREPARED)) {
    assert.ok(buffer instanceof SharedArrayBuffer);
  }
});
