import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TYPE_SOA } from '../../src/dns/constants.ts';
import { ask, dataOf } from '../node/dns-client.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { place } from '../node/three-regions.ts';
import { until } from '../node/until.ts';

const zoneOf = (address: string, serial = 1): string =>
  `$TTL 300\n@ SOA ns1 h ${serial} 3600 600 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\nwww A ${address}\n`;
/** For a machine that does much else. */
const PATIENCE_MS = 10_000;
const ZONES = ['a', 'b', 'c'].map((name) => `${name}.example`);

async function startZones(t: TestContext) {
  const dns = await place();
  const config = {
    node: { name: 'zones', roles: ['nameserver'], workers: { dns: 1 } },
    dns: { listeners: [`${dns.address}:${dns.port}`] },
    zoneFolders: [{ folder: '.' }],
  };
  const files = Object.fromEntries(ZONES.map((zone) => [`${zone}.zone`, zoneOf('192.0.2.1')]));
  const fixture = await startNodeFixture(config, {}, files);
  t.after(fixture.stop);
  const write = (zone: string, text: string): void =>
    writeFileSync(join(fixture.directory, `${zone}.zone`), text);
  const www = async (zone: string) => dataOf(await ask(dns, { name: `www.${zone}` }));
  const serial = async (zone: string): Promise<number> => {
    const [soa] = dataOf(await ask(dns, { name: zone, type: TYPE_SOA }));
    return Number(String(soa).split(' ')[2]);
  };
  return { ...fixture, write, www, serial };
}

test('the file of one zone is served, and all others as before', async (t) => {
  const { node, write, www } = await startZones(t);
  // That of another zone has changed too, but nobody said so.
  write('a.example', zoneOf('192.0.2.2'));
  write('b.example', zoneOf('192.0.2.3'));
  const result = await node.plane.reload('test', 'a.example');
  assert.ok(result.ok);
  assert.deepEqual(result.changes, [
    'zones.a.example: record www A changed data ["192.0.2.1"] → ["192.0.2.2"]',
  ]);
  assert.deepEqual(await Promise.all(ZONES.map(www)), [
    ['192.0.2.2'],
    ['192.0.2.1'],
    ['192.0.2.1'],
  ]);
  const all = await node.plane.reload('test');
  assert.deepEqual(
    all.changes.map((change) => change.split(':')[0]),
    ['zones.b.example'],
  );
  assert.deepEqual(await Promise.all(ZONES.map(www)), [
    ['192.0.2.2'],
    ['192.0.2.3'],
    ['192.0.2.1'],
  ]);
  write('c.example', zoneOf('192.0.2.4'));
  assert.ok((await node.plane.reload('test', 'c.example')).ok);
  assert.deepEqual(await Promise.all(ZONES.map(www)), [
    ['192.0.2.2'],
    ['192.0.2.3'],
    ['192.0.2.4'],
  ]);
});

test('no query goes unanswered while zones are replaced', async (t) => {
  const { node, write, www } = await startZones(t);
  let isDone = false;
  const seen = new Set<string>();
  const asking = (async () => {
    while (!isDone) for (const data of await www('a.example')) seen.add(data);
  })();
  for (let round = 1; round <= 20; round += 1) {
    write('a.example', zoneOf(`192.0.2.${round}`));
    const { generation, ok } = await node.plane.reload('test', 'a.example');
    assert.deepEqual({ generation, ok }, { generation: round + 1, ok: true });
    // Whoever asks once it is served gets it.
    assert.deepEqual(await www('a.example'), [`192.0.2.${round}`]);
  }
  isDone = true;
  await asking;
  assert.ok([...seen].every((data) => data.startsWith('192.0.2.')));
});

test('what cannot be done for one zone is done for all, and what is wrong is told', async (t) => {
  const { node, write, www } = await startZones(t);
  write('a.example', `${zoneOf('192.0.2.2')}x A 192.0.2.256\n`);
  const refused = await node.plane.reload('test', 'a.example');
  assert.ok(!refused.ok);
  assert.match(`${refused.issues[0]?.file}:${refused.issues[0]?.line}`, /a\.example\.zone:6$/);
  assert.deepEqual(await www('a.example'), ['192.0.2.1']);
  write('a.example', `${zoneOf('192.0.2.2')}www 60 A 192.0.2.3\n`);
  const doubtful = await node.plane.reload('test', 'a.example');
  assert.ok(doubtful.ok);
  assert.match(doubtful.issues[0]!.message, /TTL/);
  assert.deepEqual(await www('a.example'), ['192.0.2.2', '192.0.2.3']);
  write('d.example', zoneOf('192.0.2.9'));
  assert.deepEqual((await node.plane.reload('test', 'd.example')).changes, [
    'zones: zone d.example added',
  ]);
  assert.deepEqual(await www('d.example'), ['192.0.2.9']);
});

test('a serial that an added record has used is not used again for another content of the file', async (t) => {
  const { node, serial, write, www } = await startZones(t);
  const challenge = { zone: 'a.example', name: 'www.a.example', value: 'x'.repeat(43), by: 'test' };
  const done = await node.plane.setAcmeChallenge(challenge);
  assert.ok(!('problem' in done));
  assert.equal(await serial('a.example'), 2);
  write('a.example', zoneOf('192.0.2.2', 2));
  assert.ok((await node.plane.reload('test', 'a.example')).ok);
  assert.deepEqual(await www('a.example'), ['192.0.2.2']);
  await until(async () => (await serial('a.example')) === 3, PATIENCE_MS, 'a serial of its own');
  // Another zone's reload is none of its concern.
  write('b.example', zoneOf('192.0.2.3', 2));
  assert.ok((await node.plane.reload('test', 'b.example')).ok);
  assert.deepEqual([await serial('b.example'), await serial('a.example')], [2, 3]);
});
