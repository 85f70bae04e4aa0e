import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counterBytes } from '../../src/balancer/counters.ts';
import { readCounters } from '../../src/balancer/counts.ts';
import type { SessionKeySource, TableAffinityConfig } from '../../src/config/affinity-config.ts';
import {
  askedOf,
  asking,
  assertNeverHedged,
  DELAY_MS,
  endPair,
  eventually,
  GET,
  makeHedged,
  makeSlow,
  OK,
  requestOf,
  startPair,
  sumOf,
} from './hedged-pair.ts';

/** Who is kept on a server by a session is not sent to another one, however slow it is. */

const tableOf = (key: SessionKeySource): TableAffinityConfig => ({
  ...{ key, ttlSeconds: 600, sessionsMax: 1000, shared: false, secret: '' },
});

const HELD_BY = {
  header: [{ kind: 'header', name: 'x-user' }, GET.replace('\r\n\r\n', '\r\nX-User: a\r\n\r\n')],
  source: [{ kind: 'client', prefix4: 32, prefix6: 64 }, GET],
  parameter: [{ kind: 'query', name: 'sid' }, GET.replace('/ ', '/?sid=7 ')],
  applicationCookie: [
    { kind: 'cookie', name: 'SID' },
    GET.replace('\r\n\r\n', '\r\nCookie: SID=7\r\n\r\n'),
  ],
} as const satisfies Record<string, readonly [SessionKeySource, string]>;
for (const [name, [key, request]] of Object.entries(HELD_BY)) {
  test(`never hedged: what a session by ${name} keeps on its server`, () =>
    assertNeverHedged(request, { affinity: { table: tableOf(key) } }));
}

test('never hedged: what a cookie keeps on its server; a new client is, with or without a table', async () => {
  const cookie = {
    ...{ name: 'M', secret: 'the secret of this test', maxAgeSeconds: 0 },
    ...{ maxLifeSeconds: 0, path: '/' },
    ...({ secure: false, httpOnly: true, sameSite: 'Lax' } as const),
  };
  const pair = await startPair({ affinity: { cookie, table: tableOf(HELD_BY.header[0]) } });
  const { client, slow, fast } = await makeHedged(pair);
  fast.asked[0]!.socket.write(OK);
  const given = /\r\nSet-Cookie: (M=[^;]*)/.exec((await client.ended()).text)?.[1];
  assert.ok(given);
  await eventually(() => slow.lost === 1);
  slow.asked.length = fast.asked.length = 0;
  const held = asking(pair, requestOf('GET', `Cookie: ${given}\r\n`));
  await eventually(() => askedOf(pair) === 1);
  assert.equal(fast.asked.length, 1, 'who answered has the session');
  for (let tick = 0; tick < 10; tick += 1) pair.rig.pass(DELAY_MS);
  assert.equal(sumOf(pair.rig, 'hedges'), 1);
  fast.asked[0]!.socket.write(OK);
  assert.match((await held.ended()).text, /ok$/);
  await endPair(pair);
});

test('never hedged: what a session keeps on a server that has another place after a reload', async () => {
  const [key, request] = HELD_BY.header;
  const pair = await startPair({ affinity: { table: tableOf(key) } });
  const client = asking(pair, request);
  const [slow] = await makeSlow(pair);
  const { snapshot } = pair.rig;
  const upstreams = snapshot.upstreams.map((each) => ({
    ...each,
    servers: each.servers.toReversed(),
  }));
  const next = { ...snapshot, upstreams, generation: 2 };
  const counters = new SharedArrayBuffer(counterBytes(next));
  pair.rig.balancer.serve(next, counters);
  for (let tick = 0; tick < 10; tick += 1) pair.rig.pass(DELAY_MS);
  const hedges = readCounters(next, counters).servers.map((each) => each.hedges);
  assert.deepEqual(hedges, [0, 0]);
  slow.asked[0]!.socket.write(OK);
  assert.match((await client.ended()).text, /ok$/);
  await pair.rig.close();
  pair.first.close();
  pair.second.close();
});
