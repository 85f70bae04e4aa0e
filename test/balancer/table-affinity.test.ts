import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainRequest } from '../../src/balancer/explain-request.ts';
import type { TableAffinityConfig } from '../../src/config/affinity-config.ts';
import { WAIT_MS, WRITE_DELAY_MS } from '../../src/sessions/session-directory.ts';
import { until } from '../node/until.ts';
import { startRedis } from '../store/redis-server.ts';
import type { RigOptions } from './rig.ts';
import { connectRaw, startRawOrigin, startRig, talk } from './rig.ts';

/** Affinity by a table of sessions, byte by byte (HAProxy: `stick on`), alone and through a real Redis. */

const DEADLINE_MS = 10_000;
const HEADER: TableAffinityConfig = {
  key: { kind: 'header', name: 'x-user' },
  ttlSeconds: 600,
  sessionsMax: 1000,
  shared: false,
  secret: '',
};
/** The clock of the rig. */
const RIG_MS = 1_700_000_000_000;
const SHARED = { ...HEADER, shared: true };

type World = Awaited<ReturnType<typeof startWorld>>;
type After = { after(end: () => Promise<void>): void };

/** Three origins, each answering with its index as the body; round robin would go from one to the next. */
async function startWorld(
  t: After,
  table: TableAffinityConfig,
  options: Partial<RigOptions> = {},
  fieldsOf: (index: number) => string = () => '',
) {
  const origins = await Promise.all(
    [0, 1, 2].map((index) =>
      startRawOrigin((socket, text) => {
        if (!text.endsWith('\r\n\r\n')) return;
        const status = text.includes(`X-Busy: ${index}`) ? '503 Busy' : '200 OK';
        socket.write(`HTTP/1.1 ${status}\r\n${fieldsOf(index)}Content-Length: 1\r\n\r\n${index}`);
      }),
    ),
  );
  const startBalancer = async (more: Partial<RigOptions> = {}) => {
    const rig = await startRig({
      servers: origins.map(({ port }) => port),
      affinity: { table },
      idleMax: 0,
      wakeAfter: (ms) => void setImmediate(() => rig.pass(ms)),
      ...options,
      ...more,
    });
    t.after(() => rig.close());
    return {
      rig,
      /** The index of the origin that answered a request with these further field lines. */
      async ask(...lines: readonly string[]): Promise<number> {
        const head = ['GET /?sid=7 HTTP/1.1', 'Host: shop', ...lines, 'Connection: close', '', ''];
        const { text } = await talk(rig.port, head.join('\r\n'));
        assert.match(text, /^HTTP\/1\.1 200 /);
        return Number(text.at(-1));
      },
      say(index: number, usable: boolean, draining: boolean): void {
        const server = `127.0.0.1:${origins[index]!.port}`;
        rig.balancer.setServers([{ upstream: 'web', server, usable, draining }]);
      },
    };
  };
  t.after(async () => {
    for (const origin of origins) origin.close();
  });
  return { origins, startBalancer, ...(await startBalancer()) };
}

async function staysOn(world: Pick<World, 'ask'>, server: number, ...lines: string[]) {
  for (let times = 0; times < 4; times++) assert.equal(await world.ask(...lines), server);
}

test('a header keeps its requests on one server, others and those without it go round', async (t) => {
  const world = await startWorld(t, HEADER);
  await staysOn(world, await world.ask('X-User: ann'), 'x-USER:  ann');
  const others = [];
  for (let index = 0; index < 3; index++) others.push(await world.ask(`X-User: u${index}`));
  assert.deepEqual([...others].sort(), [0, 1, 2]);
  for (let index = 0; index < 3; index++) await staysOn(world, others[index]!, `X-User: u${index}`);
  const free = [await world.ask(), await world.ask(), await world.ask('X-User:')];
  assert.deepEqual(free.sort(), [0, 1, 2], 'an empty one is none');
});

