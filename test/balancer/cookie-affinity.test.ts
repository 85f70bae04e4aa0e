import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closedPort } from '../closed-port.ts';
import type { RigOptions } from './rig.ts';
import { connectRaw, type RawOrigin, startRawOrigin, startRig, talk } from './rig.ts';

/** Affinity by cookie, byte by byte (HAProxy: `cookie insert indirect nocache`). */

const SECRET = 'the secret of this test';
const COOKIE = {
  name: 'MERIDIAN',
  secret: SECRET,
  maxAgeSeconds: 3600,
  maxLifeSeconds: 0,
  path: '/',
  secure: true,
  httpOnly: true,
  sameSite: 'Lax',
} as const;
/** The clock of the rig. */
const NOW = 1_700_000_000;

type World = {
  readonly rig: Awaited<ReturnType<typeof startRig>>;
  readonly origins: readonly RawOrigin[];
  /** Sends a request with these further field lines. */
  ask(...lines: readonly string[]): Promise<Answer>;
  close(): Promise<void>;
};
type Answer = {
  /** The index of the origin that answered. */
  readonly from: number;
  readonly text: string;
  /** The `NAME=value` that was set; empty when none was. */
  readonly cookie: string;
  /** The head as the origin got it. */
  readonly request: string;
};

/** Each origin answers with its index as the body, and with these field lines; with `X-Busy` of its index it is busy. */
async function startWorld(
  options: Partial<RigOptions> = {},
  lines: readonly string[] = [],
  status = '200 OK',
): Promise<World> {
  const fields = [...lines, 'Content-Length: 1', ''].join('\r\n');
  const origins = await Promise.all(
    [0, 1, 2].map((index) =>
      startRawOrigin((socket, text) => {
        if (!text.endsWith(text.startsWith('POST') ? 'x' : '\r\n\r\n')) return;
        const is = text.includes(`X-Busy: ${index}`) ? '503 Busy' : status;
        socket.write(`HTTP/1.1 ${is}\r\n${fields}\r\n${index}`);
      }),
    ),
  );
  const rig = await startRig({
    servers: origins.map(({ port }) => port),
    affinity: { cookie: COOKIE },
    idleMax: 0,
    wakeAfter: (ms) => void setImmediate(() => rig.pass(ms)),
    ...options,
  });
  return {
    rig,
    origins,
    async ask(...more) {
      const head = ['GET / HTTP/1.1', 'Host: shop', ...more, 'Connection: close', '', ''];
      const { text } = await talk(rig.port, head.join('\r\n'));
      const from = Number(text.at(-1));
      return {
        from,
        text,
        cookie: /\r\nSet-Cookie: ([^;]*)/.exec(text)?.[1] ?? '',
        request: origins[from]?.received.at(-1) ?? '',
      };
    },
    async close() {
      await rig.close();
      for (const origin of origins) origin.close();
    },
  };
}

test('the first answer sets a cookie with all its attributes, and is private', async () => {
  const world = await startWorld();
  const { text } = await world.ask();
  assert.match(
    text,
    /\r\nSet-Cookie: MERIDIAN=v1\.[\w-]{11}\.1700003600\.[\w-]{11}; Path=\/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax\r\n/,
  );
  assert.match(text, /\r\nCache-Control: private\r\n/);
  await world.close();
});

test('a server that cannot answer once keeps its client, one that nobody reaches does not', async () => {
  const world = await startWorld();
  const { cookie, from } = await world.ask();
  const away = await world.ask(`Cookie: ${cookie}`, `X-Busy: ${from}`);
  assert.match(away.text, /^HTTP\/1\.1 200 /);
  assert.notEqual(away.from, from);
  assert.equal(away.cookie, '');
  assert.equal((await world.ask(`Cookie: ${cookie}`)).from, from);
  world.origins[from]!.close();
  const moved = await world.ask(`Cookie: ${cookie}`);
  assert.notEqual(moved.from, from);
  assert.notEqual(moved.cookie, '');
  const busyFirst = await world.ask(...[0, 1].map((index) => `X-Busy: ${index}`));
  assert.notEqual(busyFirst.cookie, '', 'who is new stays with who has answered');
  await world.close();
});

test('with the cookie every request goes to its server, and nothing is set again', async () => {
  const world = await startWorld();
  const first = await world.ask();
  for (let round = 0; round < 6; round++) {
    const next = await world.ask(`Cookie: ${first.cookie}`);
    assert.equal(next.from, first.from);
    assert.doesNotMatch(next.text, /Set-Cookie|Cache-Control/);
  }
  const others = await Promise.all([world.ask(), world.ask(), world.ask()]);
  assert.equal(new Set(others.map(({ from }) => from)).size, 3, 'others are spread');
  await world.close();
});

