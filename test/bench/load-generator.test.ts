import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RCODE_NXDOMAIN } from '../../src/dns/constants.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import type { Workload } from './dns-workload.ts';
import { otherCodes, writeAsked } from './load.ts';
import type { LoadReport, LoadSetting } from './load-generator.ts';
import { drawNames } from './many-names.ts';
import { encodeQuery } from './query-bytes.ts';
import { createRandom } from './random.ts';

const GENERATOR = fileURLToPath(new URL('./load-generator.ts', import.meta.url));

/** A server that answers each query with itself, those whose name begins with an x with NXDOMAIN. */
async function startServer(t: TestContext) {
  const udp = createSocket('udp4');
  const seen = {
    sources: new Set<string>(),
    ports: new Set<number>(),
    clients: new Set<string>(),
    names: new Map<string, number>(),
  };
  udp.on('message', (bytes, { address, port }) => {
    const decoded = decodeMessage(bytes);
    assert.ok(decoded.ok);
    const { name } = decoded.message.question[0]!;
    seen.sources.add(address);
    seen.ports.add(port);
    seen.clients.add(`${address} ${port}`);
    seen.names.set(name, (seen.names.get(name) ?? 0) + 1);
    const reply = Buffer.from(bytes);
    reply[2] = 0x84;
    reply[3] = name.startsWith('x') ? RCODE_NXDOMAIN : 0;
    udp.send(reply, port, address);
  });
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  t.after(() => udp.close());
  return { port: udp.address().port, seen };
}

async function generate(
  t: TestContext,
  asked: Workload['asked'],
  setting: Partial<LoadSetting>,
): Promise<LoadReport> {
  const root = mkdtempSync(join(tmpdir(), 'meridian-load-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const write = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(root, name), content);
    return join(root, name);
  };
  const files = writeAsked({ write }, { name: 'test', asked });
  const all = {
    ...files,
    seconds: 0.5,
    rate: 0,
    sockets: 4,
    outstanding: 128,
    sources: 512,
    turn: 1,
  };
  const words = [
    '--disable-warning=ExperimentalWarning',
    GENERATOR,
    JSON.stringify({ ...all, ...setting }),
  ];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 0);
  return JSON.parse(output);
}

test('the load generator asks from many networks, and hears every answer', async (t) => {
  const { port, seen } = await startServer(t);
  const report = await generate(t, [encodeQuery('www.example', 'A', [])], { port });
  assert.ok(report.answered >= 512);
  assert.deepEqual([report.lost, report.codes[0]], [0, report.answered]);
  assert.equal(seen.sources.size, 512);
  assert.equal(
    new Set([...seen.sources].map((address) => address.replace(/\.\d+$/, ''))).size,
    512,
  );
  for (const address of seen.sources) assert.match(address, /^127\./);
  assert.equal(seen.ports.size, 4);
  assert.equal(seen.clients.size, 512, 'each address has one port');
  assert.deepEqual([...seen.names.keys()], ['www.example.']);
});

test('the load generator keeps to a rate', async (t) => {
  const { port } = await startServer(t);
  const asked = [encodeQuery('www.example', 'A', [])];
  const { answered, generatorShare, lost, seconds } = await generate(t, asked, {
    port,
    rate: 1000,
  });
  assert.equal(lost, 0);
  assert.ok(answered <= seconds * 1000 + 1, `${answered}`);
  assert.ok(generatorShare > 0 && generatorShare < 1, `${generatorShare}`);
});

test('the load generator fills in what was drawn, and asks for no missing name twice', async (t) => {
  const { port, seen } = await startServer(t);
  const report = await generate(t, drawNames(createRandom(5)), { port });
  const missing = [...seen.names].filter(([name]) => name.startsWith('x'));
  assert.ok(missing.length > 0);
  for (const [name, times] of missing) assert.equal(times, 1, name);
  for (const [name] of seen.names) assert.match(name, /^(n\d{5}|x[0-9a-v]{7})\.names\.example\.$/);
  assert.equal(report.codes[0]! + report.codes[RCODE_NXDOMAIN]!, report.answered);
});

test('otherCodes() tells what is not as it should be, and what is NXDOMAIN as it should', () => {
  const codes = (
    noerror: number,
    nxdomain: number,
    refused = 0,
  ): Pick<LoadReport, 'answered' | 'codes'> => {
    return { answered: noerror + nxdomain + refused, codes: [noerror, 0, 0, nxdomain, 0, refused] };
  };
  assert.equal(otherCodes(codes(1000, 0)), '');
  assert.equal(otherCodes(codes(900, 100)), 'RCODE 3: 100');
  assert.equal(otherCodes(codes(903, 97), 0.1), '10 % NXDOMAIN, as asked');
  assert.equal(otherCodes(codes(968, 32), 0.1), '**3.2 % NXDOMAIN instead of 10 % NXDOMAIN**');
  assert.equal(otherCodes(codes(900, 95, 5), 0.1), '10 % NXDOMAIN, as asked, RCODE 5: 5');
});
