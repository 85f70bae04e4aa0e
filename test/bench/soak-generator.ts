/**
 * The clients of a soak: they ask at a fixed rate, look at every answer, and tell when answers took long. Beside the
 * server they ask an echo (echo.c) that runs on the same core, a little: when that is late as well, it was the
 * machine; and when this program itself did not run, it was that.
 *
 *   node soak-generator.ts '{"port":5300,"echoPort":5301,"file":"queries","expected":"expected.json","seconds":600,…}'
 *
 * It writes a SoakReport as JSON to the file `report`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { RECEIVE_BUFFER_BYTES } from '../../src/io/datagram.ts';
import {
  type BatchCalls,
  MSG_DONTWAIT,
  openBatchCalls,
  openSyscalls,
} from '../../src/io/syscall.ts';
import { type Expected, ILL, judgeAnswer, SAME, WRONG } from './answer-judge.ts';
import { createLatencies } from './latencies.ts';
import { createPauses, type Pause } from './pauses.ts';
import { BATCH, COUNTS, createMail, loadQueries, type Mail, type Queries } from './query-mail.ts';

export type SoakSetting = {
  readonly port: number;
  readonly echoPort: number;
  /** Length-prefixed messages. */
  readonly file: string;
  /** JSON: what is right for each of them. */
  readonly expected: string;
  readonly report: string;
  readonly seconds: number;
  readonly rate: number;
  readonly echoRate: number;
};

export type SoakReport = {
  readonly answered: number;
  /** Not answered within LOST_MS. */
  readonly lost: number;
  /** Of these, answered after all. */
  readonly late: number;
  readonly wrong: number;
  /** The first few wrong ones, for people. */
  readonly examples: readonly string[];
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly maxMs: number;
  readonly echoAnswered: number;
  readonly echoMaxMs: number;
  /** When answers took longer than PAUSE_MS, by the clock of `performance.timeOrigin`. */
  readonly pauses: readonly Pause[];
  readonly echoPauses: readonly Pause[];
  /** When this program did not run. */
  readonly ownPauses: readonly Pause[];
  /** When answers to names whose region flips began to be others: the time, and 1 for those while it is well. */
  readonly turns: readonly (readonly [atMs: number, isWell: 0 | 1])[];
};

export const PAUSE_MS = 10;
/** Shorter than a pause: an answer that waited for this program waited for its server before. */
const OWN_PAUSE_MS = 3;
const LOST_MS = 1000;
const SOCKETS = 16;
/** Of each socket: more than it asks in LOST_MS at any rate that a core can. */
const SLOTS = 8192;
const EXAMPLES_MAX = 10;
const TURNS_MAX = 1_000_000;
const FREE = -1;
const LOST = -2;

if (process.argv[2] !== undefined) {
  const setting = JSON.parse(process.argv[2]) as SoakSetting;
  writeFileSync(setting.report, JSON.stringify(soak(setting)));
}

function soak(setting: SoakSetting): SoakReport {
  const found = openSyscalls();
  const opened = openBatchCalls();
  if (!found.ok || !opened.ok) throw new Error('this load generator runs on Linux with node:ffi');
  const { calls } = opened;
  const socketOf = (index: number): bigint => {
    const source = Uint8Array.of(127, 1, index, 1);
    return BigInt(found.calls.batchSocket(source, 0, 1, RECEIVE_BUFFER_BYTES));
  };
  const expected = JSON.parse(readFileSync(setting.expected, 'utf8')) as readonly Expected[];
  const turns: [number, 0 | 1][] = [];
  const examples: string[] = [];
  let wrong = 0;
  const onAnswer = (client: Client, index: number, place: number): void => {
    const { mail, queries } = client;
    const verdict = judgeAnswer(mail, index, queries, place, expected[place]!);
    if (verdict === SAME) return;
    if (verdict === WRONG) {
      wrong += 1;
      if (examples.length < EXAMPLES_MAX) examples.push(inWords(mail, index, place));
      return;
    }
    const isWell = verdict === ILL ? 0 : 1;
    if (turns.at(-1)?.[1] === isWell || turns.length >= TURNS_MAX) return;
    turns.push([performance.timeOrigin + performance.now(), isWell]);
  };
  const open = (port: number, rate: number, sockets: number, look: OnAnswer): Target => {
    const queries = loadQueries(calls, setting.file);
    const mail = createMail(calls, queries, port);
    const clients = Array.from({ length: sockets }, (_, index) =>
      createClient(socketOf(index), mail, queries),
    );
    return createTarget(calls, clients, rate, look);
  };
  const server = open(setting.port, setting.rate, SOCKETS, onAnswer);
  const echo = open(setting.echoPort, setting.echoRate, 1, () => {});
  const own = createPauses(OWN_PAUSE_MS);
  const startMs = performance.now();
  let nowMs = startMs;
  while (nowMs < startMs + setting.seconds * 1000) {
    server.turn(nowMs, startMs);
    echo.turn(nowMs, startMs);
    const before = nowMs;
    nowMs = performance.now();
    own.add(before, nowMs);
  }
  const { p50, p99, p999 } = server.latencies;
  return {
    ...server.totals,
    wrong,
    examples,
    seconds: (nowMs - startMs) / 1000,
    p50: p50(),
    p99: p99(),
    p999: p999(),
    maxMs: server.pauses.longestMs(),
    echoAnswered: echo.totals.answered,
    echoMaxMs: echo.pauses.longestMs(),
    pauses: server.pauses.all(),
    echoPauses: echo.pauses.all(),
    ownPauses: own.all(),
    turns,
  };
}