test('the server never sees the cookie, and every other one unchanged and in order', async () => {
  const world = await startWorld();
  const { cookie } = await world.ask();
  const rows: readonly (readonly [readonly string[], readonly string[]])[] = [
    [[`Cookie: ${cookie}`], []],
    [[`cookie: a=1; ${cookie}; b="2"`], ['Cookie: a=1; b="2"']],
    [[`Cookie: ${cookie};a=1`], ['Cookie: a=1']],
    [[`Cookie: MERIDIAN=old; a=1;  ${cookie}`], ['Cookie: a=1']],
    [
      [`Cookie: a=1; ${cookie}`, 'Cookie: b=2', `Cookie: ${cookie}`],
      ['Cookie: a=1', 'Cookie: b=2'],
    ],
    [['cookie: a=1;;b=2'], ['cookie: a=1;;b=2']],
  ];
  for (const [sent, seen] of rows) {
    const { request } = await world.ask(...sent);
    assert.deepEqual(request.match(/^cookie:.*$/gim) ?? [], seen);
    assert.doesNotMatch(request, /MERIDIAN/);
  }
  await world.close();
});

test('a forged, a past and a foreign cookie is stripped, not followed, and replaced', async () => {
  const world = await startWorld();
  const { cookie } = await world.ask();
  const other = await startWorld({
    affinity: { cookie: { ...COOKIE, secret: 'another secret, as long' } },
  });
  const foreign = (await other.ask()).cookie;
  const forged = cookie.slice(0, -1) + (cookie.endsWith('A') ? 'E' : 'A');
  for (const bad of [forged, foreign, 'MERIDIAN=', 'MERIDIAN=web1']) {
    const answer = await world.ask(`Cookie: ${bad}`);
    assert.match(answer.cookie, /^MERIDIAN=v1\./, bad);
    assert.doesNotMatch(answer.request, /MERIDIAN/);
  }
  world.rig.pass(3600_000);
  assert.notEqual((await world.ask(`Cookie: ${cookie}`)).cookie, '');
  await world.close();
  await other.close();
});

test('past half of its time the cookie is made anew, for the same server', async () => {
  const world = await startWorld();
  const first = await world.ask();
  world.rig.pass(1801_000);
  const next = await world.ask(`Cookie: ${first.cookie}`);
  assert.equal(next.from, first.from);
  assert.match(next.cookie, new RegExp(`\\.${NOW + 1801 + 3600}\\.`));
  await world.close();
});

test('after a change of the secret sessions stay, and get a new cookie', async () => {
  const world = await startWorld();
  const first = await world.ask();
  const next = { ...COOKIE, secret: 'the next secret, as long', formerSecret: SECRET };
  const [upstream] = world.rig.snapshot.upstreams;
  const changed = { ...upstream!, affinity: { cookie: next } };
  const port = world.origins.map((origin) => origin.port);
  const second = await startRig({ servers: port, affinity: changed.affinity, idleMax: 0 });
  const { text } = await talk(
    second.port,
    `GET / HTTP/1.1\r\nHost: shop\r\nCookie: ${first.cookie}\r\nConnection: close\r\n\r\n`,
  );
  assert.equal(Number(text.at(-1)), first.from);
  assert.match(text, /\r\nSet-Cookie: MERIDIAN=v1\./);
  await second.close();
  await world.close();
});

test('a server that is down is replaced by another, and so is the cookie', async () => {
  const world = await startWorld();
  const first = await world.ask();
  const server = `127.0.0.1:${world.origins[first.from]!.port}`;
  world.rig.balancer.setServers([{ upstream: 'web', server, usable: false }]);
  const next = await world.ask(`Cookie: ${first.cookie}`);
  assert.notEqual(next.from, first.from);
  const last = await world.ask(`Cookie: ${next.cookie}`);
  assert.deepEqual([last.from, last.cookie], [next.from, '']);
  await world.close();
});

test('a server that refuses connections is replaced within the request', async () => {
  const dead = await closedPort();
  const origin = await startRawOrigin((socket, text) => {
    if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1');
  });
  const world = await startWorld({ servers: [dead, origin.port] });
  // While the first is dead, whoever is sent there comes to the second and is told so.
  const answers = [await world.ask(), await world.ask()];
  const [cookie, other] = answers.map((answer) => answer.cookie);
  assert.ok(cookie && other);
  assert.equal(cookie.split('.')[1], other.split('.')[1]);
  await world.close();
  origin.close();
});

test('Cache-Control is added only where the server leaves caches free', async () => {
  const rows: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['Cache-Control: public, max-age=60'], ['public, max-age=60', 'private']],
    [['Cache-Control: private'], ['private']],
    [
      ['cache-control: max-age=1', 'Cache-Control: no-store'],
      ['max-age=1', 'no-store'],
    ],
    [['Cache-Control: private="X-A"'], ['private="X-A"', 'private']],
  ];
  for (const [lines, values] of rows) {
    const world = await startWorld({}, lines);
    const { text } = await world.ask();
    const said = [...text.matchAll(/^cache-control: (.*)\r$/gim)].map((match) => match[1]);
    assert.deepEqual(said, values);
    await world.close();
  }
});