test('a server that cannot answer once keeps its sessions; new ones stay with who has answered', async (t) => {
  const world = await startWorld(t, HEADER);
  const home = await world.ask('X-User: ann');
  assert.notEqual(await world.ask('X-User: ann', `X-Busy: ${home}`), home);
  await staysOn(world, home, 'X-User: ann');
  const busy = [0, 1, 2].filter((index) => index !== home).map((index) => `X-Busy: ${index}`);
  const next = await world.ask('X-User: bob', ...busy);
  await staysOn(world, next, 'X-User: bob');
});

test('source, parameter and cookie keep theirs', async (t) => {
  const sourceKey = { kind: 'client', prefix4: 24, prefix6: 56 } as const;
  const trust = {
    proxies: ['127.0.0.0/8'],
    believe: ['x-forwarded'],
    send: ['x-forwarded-for'],
  } as const;
  const bySource = await startWorld(t, { ...HEADER, key: sourceKey }, { trust });
  const from = (address: string): string => `X-Forwarded-For: ${address}`;
  const home = await bySource.ask(from('192.0.2.1'));
  await staysOn(bySource, home, from('192.0.2.200'));
  const next = await bySource.ask(from('198.51.100.1'));
  assert.notEqual(next, home);
  await staysOn(bySource, await bySource.ask(from('2001:db8:0:ff::1')), from('2001:db8:0:1::9'));
  await staysOn(bySource, next, from('198.51.100.77'));

  const byParameter = await startWorld(t, { ...HEADER, key: { kind: 'query', name: 'sid' } });
  await staysOn(byParameter, await byParameter.ask());

  const byCookie = await startWorld(t, { ...HEADER, key: { kind: 'cookie', name: 'SID' } });
  const held = await byCookie.ask('Cookie: a=1; SID=abc');
  await staysOn(byCookie, held, 'Cookie: SID=abc; b=2');
});

test('the server that sets the cookie of the application keeps the session', async (t) => {
  const key = { kind: 'cookie', name: 'SID' } as const;
  const world = await startWorld(
    t,
    { ...HEADER, key },
    {},
    (index) => `Set-Cookie: other=1\r\nset-cookie: SID=of-${index}; Path=/; HttpOnly\r\n`,
  );
  const first = await world.ask();
  await world.ask();
  await staysOn(world, first, `Cookie: SID=of-${first}`);
});

test('a server that is down loses its sessions for good, one that drains keeps them', async (t) => {
  const world = await startWorld(t, HEADER);
  const home = await world.ask('X-User: ann');
  world.say(home, true, true);
  await staysOn(world, home, 'X-User: ann');
  for (let index = 0; index < 4; index++) {
    assert.notEqual(await world.ask(`X-User: new${index}`), home, 'nobody new');
  }
  world.say(home, false, false);
  const next = await world.ask('X-User: ann');
  assert.notEqual(next, home);
  world.say(home, true, false);
  await staysOn(world, next, 'X-User: ann');
});

test('a server that refuses connections loses the session within the request', async (t) => {
  const world = await startWorld(t, HEADER);
  const home = await world.ask('X-User: ann');
  world.origins[home]!.close();
  const next = await world.ask('X-User: ann');
  assert.notEqual(next, home);
  await staysOn(world, next, 'X-User: ann');
});

test('sessions outlive a snapshot, and end when they are not used for their time', async (t) => {
  const world = await startWorld(t, { ...HEADER, key: { kind: 'header', name: 'x-user' } });
  const { rig } = world;
  const home = await world.ask('X-User: ann');
  rig.balancer.serve({ ...rig.snapshot, generation: 2 }, new SharedArrayBuffer(65_536));
  await staysOn(world, home, 'X-User: ann');
  rig.pass(400_000);
  await staysOn(world, home, 'X-User: ann');
  rig.pass(400_000);
  assert.equal(await world.ask('X-User: ann'), home, 'it was used meanwhile');
  rig.pass(601_000);
  assert.notEqual(await world.ask('X-User: ann'), home, 'the next in turn');
});

