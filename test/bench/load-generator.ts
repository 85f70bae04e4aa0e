/**
 * A load generator for DNS over UDP that costs less than what it drives: queries of a file go out by the batch and
 * answers come in by the batch, from many sockets, over the calls that the server uses. It is a program of its
 * own, so that it can have a core of its own:
 *
 *   node load-generator.ts '{"port":5300,"file":"queries","seconds":4,"rate":0,"sockets":16,"outstanding":128}'
 *
 * With `rate` 0 as many queries are under way as `outstanding` says, and each answer lets another one go. Else
 * so many go each second, answered or not. It prints one line of JSON (LoadReport).
 */
import { RECEIVE_BUFFER_BYTES } from '../../src/io/datagram.ts';
import {
  type BatchCalls,
  MSG_DONTWAIT,
  openBatchCalls,
  openSyscalls,
} from '../../src/io/syscall.ts';
import { createLatencies } from './latencies.ts';
import { BATCH, COUNTS, createMail, loadQueries, type Mail } from './query-mail.ts';

export type LoadSetting = {
  readonly port: number;
  /** Length-prefixed messages, as on a TCP stream. */
  readonly file: string;
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
  /** Share of its core that the generator took; undefined for one that spins. */
  readonly generatorShare?: number;
};

const LOST_MS = 1000;
const FREE = -1;

if (process.argv[2] !== undefined) {
  const report = generate(JSON.parse(process.argv[2]) as LoadSetting);
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function generate(setting: LoadSetting): LoadReport {
  const { outstanding, rate, seconds, sockets } = setting;
  const found = openSyscalls();
  const opened = openBatchCalls();
  if (!found.ok || !opened.ok) throw new Error('this load generator runs on Linux with node:ffi');
  const { calls } = opened;
  const perSocket = Math.max(1, Math.floor(outstanding / sockets));
  const queries = loadQueries(calls, setting.file);
  const mail = createMail(calls, queries, setting.port);
  const latencies = createLatencies();
  const clients = Array.from({ length: sockets }, (_, index) => {
    // Each in a network of its own, as resolvers are.
    const source = Uint8Array.of(127, 1 + (index >> 8), index & 0xff, 1);
    const fd = found.calls.batchSocket(source, 0, 1, RECEIVE_BUFFER_BYTES);
    return { fd: BigInt(fd), sentAtMs: new Float64Array(perSocket).fill(FREE), next: 0 };
  });
  const totals = { answered: 0, lost: 0 };
  const codes = new Float64Array(16);
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  let sent = 0;
  let nowMs = startMs;
  for (let first = 0; nowMs < endMs; first += 1) {
    for (let turn = 0; turn < sockets; turn += 1) {
      // At a low rate whoever is first sends what is due.
      const client = clients[(first + turn) % sockets]!;
      const { fd, sentAtMs } = client;
      const count = calls.receive(fd, mail.receiveFrom, COUNTS[BATCH]!, MSG_DONTWAIT, 0n);
      nowMs = performance.now();
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
      sent += sendDue(calls, mail, client, Math.min(BATCH, due), nowMs, totals);
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
  };
}

type Client = { readonly fd: bigint; readonly sentAtMs: Float64Array; next: number };

/** Sends as many queries as are due and have a free slot; a slot that waited too long is free again. */
function sendDue(
  calls: BatchCalls,
  mail: Mail,
  client: Client,
  due: number,
  nowMs: number,
  totals: { lost: number },
): number {
  const { fd, sentAtMs } = client;
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
    mail.put(ready, slot);
    ready += 1;
  }
  if (ready > 0) calls.send(fd, mail.sendFrom, COUNTS[ready]!, 0n);
  return ready;
}
