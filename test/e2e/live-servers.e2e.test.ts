import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ServerChange } from '../../src/control/control-plane.ts';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import { startLiveOrigin } from '../node/live-origin.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';

/** Servers come, go and drain under connections that stay. */
const DEADLINE_MS = 20_000;
const UPLOAD_OCTETS = 300_000;

type Place = { readonly address: string; readonly port: number };

/** A client's connection: everything in text, one octet a character. */
function openClient(t: TestContext, { address, port }: Place) {
  const socket: Socket = connect({ host: address, port });
  let text = '';
  let isOver = false;
  socket.setEncoding('latin1');
  socket.on('data', (more: string) => {
    text += more;
  });
  socket.on('close', () => {
    isOver = true;
  });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  return {
    send: (words: string) => void socket.write(words, 'latin1'),
    isOver: () => isOver,
    /** What has come when it ends so. */
    async until(end: RegExp): Promise<string> {
      await until(
        () => end.test(text),
        DEADLINE_MS,
        () => `${end} in ${JSON.stringify(text)}, ${isOver ? 'closed' : 'open'}`,
      );
      const got = text;
      text = '';
      return got;
    },
  };
}

/** Waits until requests go to these servers and no others: workers hear of a change soon, not at once. */
async function untilSeen({ address, port }: Place, names: string): Promise<void> {
  let last = '';
  const look = async (): Promise<boolean> => {
    const seen = new Set<string>();
    for (let times = 0; times < 8; times += 1) {
      seen.add((await (await fetch(`http://${address}:${port}/`)).text()).slice(0, 1));
    }
    last = [...seen].toSorted().join('');
    return last === names;
  };
  await until(look, DEADLINE_MS, () => `requests go to ${names}; they go to ${last}`);
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const UPGRADE = 'GET /t HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n';
const UPLOAD = `POST /u HTTP/1.1\r\nHost: x\r\nContent-Length: ${UPLOAD_OCTETS}\r\n\r\n`;

async function places(): Promise<{ readonly vip: Place; readonly admin: Place }> {
  const address = loopbackAddress();
  return {
    vip: { address, port: await freePort(address) },
    admin: { address, port: await freePort(address) },
  };
}

const configOf = (
  { admin, vip }: Awaited<ReturnType<typeof places>>,
  servers: readonly string[],
  more: { readonly engine?: string; readonly directory?: string } = {},
) => ({
  node: {
    ...{ name: 'lb', roles: ['balancer', 'admin'] },
    ...(more.directory === undefined ? {} : { stateDirectory: more.directory }),
  },
  // It is reached from here only; another address than 127.0.0.1 needs a token.
  admin: { ...admin, tokens: [TOKEN] },
  regions: { here: { location: { latitude: 0, longitude: 0 }, vips: [vip.address] } },
  balancer: {
    engine: more.engine ?? 'auto',
    upstreams: { web: { algorithm: 'round-robin', servers } },
    listeners: [{ region: 'here', ...vip, upstream: 'web' }],
  },
});
const TOKEN = 'a-token-of-some-length';

for (const engine of ['auto', 'portable']) {
  test(`a reload with other servers keeps tunnels, uploads and connections (${engine})`, async (t) => {
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => startLiveOrigin(t, name)));
    const at = await places();
    const { file, node, stop } = await startNodeFixture(configOf(at, [a!.at, b!.at], { engine }));
    t.after(stop);
    const reload = async (...servers: string[]): Promise<void> => {
      writeFileSync(file, JSON.stringify(configOf(at, servers, { engine })));
      assert.ok((await node.plane.reload('test')).ok);
    };
    const client = () => openClient(t, at.vip);
    const [tunnel, upload, keptAlive] = [client(), client(), client()];
    tunnel.send(UPGRADE);
    await tunnel.until(/\r\n\r\n[ab]\n$/);
    tunnel.send('before');
    await tunnel.until(/before$/);
    upload.send(`${UPLOAD}${'x'.repeat(UPLOAD_OCTETS / 3)}`);
    keptAlive.send(GET);
    await keptAlive.until(/[ab] 0$/);

    await reload(c!.at);
    await untilSeen(at.vip, 'c');
    tunnel.send('after');
    await tunnel.until(/after$/);
    upload.send('x'.repeat((UPLOAD_OCTETS / 3) * 2));
    assert.match(await upload.until(/ \d{2,}$/), /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n[ab] 300000$/);
    keptAlive.send(GET);
    assert.match(await keptAlive.until(/[abc] 0$/), /c 0$/, 'the same connection, a new server');

    const before = c!.connections();
    await reload(c!.at, a!.at);
    await untilSeen(at.vip, 'ac');
    for (let times = 0; times < 6; times += 1) {
      keptAlive.send(GET);
      await keptAlive.until(/[ac] 0$/);
    }
    assert.equal(c!.connections(), before, 'connections to a server that stays are kept');
    tunnel.send('still');
    await tunnel.until(/still$/);
    assert.ok(![tunnel, upload, keptAlive].some(({ isOver }) => isOver()));
    const status = node.plane.balancers()[0]?.servers.map(({ name }) => name);
    assert.deepEqual(status, [c!.at, a!.at]);
  });
}

