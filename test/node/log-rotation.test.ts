import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connectRaw, talk } from '../balancer/rig.ts';
import { closedPort } from '../closed-port.ts';
import { startLiveOrigin } from './live-origin.ts';
import { type Program, startProgram } from './program.ts';
import { scratchDirectory } from './scratch.ts';
import { until } from './until.ts';

/** The access log of a real node with two balancer workers while its file is renamed, as logrotate does. */
const DEADLINE_MS = 20_000;
const CLIENTS = 8;
const ROTATIONS = 4;

test('no line is lost or split while the file is renamed, with SIGUSR2 and without', async (t) => {
  const { file, port, program } = await startNode(t);
  let isOver = false;
  const asked: string[] = [];
  const clients = Array.from({ length: CLIENTS }, async (_, index) => {
    const client = connectRaw(port);
    for (let request = 1; !isOver; request += 1) {
      const path = `/${index}-${request}`;
      asked.push(path);
      client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nX-Padding: ${'x'.repeat(500)}\r\n\r\n`);
      await client.until((text) => text.split('web 0').length > request);
    }
    client.socket.destroy();
  });
  const pieces: string[] = [];
  for (let rotation = 1; rotation <= ROTATIONS; rotation += 1) {
    await until(() => textOf(file) !== '', DEADLINE_MS, `lines in the file ${rotation}`);
    const piece = `${file}.${rotation}`;
    renameSync(file, piece);
    pieces.push(piece);
    // Every second time nobody says so.
    if (rotation % 2 === 0) program.kill('SIGUSR2');
  }
  isOver = true;
  await Promise.all(clients);
  program.kill('SIGTERM');
  assert.deepEqual(await program.exited, { code: 0, signal: null });
  const all = [...pieces, file].map(textOf);
  for (const text of all) assert.ok(text === '' || text.endsWith('\n'));
  const targets = all.flatMap((text) =>
    text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line).target as string])),
  );
  assert.equal(targets.length, asked.length);
  assert.deepEqual(targets.toSorted(), asked.toSorted());
  t.diagnostic(`${asked.length} lines in ${all.length} files`);
});

test('SIGUSR2 lets go of a renamed file although no line comes; SIGUSR1 does nothing', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc');
  const { file, port, program } = await startNode(t);
  program.kill('SIGUSR1');
  await talk(port, 'GET /one HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await until(() => textOf(file) !== '', DEADLINE_MS, 'the line');
  renameSync(file, `${file}.1`);
  assert.ok(openFiles(program).includes(`${file}.1`));
  program.kill('SIGUSR2');
  await until(() => openFiles(program).includes(file), DEADLINE_MS, 'the new file is open');
  await until(() => !openFiles(program).includes(`${file}.1`), DEADLINE_MS, 'the old one is not');
  assert.equal(textOf(file), '');
  assert.ok(program.isRunning());
});

async function startNode(t: TestContext) {
  const origin = await startLiveOrigin(t, 'web');
  const folder = scratchDirectory('log-rotation');
  const [file, port] = [join(folder, 'access.log'), await closedPort()];
  const config = {
    node: { name: 'n', roles: ['balancer'], workers: { balancer: 2 } },
    regions: { r: { location: 'DE', vips: ['127.0.0.1'] } },
    balancer: {
      accessLog: { file },
      upstreams: { b: { servers: [origin.at] } },
      listeners: [{ region: 'r', address: '127.0.0.1', port, upstream: 'b' }],
    },
  };
  const path = join(folder, 'meridian.json');
  writeFileSync(path, JSON.stringify(config));
  const program = startProgram(t, ['run', '--config', path]);
  await program.said(/node\.ready/);
  return { file, port, program };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function openFiles({ pid }: Program): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(join(folder, fd))];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
}
