import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type net from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ENGINES } from '../balancer/process.ts';
import { connectRaw, type RawClient, startRawOrigin } from '../balancer/rig.ts';
import { freePort } from '../node/free-addresses.ts';
import { startProgram } from '../node/program.ts';
import { scratchDirectory } from '../node/scratch.ts';
import { until } from '../node/until.ts';

/**
 * `meridian run` is reloaded, by signal and by API, while tunnels, uploads and downloads are open: whatever the change
 * takes out, none of them is dropped.
 */
const DEADLINE_MS = 30_000;
const WORKERS = 2;
const WEBSOCKETS = 1000;
const UPLOADS = 8;
const DOWNLOADS = 8;
const PART = 'u'.repeat(10_000);
const HOST = '127.0.0.1';
const UPGRADE = 'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

type Server = Awaited<ReturnType<typeof startServer>>;

/** Echoes in tunnels, counts uploads to their end, and sends downloads part by part when it is told. */
async function startServer(name: string) {
  const downloads: net.Socket[] = [];
  const origin = await startRawOrigin((socket, text) => {
    if (text.startsWith('POST ')) {
      if (!text.endsWith('0\r\n\r\n')) return;
      const octets = text.slice(text.indexOf('\r\n\r\n')).split('u').length - 1;
      const body = `${name} got ${octets}`;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    } else if (text.startsWith('GET /down') && text.endsWith('\r\n\r\n')) {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      downloads.push(socket);
    } else if (text.startsWith('GET /ws') && text.endsWith('\r\n\r\n')) socket.write(SWITCHED);
    else if (text.startsWith('GET /ws')) socket.write(text.at(-1)!);
    else if (text.endsWith('\r\n\r\n')) {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`);
    }
  });
  return { name, origin, downloads };
}

const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

type Balancer = Readonly<Record<string, unknown>>;

async function startNode(t: TestContext, engine: string, servers: readonly Server[]) {
  const [first, second, admin] = [await freePort(HOST), await freePort(HOST), await freePort(HOST)];
  const file = join(scratchDirectory('balancer-reload'), 'meridian.yaml');
  const write = (names: readonly number[], upstream: Balancer = {}, isWider = false): void => {
    const at = names.map((index) => `${HOST}:${servers[index]!.origin.port}`);
    const listeners = [first, ...(isWider ? [second] : [])].map((port) => {
      return { name: `at-${port}`, region: 'eu', address: HOST, port, upstream: 'web' };
    });
    const config = {
      node: { name: 'reloaded', roles: ['balancer', 'admin'], workers: { balancer: WORKERS } },
      regions: { eu: { location: 'DE' } },
      admin: { address: HOST, port: admin, tokens: [] },
      balancer: {
        engine: engine === 'portable' ? 'portable' : 'auto',
        upstreams: { web: { servers: at, algorithm: 'round-robin', ...upstream } },
        listeners,
      },
    };
    writeFileSync(file, JSON.stringify(config));
  };
  write([0, 1]);
  const program = startProgram(t, ['run', '--config', file]);
  await program.said(/node\.ready/, DEADLINE_MS);
  return { admin: `http://${HOST}:${admin}`, first: first!, second: second!, program, write };
}

/** What stays open over all reloads. */
async function openAll(port: number, servers: readonly Server[]) {
  const open = (head: string): RawClient => {
    const client = connectRaw(port);
    client.send(head);
    return client;
  };
  const tunnels = Array.from({ length: WEBSOCKETS }, () => open(UPGRADE));
  for (const tunnel of tunnels) await tunnel.until((text) => text === SWITCHED);
  const uploads = Array.from({ length: UPLOADS }, () =>
    open('POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'),
  );
  const downloads = Array.from({ length: DOWNLOADS }, () =>
    open('GET /down HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
  );
  for (const download of downloads) await download.until((text) => text.endsWith('\r\n\r\n'));
  const begun = (): boolean =>
    servers.flatMap(({ origin }) => origin.received).filter((text) => text.startsWith('POST '))
      .length === UPLOADS;
  await until(begun, DEADLINE_MS, 'all uploads have begun');
  return { tunnels, uploads, downloads };
}

type Open = Awaited<ReturnType<typeof openAll>>;

/** A bit of everything goes through. */
async function goOn(open: Open, servers: readonly Server[], mark: string): Promise<void> {
  for (const upload of open.uploads) upload.send(chunk(PART));
  for (const { downloads } of servers) for (const socket of downloads) socket.write(chunk(mark));
  for (const tunnel of open.tunnels) tunnel.send(mark);
  for (const tunnel of open.tunnels) await tunnel.until((text) => text.endsWith(mark));
  for (const download of open.downloads) {
    await download.until((text) => text.endsWith(`${mark}\r\n`));
  }
}

for (const engine of ENGINES) {
  test(`${WEBSOCKETS} tunnels, uploads and downloads live through reloads, ${engine}`, async (t) => {
    const servers = await Promise.all(['a', 'b', 'c'].map(startServer));
    t.after(() => servers.map(({ origin }) => origin.close()));
    const { admin, first, second, program, write } = await startNode(t, engine, servers);
    const serves = program.stdout().includes('sockets.without-ring') ? 'portable' : 'io_uring';
    assert.equal(serves, engine);
    const open = await openAll(first, servers);
    const held = servers.map(({ downloads }) => downloads.length);
    // Each worker goes round by itself, and the kernel says which of them a client comes to.
    assert.ok(Math.abs(held[0]! - held[1]!) <= WORKERS && held[2] === 0, held.join());
    const perServer = servers.map(({ origin }) => origin.connections());
    assert.ok(Math.min(perServer[0]!, perServer[1]!) >= WEBSOCKETS / 3, perServer.join());
    const whoAnswers = async (port: number): Promise<string> => {
      const response = await fetch(`http://${HOST}:${port}/`).catch(() => undefined);
      return (await response?.text()) ?? '';
    };
    const reload = async (): Promise<void> => {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${admin}/api/v1/reload`, { method: 'POST', headers });
      assert.equal(response.status, 200, await response.text());
    };

    await goOn(open, servers, '0');
    await t.test('the server of half of them is replaced, by signal', async () => {
      write([1, 2]);
      program.kill('SIGHUP');
      const isNew = async (): Promise<boolean> => (await whoAnswers(first)) === 'c';
      await until(isNew, DEADLINE_MS, 'the new server serves');
      await goOn(open, servers, '1');
    });
    await t.test(
      'both of their servers go, another algorithm and listener come, by API',
      async () => {
        write([2], { algorithm: 'maglev' }, true);
        await reload();
        await until(async () => (await whoAnswers(second)) === 'c', DEADLINE_MS, 'it listens');
        assert.equal(await whoAnswers(first), 'c');
        await goOn(open, servers, '2');
      },
    );
    await t.test('a listener goes, the servers come back, by signal', async () => {
      write([0, 1]);
      program.kill('SIGHUP');
      const isOld = async (): Promise<boolean> => /^[ab]$/.test(await whoAnswers(first));
      await until(isOld, DEADLINE_MS, 'the first servers serve again');
      await goOn(open, servers, '3');
    });

    for (const upload of open.uploads) {
      upload.send('0\r\n\r\n');
      await upload.until((text) => text.endsWith(` got ${4 * PART.length}`));
    }
    for (const { downloads } of servers) for (const socket of downloads) socket.end('0\r\n\r\n');
    for (const download of open.downloads) {
      const { reset, text } = await download.ended();
      assert.ok(!reset && text.endsWith(`${['0', '1', '2', '3'].map(chunk).join('')}0\r\n\r\n`));
    }
    for (const { socket } of [...open.tunnels, ...open.uploads]) socket.destroy();
    program.kill('SIGTERM');
    assert.deepEqual(await program.exited, { code: 0, signal: null });
  });
}
