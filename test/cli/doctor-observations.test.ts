import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { HOSTS_MAX, observeDelegation } from '../../src/cli/doctor-observations.ts';
import { parseName } from '../../src/dns/name.ts';

/** A parent that delegates to far too many nameservers. */
const NAMES = 60;
const parent = createSocket('udp4', (query, { address, port }) => {
  const end = query.indexOf(0, 12) + 5;
  const records = Array.from({ length: NAMES }, (_, index) => {
    const label = Buffer.from(`n${index}`);
    const rdata = Buffer.concat([Buffer.from([label.length]), label, Buffer.from([0xc0, 12])]);
    const head = Buffer.from([0xc0, 12, 0, 2, 0, 1, 0, 0, 14, 16, 0, rdata.length]);
    return Buffer.concat([head, rdata]);
  });
  const head = Buffer.from([query[0]!, query[1]!, 0x80, 0, 0, 1, 0, 0, 0, NAMES, 0, 0]);
  parent.send(Buffer.concat([head, query.subarray(12, end), ...records]), port, address);
});
parent.bind(0, '127.0.0.1');
await once(parent, 'listening');
after(() => parent.close());

test('a reply that names thousands of nameservers does not make the doctor ask them all', async () => {
  const server = { address: '127.0.0.1', port: parent.address().port };
  const zone = parseName('gslb.example.')!;
  const task = {
    ...{ zone, parents: [server], resolvers: [], port: 1, timeoutMs: 500 },
    walk: undefined,
  };
  const seen = await observeDelegation(task, () => 0);
  assert.ok(typeof seen !== 'string', String(seen));
  assert.equal(seen.hosts.length, HOSTS_MAX);
});
