import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Problem, RecordChange } from '../../src/control/control-plane.ts';
import { createRecordWriter } from '../../src/control/record-writer.ts';
import { config, ZONE } from '../nameserver/update-rig.ts';
import { keepRecords } from './kept-records.ts';

const NOW_MS = 1_780_000_000_000;
const NAME = 'new.gslb.example';

function open() {
  const kept = keepRecords(NOW_MS);
  const told: string[] = [];
  const writer = createRecordWriter({
    ...kept.parts,
    config: () => config,
    events: { record: (kind, _zone, message) => void told.push(`${kind} ${message}`) },
  });
  const request = (type: string, data: string, more: object = {}) => ({
    zone: ZONE,
    name: NAME,
    type,
    data,
    by: 'test',
    ...more,
  });
  return {
    writer,
    told,
    add: (type: string, data: string, more: object = {}) => writer.add(request(type, data, more)),
    remove: (type: string, data?: string, more: object = {}) =>
      writer.remove({
        zone: ZONE,
        name: NAME,
        type,
        by: 'test',
        ...(data === undefined ? {} : { data }),
        ...more,
      }),
    texts: () =>
      kept
        .all()
        .map(({ data, ttl, type }) => `${ttl} ${type} ${data}`)
        .toSorted(),
    expiries: () => kept.all().map(({ expiresAtMs }) => expiresAtMs),
    fail: kept.fail,
  };
}

const done = (result: RecordChange | Problem): RecordChange => {
  assert.ok(!('problem' in result), JSON.stringify(result));
  return result;
};
const code = (result: object): string => ('code' in result ? `${result.code}` : 'none');

test('a record is added with a TTL and an end, and added again without', async () => {
  const { add, expiries, texts, told } = open();
  const first = done(await add('TXT', '"x y" z', { expiresInSeconds: 60 }));
  assert.deepEqual(first, {
    records: [
      {
        zone: ZONE,
        name: NAME,
        type: 'TXT',
        ttlSeconds: 300,
        data: '"x y" "z"',
        expiresAtMs: NOW_MS + 60_000,
      },
    ],
    serial: 8,
    visible: true,
    confirmed: ['one'],
    pending: [],
    silent: [],
  });
  done(await add('txt', '"x y" "z"', { ttlSeconds: 5 }));
  assert.deepEqual([texts(), expiries()], [['5 TXT "x y" "z"'], [undefined]]);
  assert.match(told[0]!, /^zone\.update test added new\.gslb\.example TXT; the serial is 8\.$/);
});

test('records are listed, and removed by name and type, or one of them', async () => {
  const { add, remove, texts, writer } = open();
  for (const last of [1, 2, 3]) done(await add('A', `192.0.2.${last}`));
  done(await add('TXT', 'x'));
  const listed = writer.list(ZONE);
  assert.ok(!('problem' in listed) && listed.length === 4);
  assert.deepEqual(
    done(await remove('A', '192.0.2.1')).records.map(({ data }) => data),
    ['192.0.2.1'],
  );
  assert.equal(code(await remove('A', '192.0.2.1')), 'no-record');
  assert.equal(done(await remove('a')).records.length, 2);
  assert.deepEqual(texts(), ['300 TXT "x"']);
});

test('names in data are one whatever their case; what is left out is said', async () => {
  const { add, expiries, texts } = open();
  done(await add('CNAME', 'Target.example.'));
  done(await add('CNAME', 'target.EXAMPLE.', { expiresInSeconds: 60 }));
  assert.deepEqual([texts(), expiries()], [['300 CNAME Target.example.'], [NOW_MS + 60_000]]);
  const messageOf = async (type: string, data: string, name: string): Promise<string> => {
    const result = await add(type, data, { name });
    return 'problem' in result ? result.message : '';
  };
  assert.match(await messageOf('SOA', 'a. b. 1 2 3 4 5', ZONE), /the SOA is that of the zone/);
  assert.match(await messageOf('TXT', 'x', 'alias.gslb.example'), /or the name is a CNAME/);
  assert.match(await messageOf('CNAME', 'a.', 'mail.gslb.example'), /or the name has other/);
});

test('the rules are those of updates', async () => {
  const { add, fail, remove, texts, writer } = open();
  const at = (name: string) => ({ name });
  const rows = [
    [await add('A', '192.0.2.1', at('www.gslb.example')), 'record-does-not-fit'],
    [await add('NS', 'ns9.gslb.example.', at(ZONE)), 'record-does-not-fit'],
    [await add('CNAME', 'a.example.', at('mail.gslb.example')), 'record-does-not-fit'],
    [await add('TXT', 'x', at('alias.gslb.example')), 'record-does-not-fit'],
    [await add('A', '192.0.2.25', at('mail.gslb.example')), 'record-does-not-fit'],
    [await add('SOA', 'a. b. 1 2 3 4 5', at(ZONE)), 'record-does-not-fit'],
    [await add('AXFR', '\\# 0'), 'not-a-record'],
    [await add('ANY', '\\# 0'), 'not-a-record'],
    [await remove('OPT'), 'not-a-record'],
    [await add('A', 'nonsense'), 'not-a-record'],
    [await add('NOPE', 'x'), 'not-a-record'],
    [await add('A', '192.0.2.1', at('www.elsewhere.example')), 'name-not-in-zone'],
    [await add('A', '192.0.2.1', at('a.sub.gslb.example')), 'name-not-in-zone'],
    [await add('A', '192.0.2.1', { zone: 'elsewhere.example' }), 'no-zone'],
    [await remove('A', undefined, at('mail.gslb.example')), 'record-does-not-fit'],
    [await remove('A'), 'no-record'],
    [writer.list('elsewhere.example'), 'no-zone'],
  ] as const;
  for (const [index, [result, expected]] of rows.entries()) {
    assert.equal(code(result), expected, `${index} ${JSON.stringify(result)}`);
  }
  assert.deepEqual(texts(), []);
  fail('the store does not answer');
  assert.equal(code(await add('A', '192.0.2.1')), 'records-not-kept');
});