test('a WebSocket is told its server too, with the response that begins it', async () => {
  const world = await startWorld(
    {},
    ['Connection: Upgrade', 'Upgrade: websocket'],
    '101 Switching',
  );
  const { rig } = world;
  const client = connectRaw(rig.port);
  client.send('GET / HTTP/1.1\r\nHost: s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const text = await client.until((all) => all.includes('\r\n\r\n'));
  assert.match(text, /^HTTP\/1\.1 101 /);
  assert.match(text, /\r\nSet-Cookie: MERIDIAN=v1\./);
  client.socket.destroy();
  await world.close();
});

test('the balancer’s own answers set no cookie', async () => {
  const world = await startWorld({ servers: [await closedPort()] });
  const { text } = await world.ask();
  assert.match(text, /^HTTP\/1\.1 50[234] /);
  assert.doesNotMatch(text, /Set-Cookie/);
  await world.close();
});

test('without affinity cookies of that name are none of our business', async () => {
  const world = await startWorld({ affinity: undefined });
  const { request, text } = await world.ask('Cookie: MERIDIAN=theirs');
  assert.match(request, /\r\nCookie: MERIDIAN=theirs\r\n/);
  assert.doesNotMatch(text, /Set-Cookie/);
  await world.close();
});

test('a server that drains keeps its holders, gets nobody new, and in maintenance keeps nobody', async () => {
  const { ask, close, origins, rig } = await startWorld();
  const held = await ask();
  const server = `127.0.0.1:${origins[held.from]?.port}`;
  const say = (usable: boolean, draining: boolean): void =>
    rig.balancer.setServers([{ upstream: 'web', server, usable, draining }]);
  say(true, true);
  for (let times = 0; times < 4; times += 1) {
    assert.equal((await ask(`Cookie: ${held.cookie}`)).from, held.from);
    assert.notEqual((await ask()).from, held.from);
  }
  say(false, true);
  const moved = await ask(`Cookie: ${held.cookie}`);
  assert.notEqual(moved.from, held.from);
  assert.notEqual(moved.cookie, '', 'it is kept on another from now on');
  await close();
});

test('an application that sets the cookie itself has the last word', async () => {
  const ended = 'Set-Cookie: MERIDIAN=; Path=/; Max-Age=0';
  const world = await startWorld({}, ['Set-Cookie: other=1', ended]);
  const { text } = await world.ask();
  assert.deepEqual(text.match(/Set-Cookie: MERIDIAN[^\r]*/g), [ended]);
  assert.doesNotMatch(text, /Cache-Control/);
  await world.close();
  const other = await startWorld({}, ['Set-Cookie: MERIDIANA=1', 'Set-Cookie: MERIDIAN']);
  assert.match((await other.ask()).text, /\r\nSet-Cookie: MERIDIAN=v1\./);
  await other.close();
});

test('maxLife is in the cookie', async () => {
  const world = await startWorld({ affinity: { cookie: { ...COOKIE, maxLifeSeconds: 1800 } } });
  assert.match((await world.ask()).cookie, /^MERIDIAN=v1\.[\w-]{11}\.1700001800\.1700001800\./);
  await world.close();
});

test('a server with more than its share is spared, and keeps its sessions', async () => {
  const world = await startWorld({ affinity: { cookie: COOKIE, loadFactor: 2 } });
  const { cookie, from } = await world.ask();
  const clients = Array.from({ length: 3 }, () => connectRaw(world.rig.port));
  const head = ['POST / HTTP/1.1', 'Host: shop', 'Content-Length: 1', 'Connection: close'];
  // One after another, so that each finds those before under way.
  for (const [index, client] of clients.entries()) {
    client.send([...head, `Cookie: ${cookie}`, '', ''].join('\r\n'));
    const isUnderWay = () => {
      const { servers } = world.rig.counters();
      return servers.reduce((all, { active }) => all + active, 0) > index;
    };
    while (!isUnderWay()) await new Promise(setImmediate);
  }
  const { servers, upstreams } = world.rig.counters();
  assert.equal(servers[from]!.active, 2, 'twice the share of one in three');
  assert.equal(upstreams[0]!.sessions.spared, 1);
  for (const client of clients) client.send('x');
  const answers = await Promise.all(clients.map(async (client) => (await client.ended()).text));
  assert.deepEqual(
    answers.map((text) => Number(text.at(-1)) === from),
    [true, true, false],
  );
  for (const text of answers) assert.doesNotMatch(text, /Set-Cookie/, 'the session stays');
  assert.equal((await world.ask(`Cookie: ${cookie}`)).from, from);
  await world.close();
});