test('people add, drain, rest and remove servers of a running node, and it remembers', async (t) => {
  const [a, b] = await Promise.all(['a', 'b'].map((name) => startLiveOrigin(t, name)));
  const directory = mkdtempSync(join(tmpdir(), 'meridian-servers-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const at = await places();
  const config = configOf(at, [a!.at], { directory });
  const first = await startNodeFixture(config);
  t.after(first.stop);
  const call = async (method: string, path: string, body?: object) => {
    const response = await fetch(
      `http://${at.admin.address}:${at.admin.port}/api/v1/balancers/web/servers${path}`,
      {
        method,
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      },
    );
    const answer = (await response.json()) as Partial<ServerChange> & { readonly code?: string };
    return { status: response.status, ...answer };
  };
  const seen = (names: string) => untilSeen(at.vip, names);
  await seen('a');
  assert.equal((await call('POST', '', { server: b!.at })).status, 200);
  await seen('ab');

  const tunnel = openClient(t, at.vip);
  tunnel.send(UPGRADE);
  const own = (await tunnel.until(/\r\n\r\n[ab]\n$/)).at(-2);
  const [drained, other] = own === 'a' ? [a!, b!] : [b!, a!];
  for (const mode of ['drain', 'maintenance']) {
    const change = await call('PATCH', `/${drained.at}`, { mode, reason: 'disk' });
    assert.deepEqual([change.status, change.mode], [200, mode]);
    await seen(other.name);
    tunnel.send(mode);
    await tunnel.until(new RegExp(`${mode}$`));
  }
  assert.equal((await call('PATCH', `/${other.at}`, { weight: 0 })).code, 'no-usable-server');
  assert.equal((await first.node.plane.reload('test')).ok, true);
  await seen(other.name);
  await first.stop();

  const second = await startNodeFixture(config);
  t.after(second.stop);
  const modes = second.node.plane.balancers()[0]?.servers.map(({ mode, name }) => [name, mode]);
  assert.deepEqual(
    new Map(modes as [string, string][]),
    new Map([
      [drained.at, 'maintenance'],
      [other.at, 'ready'],
    ]),
  );
  await seen(other.name);
  assert.equal((await call('PATCH', `/${drained.at}`, { mode: 'ready' })).status, 200);
  await seen('ab');
  assert.equal((await call('DELETE', `/${b!.at}`)).isThere, false);
  await seen('a');
  const kinds = (await second.node.plane.events('', 100)).map(({ kind }) => kind);
  assert.ok(kinds.includes('server.ready') && kinds.includes('server.removed'), kinds.join());
});
