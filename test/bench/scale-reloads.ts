/** Reloads of one zone among many: when each is served, how long queries wait meanwhile, what memory is left. */
import { createSocket } from 'node:dgram';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { writeQuery } from '../node/dns-client.ts';
import { processCpuSeconds } from './cpu.ts';
import { ZONE_RRSETS, zoneText } from './scale-inputs.ts';
import {
  mebibytes,
  memoryOf,
  type ScaleNode,
  SETTLE_MS,
  startNode,
  stopNode,
} from './scale-node.ts';
import type { Scratch } from './scratch.ts';

/** Queries without reloads, to compare. */
const QUIET_MS = 1000;
/** Between an answer and the next question. */
const PAUSE_MS = 1;
const CHANGES_PER_ADDRESS = 100;

export const RELOAD_HEAD = [
  'reload of one zone among',
  'served after, min / median / 99 % / max',
  'CPU time of each',
  'longest wait of a query meanwhile',
  'resident memory before / after / peak',
];

/**
 * A row of so many reloads of one zone.
 * @param folder with all zones in its folder `zones`
 */
export async function measureReloads(
  scratch: Scratch,
  zones: number,
  folder: string,
  more: object,
  reloads: number,
): Promise<readonly string[]> {
  const node = await startNode(scratch, folder, more, ['nameserver', 'admin']);
  await delay(SETTLE_MS);
  const zone = `z${Math.floor(zones / 2)}.example`;
  const quiet = askSteadily(node.port, `www.${zone}`);
  await delay(QUIET_MS);
  const quietMs = await quiet.stop();
  const before = memoryOf(node);
  const cpuBefore = processCpuSeconds(node.child.pid);
  const asker = askSteadily(node.port, `www.${zone}`);
  const times: number[] = [];
  for (let round = 0; round < reloads; round += 1) {
    const address = `203.0.${113 + (round >> 8)}.${round & 255}`;
    const file = join(folder, 'zones', `${zone}.zone`);
    scratch.write(file, zoneText(zone, ZONE_RRSETS, address));
    times.push(await reload(node, zone, round));
  }
  const cpuSeconds = processCpuSeconds(node.child.pid) - cpuBefore;
  const longestMs = await asker.stop();
  await delay(SETTLE_MS);
  const after = memoryOf(node);
  await stopNode(node);
  const row = [
    `${zones} zones, ${reloads} times`,
    `${spread(times)} ms`,
    `${((cpuSeconds * 1000) / reloads).toFixed(0)} ms`,
    `${longestMs.toFixed(1)} ms (before: ${quietMs.toFixed(1)} ms)`,
    [before.resident, after.resident, after.peak].map(mebibytes).join(' / '),
  ];
  process.stdout.write(`${row.join('  ')}\n`);
  return row;
}

/** Milliseconds until every worker serves what the zone's file says now. */
async function reload({ api }: ScaleNode, zone: string, round: number): Promise<number> {
  // The API bounds what one address may change in a minute.
  const localAddress = `127.0.1.${1 + Math.floor(round / CHANGES_PER_ADDRESS)}`;
  const headers = { 'content-type': 'application/json' };
  const { promise, reject, resolve } = Promise.withResolvers<IncomingMessage>();
  const began = performance.now();
  request(`${api}/api/v1/reload`, { method: 'POST', headers, localAddress }, resolve)
    .on('error', reject)
    .end(JSON.stringify({ zone }));
  const body = await text(await promise);
  const elapsedMs = performance.now() - began;
  const { changes = [] } = JSON.parse(body) as { changes?: readonly string[] };
  if (changes.length !== 1) throw new Error(`it was not reloaded: ${body}`);
  return elapsedMs;
}

function spread(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))]!;
  return [at(0), at(0.5), at(0.99), at(1)].map((ms) => ms.toFixed(0)).join(' / ');
}

/** Asks one question after the other, seldom enough that it is no load; tells the longest that one took. */
function askSteadily(port: number, name: string): { stop(): Promise<number> } {
  const socket = createSocket('udp4');
  const question = writeQuery(1, { name });
  let [longestMs, askedAt] = [0, 0];
  let isOver = false;
  const { promise, resolve } = Promise.withResolvers<number>();
  const next = (): void => {
    askedAt = performance.now();
    socket.send(question, port, '127.0.0.1');
  };
  socket.on('message', () => {
    longestMs = Math.max(longestMs, performance.now() - askedAt);
    if (!isOver) {
      setTimeout(next, PAUSE_MS);
      return;
    }
    socket.close();
    resolve(longestMs);
  });
  next();
  return {
    stop() {
      isOver = true;
      return promise;
    },
  };
}
