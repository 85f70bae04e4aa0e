import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { TRANSFERS_MAX, TRANSFERS_PER_CLIENT_MAX } from '../../src/dns-transport/transfer-pump.ts';
import { buildQuery } from '../dns/query-builder.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { run, serverWords } from './ask.ts';
import { startWorldNode, zone } from './world-node.ts';

/** Zones as BIND's and Knot's tools copy them. */
const address = loopbackAddress();
const port = 5300;
const SECRET = Buffer.alloc(32, 7).toString('base64');
/** More than sockets hold. */
const LARGE = 600;
const TEXT = Array.from({ length: 120 }, () => `"${'x'.repeat(250)}"`).join(' ');
const largeZone = `$TTL 60\n@ SOA ns.other. host 1 2 3 4 5\n@ NS ns.other.\n$GENERATE 1-${LARGE} h$ TXT ${JSON.stringify(TEXT)}\n`;
const zones = (serial: number, more: object = {}) => ({
  'gslb.example': {
    ...zone,
    soa: { ...zone.soa, serial },
    records: { ...zone.records, ...more },
    transfer: { allow: [{ key: 'secondary.example' }, '127.99.0.0/16'] },
  },
  'omitted.example': {
    nameservers: ['ns.other.example.'],
    steered: { www: { pool: 'web' } },
    transfer: { allow: ['127.0.0.0/8'], steered: 'omit' },
  },
  'closed.example': { nameservers: ['ns.other.example.'] },
  'large.example': { file: 'large.zone', transfer: { allow: ['127.0.0.0/8'] } },
});
const keys = {
  'secondary.example': { secret: SECRET },
  'longer.example': { algorithm: 'hmac-sha512', secret: Buffer.alloc(64, 9).toString('base64') },
};
const fixture = await startWorldNode(
  [`${address}:${port}`],
  zones(7),
  { keys, tcp: { perClientMax: 40 } },
  { 'large.zone': largeZone },
);
after(fixture.stop);

const KEY = `hmac-sha256:secondary.example:${SECRET}`;
const records = (output: string): string[] =>
  output
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';') && !/\sTSIG\s/.test(line))
    .map((line) => line.replaceAll(/\s+/g, ' ').trim());

async function dig(...words: string[]): Promise<string> {
  const all = [...serverWords({ address, port }), '+noall', '+answer', '+comments', ...words];
  return (await run('dig', all)).output;
}

test('dig and kdig copy a zone with a key, whole, with steered names as strangers are answered', async () => {
  const byDig = records(await dig('-y', KEY, 'gslb.example', 'AXFR'));
  const soa =
    'gslb.example. 300 IN SOA ns1.gslb.example. hostmaster.gslb.example. 7 3600 600 1209600 60';
  assert.equal(byDig[0], soa);
  assert.equal(byDig.at(-1), soa);
  for (const record of [
    'mail.gslb.example. 300 IN AAAA 2001:db8::25',
    'sub.gslb.example. 300 IN NS ns.sub.gslb.example.',
    'ns.sub.gslb.example. 300 IN A 192.0.2.55',
    '*.wild.gslb.example. 300 IN A 192.0.2.9',
    'app.gslb.example. 30 IN A 192.0.2.2',
  ]) {
    assert.ok(byDig.includes(record), record);
  }
  assert.equal(byDig.filter((line) => line.startsWith('www.gslb.example. 30 IN A ')).length, 1);
  const { output } = await run('kdig', [
    ...serverWords({ address, port }),
    '-y',
    KEY,
    '+tcp',
    'gslb.example',
    'AXFR',
  ]);
  assert.deepEqual(records(output).toSorted(), byDig.toSorted());
});

test('what is copied is a zone that others load', async () => {
  const file = join(fixture.directory, 'copy.zone');
  writeFileSync(
    file,
    `${records(await dig('-y', KEY, '+onesoa', 'gslb.example', 'AXFR')).join('\n')}\n`,
  );
  const checked = spawnSync('named-checkzone', ['-i', 'local', 'gslb.example', file], {
    encoding: 'utf8',
  });
  assert.equal(checked.status, 0, checked.stdout);
});

