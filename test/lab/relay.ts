import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { seededDraw } from '../cluster/virtual-network.ts';
import { ROUTE_RELAY_PORT, TUN_PORT } from './detour.ts';

/**
 * A program: the distance between networks. The router hands packets that it forwards to a TUN device,
 * socat carries each here as a datagram, and after the latency of its way it goes back the same way and
 * on to where it was sent: whole packets, so that the kernels at both ends see the distance. Rules come
 * as a line of JSON on standard input, all of them at once; every line is answered with the numbers so far.
 *
 * Why not netem, which was made for this: it is a kernel module that many machines and most containers
 * lack, the one where this was written among them; what cannot be tried is better not there. Some
 * hundred packets a second pass, each one costs some 50 µs here.
 */

/** Ways from one network to another; the last that fits counts. */
export type Way = {
  /** Third number of the address, `10.99.N.x` or `fd00:99:N::x`; absent = any. */
  readonly from?: number;
  readonly to?: number;
  /** Last number of either address; absent = any. */
  readonly host?: number;
  readonly latencyMs: number;
  /** Up to so much is added, evenly drawn. */
  readonly jitterMs: number;
  readonly lossPercent: number;
};

export type RelayCounts = {
  readonly passed: number;
  readonly lost: number;
  /** By how much the packet that waited longest was late, since the last question. */
  readonly lateMsMax: number;
};

type Waiting = { readonly dueMs: number; readonly packet: Uint8Array };

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
/** Timers have whole milliseconds: what is due within half of one goes, so that packets are not late on average. */
const EARLY_MS = 0.5;
const SEED = Number(process.argv[2] ?? 1);

const socket = createSocket('udp4');
let ways: readonly Way[] = [];
let passed = 0;
let lost = 0;
let lateMsMax = 0;
/** A heap would be quicker; tens of packets wait at a time. */
const waiting: Waiting[] = [];
let timer: NodeJS.Timeout | undefined;
// The same losses for the same packets in the same order.
const draw = seededDraw(SEED);

socket.on('message', (packet) => {
  const way = wayOf(packet);
  if (way !== undefined && draw() * 100 < way.lossPercent) {
    lost += 1;
    return;
  }
  const delayMs = way === undefined ? 0 : way.latencyMs + draw() * way.jitterMs;
  const dueMs = performance.now() + delayMs;
  const after = waiting.findLastIndex((other) => other.dueMs <= dueMs);
  waiting.splice(after + 1, 0, { dueMs, packet });
  if (after === -1) arm();
});
socket.bind(ROUTE_RELAY_PORT, '127.0.0.1', () => process.stdout.write('ready\n'));

createInterface({ input: process.stdin }).on('line', (line) => {
  ways = JSON.parse(line);
  const counts: RelayCounts = { passed, lost, lateMsMax };
  lateMsMax = 0;
  process.stdout.write(`${JSON.stringify(counts)}\n`);
});

function arm(): void {
  clearTimeout(timer);
  const first = waiting[0];
  if (first === undefined) return;
  timer = setTimeout(release, Math.max(0, Math.floor(first.dueMs - EARLY_MS - performance.now())));
}

function release(): void {
  const nowMs = performance.now();
  while (waiting[0] !== undefined && waiting[0].dueMs - EARLY_MS <= nowMs) {
    const { dueMs, packet } = waiting.shift()!;
    lateMsMax = Math.max(lateMsMax, Math.round(nowMs - dueMs));
    passed += 1;
    socket.send(packet, TUN_PORT, '127.0.0.1');
  }
  arm();
}

function wayOf(packet: Uint8Array): Way | undefined {
  const ends = endsOf(packet);
  if (ends === undefined) return undefined;
  const { from, fromHost, to, toHost } = ends;
  return ways.findLast(
    (way) =>
      (way.from === undefined || way.from === from) &&
      (way.to === undefined || way.to === to) &&
      (way.host === undefined || way.host === fromHost || way.host === toHost),
  );
}

/** The numbers of a packet's addresses; undefined = it has none that ways are told by. */
function endsOf(packet: Uint8Array) {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= IPV4_HEADER_BYTES) {
    const [from, fromHost, to, toHost] = [packet[14], packet[15], packet[18], packet[19]];
    return { from, fromHost, to, toHost };
  }
  if (version !== 6 || packet.length < IPV6_HEADER_BYTES) return undefined;
  const group = (at: number): number => digitsOf(packet[at]! * 256 + packet[at + 1]!);
  return { from: group(12), fromHost: group(22), to: group(28), toHost: group(38) };
}

/** People write networks of both families with the same digits: `fd00:99:21::1` is in network 21. */
const digitsOf = (group: number): number => Number(group.toString(16));