type Client = {
  readonly fd: bigint;
  readonly mail: Mail;
  readonly queries: Queries;
  /** Of each slot, when its query went, and which it was. */
  readonly sentAtMs: Float64Array;
  readonly places: Int32Array;
  next: number;
};
type OnAnswer = (client: Client, index: number, place: number) => void;
type Target = ReturnType<typeof createTarget>;

function createClient(fd: bigint, mail: Mail, queries: Queries): Client {
  const sentAtMs = new Float64Array(SLOTS).fill(FREE);
  return { fd, mail, queries, sentAtMs, places: new Int32Array(SLOTS), next: 0 };
}

function createTarget(calls: BatchCalls, clients: readonly Client[], rate: number, look: OnAnswer) {
  const latencies = createLatencies();
  const pauses = createPauses(PAUSE_MS);
  const totals = { answered: 0, lost: 0, late: 0 };
  let first = 0;
  let sent = 0;
  const receive = (client: Client): void => {
    const { fd, mail, places, sentAtMs } = client;
    const count = calls.receive(fd, mail.receiveFrom, COUNTS[BATCH]!, MSG_DONTWAIT, 0n);
    const nowMs = performance.now();
    for (let index = 0; index < count; index += 1) {
      const slot = mail.slotOf(index);
      const since = slot < SLOTS ? sentAtMs[slot]! : FREE;
      if (since === FREE) continue;
      sentAtMs[slot] = FREE;
      if (since === LOST) {
        totals.late += 1;
        continue;
      }
      totals.answered += 1;
      latencies.add((nowMs - since) * 1000);
      pauses.add(since, nowMs);
      look(client, index, places[slot]!);
    }
  };
  const send = (client: Client, due: number, nowMs: number): number => {
    let ready = 0;
    for (let tried = 0; tried < SLOTS && ready + 1 <= due; tried += 1) {
      const slot = client.next;
      client.next = slot + 1 === SLOTS ? 0 : slot + 1;
      const since = client.sentAtMs[slot]!;
      if (since !== FREE) {
        // What comes for it later is no answer to another query: its slot waits for that for ever.
        if (since !== LOST && nowMs - since >= LOST_MS) {
          client.sentAtMs[slot] = LOST;
          totals.lost += 1;
        }
        continue;
      }
      client.sentAtMs[slot] = nowMs;
      client.places[slot] = client.mail.put(ready, slot);
      ready += 1;
    }
    if (ready > 0) calls.send(client.fd, client.mail.sendFrom, COUNTS[ready]!, 0n);
    return ready;
  };
  return {
    latencies,
    pauses,
    totals,
    /** Takes what has come and sends what is due, each time beginning with another socket. */
    turn(nowMs: number, startMs: number): void {
      first += 1;
      for (let index = 0; index < clients.length; index += 1) {
        const client = clients[(first + index) % clients.length]!;
        receive(client);
        const due = ((nowMs - startMs) / 1000) * rate - sent;
        sent += send(client, Math.min(BATCH, due), performance.now());
      }
    },
  };
}

function inWords(mail: Mail, index: number, place: number): string {
  const start = mail.startOf(index);
  const bytes = mail.answers.subarray(start, start + mail.lengthOf(index));
  return `query ${place}: ${Buffer.from(bytes).toString('hex')}`;
}
