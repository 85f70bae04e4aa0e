/**
 * A load generator for DNS over UDP that costs less than what it drives: queries go out by the batch and answers come
 * in by the batch, from many ports and addresses, over the calls that the server uses. It is a program of its own, so
 * that it can have a core of its own:
 *
 *   node load-generator.ts '{"port":5300,"file":"queries","seconds":4,"rate":0,"sockets":16,"outstanding":128,
 *     "sources":4096,"turn":0}'
 *
 * With `rate` 0 as many queries are under way as `outstanding` says, and each answer lets another one go. Else
 * so many go each second, answered or not. It prints one line of JSON (LoadReport).
 */
import { readFileSync } from 'node:fs';
import {
  type BatchCalls,
  MSG_DONTWAIT,
  openBatchCalls,
  openSyscalls,
} from '../../src/io/syscall.ts';
import { LOOPBACK, type Loopback } from './dns-agreement.ts';
import type { Form } from './drawn-queries.ts';
import { createLatencies } from './latencies.ts';
import {
  type Asking,
  BATCH,
  COUNTS,
  createMail,
  loadDraws,
  loadQueries,
  type Mail,
  sourcesOf,
  splitStream,
} from './query-mail.ts';

export type LoadSetting = {
  readonly port: number;
  /** Of the server; 127.0.0.1 unless said. There is one address only that queries can come from over IPv6. */
  readonly address?: Loopback;
  /** Length-prefixed messages, as on a TCP stream. */
  readonly file: string;
  /** When they are forms: a file of draws, and what is filled in where. */
  readonly draws?: { readonly file: string; readonly fills: readonly Omit<Form, 'query'>[] };
  /** Of how many loads this is one: letters that no other query has are others in each. */
  readonly turn: number;
  /** Addresses that queries come from, each in a network of its own; as many of them for each socket. */
  readonly sources: number;
  readonly seconds: number;
  readonly rate: number;
  readonly sockets: number;
  readonly outstanding: number;
};

export type LoadReport = {
  readonly answered: number;
  /** Not answered within LOST_MS. */
  readonly lost: number;
  /** Answers by RCODE. */
  readonly codes: readonly number[];
  readonly seconds: number;
  /** From the sending of a batch to the receipt of another one, in microseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /**
   * Share of its core that the generator took; for the one that spins, of its time in which it sent or received
   * something. It is an upper bound: who waits for a slow server sends and receives little at a time.
   */
  readonly generatorShare: number;
};

const LOST_MS = 1000;
const FREE = -1;
const ANY = new Uint8Array(4);
const ANY6 = new Uint8Array(16);
/** Serial numbers of one load: more names that do not exist than are asked for in it. */
const TURN_SERIALS = 2 ** 24;

if (process.argv[2] !== undefined) {
  const report = generate(JSON.parse(process.argv[2]) as LoadSetting);
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function generate(setting: LoadSetting): LoadReport {
  const { address = LOOPBACK, outstanding, port, rate, seconds, sockets, sources } = setting;
  const family = address === LOOPBACK ? 4 : 6;
  const found = openSyscalls();
  const opened = openBatchCalls();
  if (!found.ok || !opened.ok) throw new Error('this load generator runs on Linux with node:ffi');
  const { calls } = opened;
  const perSocket = Math.max(1, Math.floor(outstanding / sockets));
  const mail = createMail(calls, askingOf(calls, setting), port, family);
  const latencies = createLatencies();
  const clients = Array.from({ length: sockets }, (_, index) => {
    const descriptor = found.calls.udpSocket(family === 4 ? ANY : ANY6, 0, false);
    found.calls.sendWhole(descriptor, family);
    const fd = BigInt(descriptor);
    // Each address has one port: of what the kernel keeps by both, no more is touched than clients would.
    const share = Math.floor(sources / sockets);
    const own = { sources: sourcesOf(index * share, share), nextSource: 0 };
    return { ...own, fd, sentAtMs: new Float64Array(perSocket).fill(FREE), next: 0 };
  });
  const totals = { answered: 0, lost: 0 };
  const codes = new Float64Array(16);
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  let sent = 0;
  let ready = 0;
  let idleMs = 0;
  let nowMs = startMs;
  for (let first = 0; nowMs < endMs; first += 1) {
    for (let turn = 0; turn < sockets; turn += 1) {
      // At a low rate whoever is first sends what is due.
      const client = clients[(first + turn) % sockets]!;
      const { fd, sentAtMs } = client;
      const count = calls.receive(fd, mail.receiveFrom, COUNTS[BATCH]!, MSG_DONTWAIT, 0n);
      const beforeMs = nowMs;
      nowMs = performance.now();
      if (count <= 0 && ready === 0) idleMs += nowMs - beforeMs;
      for (let index = 0; index < count; index += 1) {
        const slot = mail.slotOf(index);
        const since = slot < perSocket ? sentAtMs[slot]! : FREE;
        if (since === FREE) continue;
        sentAtMs[slot] = FREE;
        totals.answered += 1;
        const code = mail.rcodeOf(index);
        codes[code] = codes[code]! + 1;
        latencies.add((nowMs - since) * 1000);
      }
      const due = rate === 0 ? BATCH : ((nowMs - startMs) / 1000) * rate - sent;
      ready = sendDue(calls, mail, client, Math.min(BATCH, due), nowMs, totals);
      sent += ready;
    }
  }
  const { p50, p99, p999 } = latencies;
  return {
    ...totals,
    codes: [...codes],
    seconds: (nowMs - startMs) / 1000,
    p50: p50(),
    p99: p99(),
    p999: p999(),
    generatorShare: 1 - idleMs / (nowMs - startMs),
  };
}

function askingOf(calls: BatchCalls, { draws, file, turn }: LoadSetting): Asking {
  if (draws === undefined) return loadQueries(calls, file);
  const stream = readFileSync(file);
  const { lengths, starts } = splitStream(stream);
  const forms = draws.fills.map((fill, form) => {
    const start = starts[form]!;
    return { ...fill, query: stream.subarray(start, start + lengths[form]!) };
  });
  return loadDraws(calls, { forms, bytes: readFileSync(draws.file) }, turn * TURN_SERIALS);
}

type Client = {
  readonly fd: bigint;
  readonly sentAtMs: Float64Array;
  next: number;
  readonly sources: Int32Array;
  nextSource: number;
};

/** Sends as many queries as are due and have a free slot; a slot that waited too long is free again. */
function sendDue(
  calls: BatchCalls,
  mail: Mail,
  client: Client,
  due: number,
  nowMs: number,
  totals: { lost: number },
): number {
  const { fd, sentAtMs, sources } = client;
  let ready = 0;
  for (let tried = 0; tried < sentAtMs.length && ready + 1 <= due; tried += 1) {
    const slot = client.next;
    client.next = slot + 1 === sentAtMs.length ? 0 : slot + 1;
    const since = sentAtMs[slot]!;
    if (since !== FREE) {
      if (nowMs - since < LOST_MS) continue;
      totals.lost += 1;
    }
    sentAtMs[slot] = nowMs;
    mail.put(ready, slot, sources[client.nextSource]);
    client.nextSource = client.nextSource + 1 === sources.length ? 0 : client.nextSource + 1;
    ready += 1;
  }
  if (ready > 0 && calls.send(fd, mail.sendFrom, COUNTS[ready]!, 0n) < 0) {
    throw new Error(`queries cannot be sent: ${calls.errno()}`);
  }
  return ready;
}