test('a signed cookie counts before the table', async (t) => {
  const cookie = {
    ...{ name: 'MERIDIAN', secret: 'the secret of this test', maxAgeSeconds: 0 },
    ...{ maxLifeSeconds: 0, path: '/' },
    ...({ secure: false, httpOnly: true, sameSite: 'Lax' } as const),
  } as const;
  const world = await startWorld(t, HEADER, { affinity: { cookie, table: HEADER } });
  const home = await world.ask('X-User: ann');
  const other = (await talkFor(world, 'GET / HTTP/1.1\r\nHost: x\r\nX-User: bob')).split(
    'MERIDIAN=',
  );
  const given = `Cookie: MERIDIAN=${/^[^;]*/.exec(other[1]!)![0]}`;
  const bobs = Number(other[1]!.at(-1));
  assert.notEqual(bobs, home);
  await staysOn(world, bobs, 'X-User: ann', given);
  await staysOn(world, home, 'X-User: ann');
});

async function talkFor({ rig }: World, head: string): Promise<string> {
  return (await talk(rig.port, `${head}\r\nConnection: close\r\n\r\n`)).text;
}

test('an explanation names the session and the server that has it', async (t) => {
  const world = await startWorld(t, HEADER);
  const { rig } = world;
  const home = await world.ask('X-User: ann');
  const memory = rig.balancer.accounts().upstreams[0]!.sessions!.desk.table.memory;
  const explain = (headers: readonly string[], isServed = true) => {
    const memoryOf = () => (isServed ? memory : undefined);
    const explained = explainRequest(
      rig.snapshot,
      { method: 'GET', url: 'http://shop/', headers },
      { server: () => undefined, shown: () => '', sessions: { nowMs: RIG_MS, memoryOf } },
    );
    assert.ok('upstream' in explained && explained.upstream?.session, JSON.stringify(explained));
    const picked = explained.upstream.servers.findIndex(({ isPicked }) => isPicked);
    return { ...explained.upstream.session, picked };
  };
  const anns = explain(['X-User: ann']);
  assert.match(anns.key ?? '', /^[0-9a-f]{16}$/);
  assert.equal(anns.server, `127.0.0.1:${world.origins[home]!.port}`);
  assert.equal(
    anns.why,
    `by header x-user: session ${anns.key} is on ${anns.server}, 600 s if not used`,
  );
  assert.equal(anns.picked, home);
  const { key, picked, server, why } = explain(['X-User: bob']);
  assert.deepEqual(
    [why, server, picked],
    [`by header x-user: session ${key} is not in the table here`, undefined, -1],
  );
  assert.match(explain(['X-User: ann'], false).why, /only a node that serves knows/);
  assert.match(explain([]).why, /which the request does not have$/);
});

test('what the table has seen is counted', async (t) => {
  const world = await startWorld(t, HEADER);
  for (let times = 0; times < 3; times++) await world.ask('X-User: ann');
  await world.ask();
  world.rig.pass(100);
  const [web] = world.rig.counters().upstreams;
  assert.deepEqual(web?.sessions, { hits: 2, misses: 1, inserted: 1, evicted: 0, spared: 0 });
});

test('two balancers share sessions through Redis, also what moves', async (t) => {
  const redis = await startRedis(t);
  const options = { sessionRedis: redis.url };
  const world = await startWorld(t, SHARED, options);
  const other = await world.startBalancer(options);
  const both = (): boolean => world.rig.isSharing() && other.rig.isSharing();
  await until(both, DEADLINE_MS, 'both have Redis');
  for (let index = 0; index < 5; index++) {
    const home = await world.ask(`X-User: u${index}`);
    await until(isWritten(world, index + 1), DEADLINE_MS, 'it is told');
    await staysOn(other, home, `X-User: u${index}`);
  }
  other.rig.pass(100);
  const { sharedSessions: shared, upstreams } = other.rig.counters();
  assert.deepEqual([shared.asked, shared.found, shared.late], [5, 5, 0]);
  assert.equal(upstreams[0]!.sessions.misses, 5);

  const home = await world.ask('X-User: u0');
  world.say(home, false, false);
  const next = await world.ask('X-User: u0');
  assert.notEqual(next, home);
  await until(
    async () => {
      world.rig.pass(WRITE_DELAY_MS);
      return (await other.ask('X-User: u0')) === next;
    },
    DEADLINE_MS,
    'the other hears of it',
  );
});

