import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { Config, PoolConfig } from '../../src/config/config.ts';
import { DOWN } from '../../src/health/health-word.ts';
import { openSyscalls } from '../../src/io/syscall.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { openDnsWorkers } from '../../src/workers/dns-workers.ts';
import { createSigner } from '../../src/workers/signer.ts';
import {
  allUp,
  compiled,
  createConfig,
  decode,
  healthOf,
  queryBytes,
  UP,
  WEB_POOL,
} from '../nameserver/fixture.ts';
import { createVoice } from './voice.ts';

/**
 * Real workers, asked without a break while one snapshot follows the other. In each a name has another pool, a
 * pool other endpoints, and both other places in the tables; an address says of which snapshot and pool it is.
 * So an answer that is of two snapshots shows, and one of a snapshot that should be gone.
 */
const POOLS = 7;
const NAMES = 300;
const GENERATIONS = 12;
/** Multiples of this are names of every snapshot: others come and go. */
const COMMON = 60;
const DEADLINE_MS = 20_000;

function snapshotOf(generation: number): Snapshot {
  const base = createConfig();
  const zone = base.zones['gslb.example']!;
  const pool = (number: number): PoolConfig => ({
    ...WEB_POOL,
    sorry: [],
    endpoints: [
      { region: 'us', weight: 1, addresses: [`10.${generation}.${number}.1`] },
      { region: 'eu', weight: 1, addresses: [`10.${generation}.${number}.2`] },
    ],
  });
  const rotated = Array.from({ length: POOLS }, (_, at) => (at + generation) % POOLS);
  const steered = Array.from({ length: NAMES }, (_, at) => {
    const number = (at * generation) % NAMES;
    const owner = `n${number}.gslb.example.`;
    return {
      owner,
      pool: `p${poolOf(number, generation)}`,
      policy: 'ordered',
      ttlMin: 5,
      ttlMax: 30,
    };
  });
  const distinct = new Map(steered.map((each) => [each.owner, each]));
  const config: Config = {
    ...base,
    pools: Object.fromEntries(rotated.map((number) => [`p${number}`, pool(number)])),
    policies: { ordered: { chain: ['healthy', 'failover', 'first'].map(stepOf) } },
    zones: { 'gslb.example': { ...zone, rrsets: [], steered: [...distinct.values()] } },
  };
  return compiled(config, generation);
}
const stepOf = (kind: string) => ({ kind, options: {} });
const poolOf = (name: number, generation: number): number => (name + generation) % POOLS;

test('queries are answered by a snapshot or by the next one, wholly, while they are swapped', async (t) => {
  const { address, workers } = await open(t);
  const asker = await openAsker(t, address.port);
  let [posted, settled, isOver, asked] = [1, 1, false, 0];
  const asking = (async () => {
    for (; !isOver; asked += 1) {
      const oldest = settled;
      const name = (asked * COMMON) % NAMES;
      const answer = await asker.ask(name);
      const [generation, pool] = answer;
      assert.ok(generation >= oldest && generation <= posted, `${answer} in ${oldest}..${posted}`);
      assert.equal(pool, poolOf(name, generation), `n${name}: ${answer}`);
    }
  })();
  for (let generation = 2; generation <= GENERATIONS; generation += 1) {
    posted = generation;
    const snapshot = snapshotOf(generation);
    const before = asked;
    const published = workers.publish(snapshot, healthOf(allUp(snapshot)));
    // Words of the next one come right behind it, before any worker has it.
    workers.publishHealth(generation, healthOf(firstDown(snapshot)));
    await published;
    settled = generation;
    while (asked === before) await asker.next();
  }
  isOver = true;
  await asking;
  for (let name = 0; name < NAMES; name += GENERATIONS) {
    const [generation, pool, endpoint] = await asker.ask(name);
    assert.deepEqual([generation, pool], [GENERATIONS, poolOf(name, GENERATIONS)], `n${name}`);
    assert.equal(endpoint, 2, 'the words are of the snapshot that they came behind');
  }
});

test('a worker that dies with a snapshot on its way is followed by one that serves it', async (t) => {
  const { address, workers } = await open(t);
  const asker = await openAsker(t, address.port);
  const snapshot = snapshotOf(2);
  const published = workers.publish(snapshot, healthOf(allUp(snapshot)));
  await workers.threads()[0]!.kill();
  await published;
  assert.deepEqual(await asker.ask(0), [2, poolOf(0, 2), 1]);
});

function firstDown({ endpoints }: Snapshot): Uint32Array {
  return Uint32Array.from(endpoints, ({ region }) => (region === 'us' ? DOWN : UP));
}

async function open(t: TestContext) {
  const voice = createVoice();
  const calls = openSyscalls();
  const snapshot = snapshotOf(1);
  const file = (name: string): URL => new URL(`../../src/${name}.ts`, import.meta.url);
  const opened = openDnsWorkers({
    ...voice,
    syscalls: calls.ok ? calls.calls : undefined,
    hasBatches: calls.ok,
    dns: {
      ...createConfig().dns,
      listeners: [{ address: '127.0.0.1', port: 0, protocol: 'dns' }],
    },
    count: 1,
    udpFile: file('udp-worker'),
    streamFile: file('stream-worker'),
    tapFile: file('dnstap-worker'),
    snapshot,
    health: healthOf(allUp(snapshot)),
    signer: createSigner(file('signer-worker'), voice),
    certificates: [],
  });
  assert.ok(opened.ok);
  const { workers } = opened;
  t.after(workers.stop);
  assert.equal(await workers.ready, undefined);
  return { workers, address: workers.listeners[0]! };
}

/** One question after the other. The answer: generation, pool and endpoint that its address tells. */
async function openAsker(t: TestContext, port: number) {
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const next = async (): Promise<Buffer> => {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const [reply] = (await once(socket, 'message', { signal })) as [Buffer];
    return reply;
  };
  return {
    next,
    async ask(name: number): Promise<readonly [number, number, number]> {
      const reply = next();
      socket.send(queryBytes(`n${name}.gslb.example`, 'A'));
      const { data, rcode } = decode(await reply);
      assert.equal(rcode, 'NOERROR');
      assert.equal(data.length, 1);
      const [, generation, pool, endpoint] = data[0]!.split('.').map(Number);
      return [generation!, pool!, endpoint!];
    },
  };
}
