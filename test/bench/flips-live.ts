/** Real UDP workers under full load: how long after a change of health the first query is answered by it. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { DOWN } from '../../src/health/health-word.ts';
import { openSyscalls } from '../../src/io/syscall.ts';
import { mapAt } from '../../src/nameserver/map-table.ts';
import { servicesOf } from '../../src/nameserver/services.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { openDnsWorkers } from '../../src/workers/dns-workers.ts';
import { createSigner } from '../../src/workers/signer.ts';
import { createConfig, healthOf, queryBytes } from '../nameserver/fixture.ts';
import { freePort } from '../node/free-addresses.ts';
import { chooseCores } from './dns-drive.ts';
import { queriesOf, ZONE } from './flips-world.ts';
import { runLoad } from './load.ts';
import { streamOf } from './query-bytes.ts';
import type { Scratch } from './scratch.ts';

const UP_WORD = 60;
const PAUSE_MS = 20;
const ANSWER_TIMEOUT_MS = 1000;
/** Its pool has the policy `ordered`: the first endpoint answers, when it is up. */
const WATCHED_POLICY = 'ordered';

/** What came of it, in words. */
export async function measureLive(
  snapshot: Snapshot,
  scratch: Scratch,
  seconds: number,
  names: number,
): Promise<string> {
  const calls = openSyscalls();
  if (!calls.ok) return 'not measured: no node:ffi on Linux here';
  const port = await freePort();
  const tell = (...words: readonly unknown[]): void =>
    void process.stderr.write(`${words.join(' ')}\n`);
  const voice = {
    log: {
      error: (_event: string, message: string, fields: unknown) =>
        tell(message, JSON.stringify(fields)),
    },
    record: (_kind: string, _subject: string, message: string) => tell(message),
  };
  const file = (name: string): URL => new URL(`../../src/${name}.ts`, import.meta.url);
  const health = healthOf(new Uint32Array(snapshot.endpoints.length).fill(UP_WORD));
  const opened = openDnsWorkers({
    ...voice,
    syscalls: calls.calls,
    hasBatches: true,
    dns: { ...createConfig().dns, listeners: [{ address: '127.0.0.1', port, protocol: 'dns' }] },
    count: 1,
    udpFile: file('udp-worker'),
    streamFile: file('stream-worker'),
    tapFile: file('dnstap-worker'),
    snapshot,
    health,
    signer: createSigner(file('signer-worker'), voice),
    certificates: [],
  });
  if (!opened.ok) throw new Error(opened.problems[0]?.message);
  const { workers } = opened;
  const problem = await workers.ready;
  if (problem !== undefined) throw new Error(problem.message);
  const stream = scratch.write('flips.queries', streamOf(queriesOf(names)));
  const [, core] = chooseCores();
  const setting = { port, file: stream, rate: 0, cores: [core] };
  await runLoad(scratch, { ...setting, seconds: 2 });
  const quiet = await runLoad(scratch, { ...setting, seconds });
  let isOver = false;
  const driven = runLoad(scratch, { ...setting, seconds }).finally(() => {
    isOver = true;
  });
  const waits = await flipAlong(snapshot, port, workers.publishHealth, () => isOver);
  const flipped = await driven;
  await workers.stop();
  const sorted = waits.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!.toFixed(1);
  const load = ({ answered, p50, p99, p999, lost }: typeof quiet) =>
    `${Math.round(answered / seconds / 1000)}k/s, p50 / p99 / p99.9 ${Math.round(p50)} / ${Math.round(p99)} / ${Math.round(p999)} µs, ${lost} lost`;
  return `${load(quiet)} without changes; ${load(flipped)} with ${waits.length} losses and returns of a region meanwhile, first answered by in ${at(0.5)} / ${at(0.99)} / ${at(1)} ms (median / 99 % / max)`;
}

/** A region goes and returns until it is over; returns how long each took to be answered by, in ms. */
async function flipAlong(
  { endpoints, generation, maps, services }: Snapshot,
  port: number,
  publish: (generation: number, health: ReturnType<typeof healthOf>) => void,
  isOver: () => boolean,
): Promise<readonly number[]> {
  const all = [...servicesOf(services)];
  const name = all.findIndex(({ policy }) => policy === WATCHED_POLICY);
  const [first, second] = mapAt(maps, all[name]!.map).candidates.map((at) => endpoints[at]!);
  const query = queryBytes(`n${name}.${ZONE}`, 'A', { edns: true });
  const socket = createSocket('udp4');
  const waits: number[] = [];
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  for (let turn = 0; !isOver(); turn += 1) {
    const isDown = turn % 2 === 0;
    const words = Uint32Array.from(endpoints, ({ region }) =>
      isDown && region === first!.region ? DOWN : UP_WORD,
    );
    const expected = (isDown ? second! : first!).v4[0]!;
    const startMs = performance.now();
    publish(generation, healthOf(words));
    await answeredBy(socket, query, expected);
    waits.push(performance.now() - startMs);
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
  socket.close();
  return waits;
}

/** Asks again and again until the answer ends with the address, before its OPT record of 11 octets. */
async function answeredBy(
  socket: ReturnType<typeof createSocket>,
  query: Uint8Array,
  address: Uint8Array,
): Promise<void> {
  for (;;) {
    socket.send(query);
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const [reply] = (await once(socket, 'message', { signal })) as [Buffer];
    if (reply.subarray(-11 - address.length, -11).equals(address)) return;
  }
}