const isWritten = (world: World, count: number) => (): boolean => {
  world.rig.pass(WRITE_DELAY_MS);
  return world.rig.counters().sharedSessions.written >= count;
};

test('a Redis that hangs holds a request up for its bound and no longer, and then none', async (t) => {
  const redis = await startRedis(t);
  const world = await startWorld(t, SHARED, { sessionRedis: redis.url });
  await until(() => world.rig.isSharing(), DEADLINE_MS, 'it has Redis');
  redis.pause();
  for (let index = 0; index < 3; index++) {
    const asking = world.ask(`X-User: u${index}`);
    await until(isAsked(world, index + 1), DEADLINE_MS, 'it is sought');
    world.rig.pass(WAIT_MS);
    await asking;
  }
  assert.equal(world.rig.isSharing(), false, 'three were late: nobody is asked');
  for (let index = 3; index < 9; index++) {
    const home = await world.ask(`X-User: u${index}`);
    await staysOn(world, home, `X-User: u${index}`);
  }
  world.rig.pass(0);
  const { sharedSessions: shared } = world.rig.counters();
  assert.deepEqual([shared.asked, shared.late], [3, 3]);
  redis.resume();
  const isTriedAgain = async (): Promise<boolean> => {
    world.rig.pass(1000);
    await world.ask(`X-User: at-${performance.now()}`);
    return world.rig.isSharing();
  };
  await until(isTriedAgain, DEADLINE_MS, 'one is asked for, and answered');
});

test('a client that leaves while its session is sought costs nothing', async (t) => {
  const redis = await startRedis(t);
  const world = await startWorld(t, SHARED, { sessionRedis: redis.url });
  await until(() => world.rig.isSharing(), DEADLINE_MS, 'it has Redis');
  redis.pause();
  const client = connectRaw(world.rig.port);
  client.send('GET / HTTP/1.1\r\nHost: shop\r\nX-User: ann\r\n\r\nGET /next HTTP/1.1\r\n');
  await until(isAsked(world, 1), DEADLINE_MS, 'it is sought');
  client.socket.resetAndDestroy();
  await until(() => world.rig.balancer.sessions() === 0, DEADLINE_MS, 'it has left');
  redis.resume();
  await world.ask('X-User: ann');
  const isOver = (): boolean => world.rig.counters().listeners[0]!.connectionsActive === 0;
  await until(isOver, DEADLINE_MS, 'nothing is left');
});

const isAsked = (world: World, count: number) => (): boolean => {
  world.rig.pass(0);
  return world.rig.counters().sharedSessions.asked >= count;
};

test('a body that comes while the session is sought is passed on whole', async (t) => {
  const redis = await startRedis(t);
  const world = await startWorld(t, SHARED, { sessionRedis: redis.url });
  await until(() => world.rig.isSharing(), DEADLINE_MS, 'it has Redis');
  const client = connectRaw(world.rig.port);
  client.send('POST / HTTP/1.1\r\nHost: x\r\nX-User: ann\r\nContent-Length: 8\r\n\r\nbody');
  client.send('\r\n\r\n');
  client.send('GET / HTTP/1.1\r\nHost: x\r\nX-User: ann\r\nConnection: close\r\n\r\n');
  const { text } = await client.ended();
  const servers = [...text.matchAll(/\r\n\r\n(\d)/g)].map(([, index]) => Number(index));
  assert.equal(servers.length, 2, text);
  assert.equal(servers[0], servers[1]);
  assert.match(world.origins[servers[0]!]!.received.join(), /\r\n\r\nbody\r\n\r\n/);
});
