import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from 'dns-packet';
import { parseName } from '../../src/dns/name.ts';
import { subnetOption, writeQuery } from '../../src/doctor/query.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';

const name = parseName('www.Gslb.example.')!;
/** Read by a second codec. */
const read = (bytes: Uint8Array) => decode(Buffer.from(bytes)) as unknown as Decoded;
type Decoded = {
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly object[];
  readonly additionals: readonly Record<string, unknown>[];
};

test('a query says what it was told to', () => {
  const bare = read(writeQuery(0xfedc, { name, type: 43 }));
  assert.equal(bare.id, 0xfedc);
  assert.equal(bare.flags, 0);
  assert.deepEqual(bare.questions, [{ name: 'www.Gslb.example', type: 'DS', class: 'IN' }]);
  assert.deepEqual(bare.additionals, []);
  assert.equal(read(writeQuery(1, { name, type: 1, recursion: true })).flags, 0x0100);
  const [opt] = read(
    writeQuery(1, {
      name,
      type: 1,
      edns: { version: 1, dnssecOk: true, options: [{ code: 3, value: new Uint8Array(0) }] },
    }),
  ).additionals;
  assert.equal(opt?.['udpPayloadSize'], 1232);
  assert.equal(opt?.['ednsVersion'], 1);
  assert.equal(opt?.['flag_do'], true);
  assert.equal((opt!['options'] as { code: number }[])[0]?.code, 3);
});

test('a client subnet has no more octets than it needs', () => {
  const cases: readonly (readonly [string, readonly number[]])[] = [
    ['203.0.113.0/24', [0, 1, 24, 0, 203, 0, 113]],
    ['203.0.112.0/20', [0, 1, 20, 0, 203, 0, 112]],
    ['0.0.0.0/0', [0, 1, 0, 0]],
    ['2001:db8::/48', [0, 2, 48, 0, 0x20, 1, 0xd, 0xb8, 0, 0]],
  ];
  for (const [text, expected] of cases) {
    const option = subnetOption(parsePrefix(text)!);
    assert.deepEqual([...option.value], expected, text);
    const bytes = writeQuery(1, { name, type: 1, edns: { options: [option] } });
    const [opt] = read(bytes).additionals;
    const [subnet] = opt!['options'] as { type: string; sourcePrefixLength: number }[];
    assert.equal(subnet?.type, 'CLIENT_SUBNET');
    assert.equal(subnet?.sourcePrefixLength, Number(text.split('/')[1]));
  }
});
