import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import {
  connectRaw,
  type RawClient,
  type RawOrigin,
  type Rig,
  type RigOptions,
  startRawOrigin,
  startRig,
} from './rig.ts';

/** Two servers that can be slow, before which slow requests are hedged. */

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
export const DELAY_MS = 40;
/** So many answers make a quantile (resilience/latency-quantile.ts). */
export const ANSWERS_MIN = 100;

export const requestOf = (method: string, fields = '', body = ''): string =>
  `${method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields}${body === '' ? '' : `Content-Length: ${body.length}\r\n`}\r\n${body}`;
export const GET = requestOf('GET');

/** A server that answers at once, until it is told to hold: then it is asked, and says nothing by itself. */
export type Held = RawOrigin & {
  holding: boolean;
  /** Requests that were held, oldest first, with their sockets. */
  readonly asked: { readonly socket: Socket; readonly text: string }[];
  /** Connections that the balancer has ended under a held request. */
  lost: number;
};

export async function startHeld(): Promise<Held> {
  const asked: Held['asked'] = [];
  const origin = await startRawOrigin((socket, text) => {
    const last = text.slice(Math.max(0, text.lastIndexOf('/ HTTP/1.1') - 5));
    const length = Number(/Content-Length: (\d+)/.exec(last)?.[1] ?? 0);
    const at = last.indexOf('\r\n\r\n');
    if (at < 0 || last.length < at + 4 + length) return;
    if (!held.holding) {
      socket.write(OK);
      return;
    }
    asked.push({ socket, text: last });
    socket.once('error', () => {});
    socket.once('close', () => {
      held.lost += 1;
    });
  });
  const held: Held = Object.assign(origin, { holding: false, asked, lost: 0 });
  return held;
}

/** Two servers in turn, the times of whose route are known. */
export async function startPair(options: Partial<RigOptions> = {}) {
  const [first, second] = [await startHeld(), await startHeld()];
  const rig = await startRig({
    servers: [first.port, second.port],
    ...options,
    upstream: { hedging: { quantile: 0.95, leastMs: DELAY_MS }, ...options.upstream },
  });
  const client = connectRaw(rig.port);
  for (let count = 1; count <= ANSWERS_MIN; count += 1) {
    client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.until((text) => text.split('200 OK').length > count);
  }
  client.socket.destroy();
  first.holding = second.holding = true;
  return { rig, first, second };
}
export type Pair = Awaited<ReturnType<typeof startPair>>;

export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}
export const asking = ({ rig }: { rig: Rig }, request: string): RawClient => {
  const client = connectRaw(rig.port);
  client.send(request);
  return client;
};
export const askedOf = ({ first, second }: Pair): number =>
  first.asked.length + second.asked.length;

/** A request that one server has and is slow with. @returns it, and the other */
export async function makeSlow(pair: Pair): Promise<readonly [Held, Held]> {
  await eventually(() => askedOf(pair) === 1);
  const { first, second } = pair;
  return first.asked.length === 1 ? [first, second] : [second, first];
}

/** A request that both have, the one that was slow with it and the one that was asked then. */
export async function makeHedged(pair: Pair) {
  const client = asking(pair, GET);
  const [slow, fast] = await makeSlow(pair);
  pair.rig.pass(DELAY_MS);
  await eventually(() => fast.asked.length === 1);
  return { client, slow, fast };
}

export async function endPair({ rig, first, second }: Pair): Promise<void> {
  await eventually(() => rig.counters().servers.every(({ active }) => active === 0));
  await rig.close();
  first.close();
  second.close();
}
export const sumOf = (rig: Rig, key: 'hedges' | 'hedgesWon' | 'retries' | 'failures'): number =>
  rig.counters().servers.reduce((sum, each) => sum + each[key], 0);

/** Over a long time, whatever the request waits for. */
export async function assertNeverHedged(
  request: string,
  options: Partial<RigOptions>,
): Promise<void> {
  const pair = await startPair(options);
  const client = asking(pair, request);
  const [slow] = await makeSlow(pair);
  for (let tick = 0; tick < 10; tick += 1) pair.rig.pass(DELAY_MS);
  assert.equal(sumOf(pair.rig, 'hedges'), 0);
  assert.equal(askedOf(pair), 1);
  slow.asked[0]!.socket.write(OK.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  slow.asked[0]!.socket.end();
  await client.until((text) => text.endsWith('ok'));
  client.socket.destroy();
  await endPair(pair);
}