test('without the right key, from elsewhere, and of other zones there is nothing', async () => {
  const wrong = `hmac-sha256:secondary.example:${Buffer.alloc(32, 8).toString('base64')}`;
  const other = `hmac-sha512:longer.example:${keys['longer.example'].secret}`;
  const unknown = `hmac-sha256:nobody.example:${SECRET}`;
  for (const words of [
    ['gslb.example'],
    ['-y', wrong, 'gslb.example'],
    ['-y', other, 'gslb.example'],
    ['-y', unknown, 'gslb.example'],
    ['closed.example'],
    ['elsewhere.example'],
    ['www.gslb.example'],
  ]) {
    const output = await dig(...words, 'AXFR');
    assert.match(output, /Transfer failed|communications error/, words.join(' '));
    assert.deepEqual(records(output), [], words.join(' '));
  }
  assert.equal(records(await dig('-b', '127.99.1.1', 'gslb.example', 'AXFR')).length > 30, true);
  assert.deepEqual(records(await dig('omitted.example', 'AXFR')).length, 3);
});

test('a secondary that has an older serial gets what has changed, or all of it', async () => {
  const text = readFileSync(fixture.file, 'utf8');
  const config = JSON.parse(text) as { zones: object };
  const reload = async (serial: number, more: object): Promise<void> => {
    config.zones = zones(serial, more);
    writeFileSync(fixture.file, JSON.stringify(config));
    const result = await fixture.node.plane.reload('test');
    assert.ok(result.ok);
  };
  await reload(8, { added: { A: '192.0.2.100' } });
  await reload(9, { added: { A: '192.0.2.101' } });
  const changes = records(await dig('-y', KEY, 'gslb.example', 'IXFR=7')).map((line) =>
    line.replace(/SOA .* (\d+) 3600 600 1209600 60$/, 'SOA $1'),
  );
  assert.deepEqual(changes, [
    'gslb.example. 300 IN SOA 9',
    'gslb.example. 300 IN SOA 7',
    'gslb.example. 300 IN SOA 8',
    'added.gslb.example. 300 IN A 192.0.2.100',
    'gslb.example. 300 IN SOA 8',
    'added.gslb.example. 300 IN A 192.0.2.100',
    'gslb.example. 300 IN SOA 9',
    'added.gslb.example. 300 IN A 192.0.2.101',
    'gslb.example. 300 IN SOA 9',
  ]);
  assert.equal(records(await dig('-y', KEY, 'gslb.example', 'IXFR=9')).length, 1);
  assert.equal(records(await dig('-y', KEY, 'gslb.example', 'IXFR=10')).length, 1);
  const all = records(await dig('-y', KEY, 'gslb.example', 'AXFR'));
  assert.equal(records(await dig('-y', KEY, 'gslb.example', 'IXFR=3')).length, all.length);
});

test('a large zone comes in many messages, whole, while others are answered', async () => {
  const [output, mail] = await Promise.all([
    dig('large.example', 'AXFR'),
    run('dig', [...serverWords({ address, port }), '+tcp', '+short', 'mail.gslb.example']),
  ]);
  assert.equal(records(output).length, LARGE + 3);
  assert.equal(mail.output.trim(), '192.0.2.25');
});

test('those who take nothing of their copies hold up a bounded number, and nobody who asks', async () => {
  const question = [5, ...Buffer.from('large'), 7, ...Buffer.from('example'), 0, 0, 252, 0, 1];
  const query = buildQuery({ question });
  const framed = Buffer.concat([Buffer.from([0, query.length]), query]);
  const open = () =>
    Array.from({ length: TRANSFERS_MAX + 1 }, (_, index) => {
      // No client may have all of them.
      const last = 1 + Math.floor(index / TRANSFERS_PER_CLIENT_MAX);
      const socket = connect({ host: address, port, localAddress: `127.98.1.${last}` });
      socket.pause();
      socket.write(framed);
      return socket;
    });
  let sockets = open();
  const busy = async (): Promise<boolean> =>
    /Transfer failed/.test(await dig('-b', '127.99.1.1', 'large.example', 'AXFR'));
  // On a slow machine the server may have given them up before one copy is through.
  while (!(await busy())) {
    for (const socket of sockets) socket.destroy();
    sockets = open();
  }
  const { output } = await run('dig', [
    ...serverWords({ address, port }),
    '+tcp',
    '+short',
    'mail.gslb.example',
  ]);
  assert.equal(output.trim(), '192.0.2.25');
  for (const socket of sockets) socket.destroy();
  while (await busy());
});
