/**
 * `npm run bench -- flips`: what changes of health cost those who ask meanwhile. A thread does what a UDP worker
 * does, without sockets: it answers batches of 32 queries, and between two of them it hears of a change.
 * All times are CPU time of that thread, so that neighbours on the machine do not show; collections of
 * garbage do. Then real workers are driven by the load generator, and it is measured how long after a change
 * the first query is answered by it.
 */
import { parseArgs } from 'node:util';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { DOWN } from '../../src/health/health-word.ts';
import { classAnswers } from '../../src/nameserver/answer.ts';
import { mapsOf } from '../../src/nameserver/map-table.ts';
import { respond } from '../../src/nameserver/respond.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { setHealth, setSnapshot, type WorkerState } from '../../src/nameserver/worker-state.ts';
import { classCount } from '../../src/steering/class-list.ts';
import { opened, readCentroids, readCountries } from '../geo/fixtures.ts';
import { clientAt, healthOf, startWorker } from '../nameserver/fixture.ts';
import { say } from './dns-drive.ts';
import { measureLive } from './flips-live.ts';
import { compileWorld, ENDPOINTS, queriesOf, REGIONS, WORLDS } from './flips-world.ts';
import { machineFacts } from './machine.ts';
import type { Scratch } from './scratch.ts';
import { openThreadClock } from './thread-clock.ts';

export const FLIPS_SUMMARY = 'how long changes of health hold up queries';
export const FLIPS_USAGE = `npm run bench -- flips [options]

  --changes N        changes of each kind (40)
  --seconds N        of full load on real workers (10); 0 = none
  --names N          steered ones (10000)

${ENDPOINTS} endpoints, ${REGIONS} regions, the embedded geo database.
`;

const BATCH = 32;
/** Batches that are looked at after a change: some 20 ms of full load. */
const BATCHES_AFTER = 1000;
const WARM_UP_BATCHES = 20_000;
const NOW_MS = 1_780_000_000_000;
const UP_WORD = 60;

const threadClock = openThreadClock();

export async function flipsBench(words: readonly string[], scratch: Scratch): Promise<number> {
  const { changes, names, seconds } = readOptions(words);
  const facts = machineFacts([], ['npm run bench -- flips', ...words].join(' '));
  const geo = opened(readCountries(), readCentroids());
  const rows: string[] = [];
  const notes: string[] = [];
  for (const world of WORLDS) {
    say(`Compiling ${world.summary} …`);
    const snapshot = compileWorld(world, geo, names);
    notes.push(`${world.name}: ${world.summary}; ${describe(snapshot)}`);
    rows.push(...measureWorld(world.name, snapshot, changes, names));
    if (seconds === 0) continue;
    say(`Driving real workers with ${world.name} …`);
    notes.push(
      `${world.name}, under load: ${await measureLive(snapshot, scratch, seconds, names)}`,
    );
  }
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    ...notes.map((note) => `- ${note}`),
    `- ${changes} changes of each kind, each followed by ${BATCHES_AFTER} batches of ${BATCH} queries for any name from anywhere; CPU time of the thread`,
    '',
    '| world | change | hearing of it, median / max | longest batch after it, median / max | its work in these batches, median | classes concerned, median | all of them at once, median |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return 0;
}

function readOptions(words: readonly string[]) {
  const { values } = parseArgs({
    args: [...words],
    options: {
      changes: { type: 'string', default: '40' },
      seconds: { type: 'string', default: '10' },
      names: { type: 'string', default: '10000' },
    },
  });
  const [changes, seconds] = [Number(values.changes), Number(values.seconds)];
  const names = Number(values.names);
  if (!(Number.isInteger(names) && names >= 10_000)) throw new Error('--names is 10000 or more');
  if (!(Number.isInteger(changes) && changes >= 4)) throw new Error('--changes is 4 or more');
  if (!(Number.isInteger(seconds) && seconds >= 0)) throw new Error('--seconds is 0 or more');
  return { changes, names, seconds };
}

function describe({ maps }: Snapshot): string {
  const all = [...mapsOf(maps)];
  const tables = new Set(all.map(({ classes }) => classes.table));
  const bytes = [...tables]
    .flatMap((table) => Object.values(table))
    .reduce<number>((sum, part) => sum + (typeof part === 'object' ? part.byteLength : 0), 0);
  const classes = all.reduce((sum, map) => sum + classCount(map.classes.classes), 0);
  return `${all.length} maps with ${classes} classes; ${tables.size} tables of ${Math.round(bytes / 1e6)} MB in all`;
}

type Change = {
  readonly name: string;
  /** What another thread does for it, and what comes to the worker then. */
  make(worker: WorkerState, turn: number): () => void;
};

function measureWorld(
  world: string,
  snapshot: Snapshot,
  times: number,
  names: number,
): readonly string[] {
  const worker = startWorker(snapshot, new Uint32Array(snapshot.endpoints.length).fill(UP_WORD));
  const queries = queriesOf(names);
  const ask = createAsker(worker, queries);
  for (let batch = 0; batch < WARM_UP_BATCHES; batch += 1) ask();
  const quiet = sumOf(BATCHES_AFTER, ask);
  return [
    `| ${world} | none | – | ${micro(quiet.longest)} | – | – | – |`,
    ...changesOf(snapshot).map((change) => {
      const heard: number[] = [];
      const longest: number[] = [];
      const more: number[] = [];
      const concerned: number[] = [];
      const atOnce: number[] = [];
      for (let turn = 0; turn < times; turn += 1) {
        const base = sumOf(BATCHES_AFTER, ask);
        heard.push(timed(change.make(worker, turn)));
        // Some go and some return in either way.
        if (turn % 4 === 1 || turn % 4 === 2) {
          const all = renewAll(worker);
          concerned.push(all.count);
          atOnce.push(all.time);
          continue;
        }
        const after = sumOf(BATCHES_AFTER, ask);
        longest.push(after.longest);
        more.push(Math.max(0, after.sum - base.sum));
        renewAll(worker);
      }
      const range = (list: readonly number[]) =>
        `${micro(median(list))} / ${micro(Math.max(...list))}`;
      return `| ${world} | ${change.name} | ${range(heard)} | ${range(longest)} | ${micro(median(more))} | ${median(concerned)} | ${micro(median(atOnce))} |`;
    }),
  ];
}

/** Each goes there and back in turns. */
function changesOf(snapshot: Snapshot): readonly Change[] {
  const { endpoints, generation } = snapshot;
  const tell = (worker: WorkerState, change: (words: Uint32Array) => void) => {
    const next = worker.answers!.health.words.slice();
    change(next);
    return () => void setHealth(worker, healthOf(next), generation);
  };
  const { port1, port2 } = new MessageChannel();
  const flip = (words: Uint32Array, endpoint: number, turn: number): void => {
    words[endpoint] = turn % 2 === 0 ? DOWN : UP_WORD;
  };
  return [
    {
      name: 'an endpoint goes or returns',
      make: (worker, turn) =>
        tell(worker, (words) => flip(words, ((turn >> 1) * 37) % endpoints.length, turn)),
    },
    {
      name: 'a region goes or returns',
      make: (worker, turn) =>
        tell(worker, (words) => {
          for (const [index, { region }] of endpoints.entries()) {
            if (region === `r${(turn >> 1) % REGIONS}`) flip(words, index, turn);
          }
        }),
    },
    {
      name: 'every other endpoint goes or returns',
      make: (worker, turn) =>
        tell(worker, (words) => {
          for (let index = 0; index < words.length; index += 2) flip(words, index, turn);
        }),
    },
    {
      name: 'the TTL of all endpoints',
      make: (worker, turn) => tell(worker, (words) => words.fill(UP_WORD - (turn % 2) * 20)),
    },
    {
      name: 'another snapshot, its message included',
      make(worker) {
        port1.postMessage(snapshot);
        return () => {
          const { message } = receiveMessageOnPort(port2) as { readonly message: Snapshot };
          setSnapshot(worker, message, worker.answers!.health);
        };
      },
    },
  ];
}

/** As if somebody asked for every class in one go: how many are not what they were, and what it takes. */
function renewAll({ answers }: WorkerState): { readonly count: number; readonly time: number } {
  const before = answers!.maps.map((each) => each?.classes.slice() ?? []);
  const time = timed(() => {
    for (const map of answers!.maps.keys()) {
      for (const { parts } of classAnswers(answers!, map, 0)) {
        for (const { outcomes } of parts) for (const outcome of outcomes) void outcome.body4;
      }
    }
  });
  const count = answers!.maps.reduce((sum, each, map) => {
    return sum + (each?.classes ?? []).filter((one, at) => one !== before[map]![at]).length;
  }, 0);
  return { count, time };
}

/** A function that answers the next batch. */
function createAsker(worker: WorkerState, queries: readonly Uint8Array[]): () => void {
  const client = clientAt('192.0.2.200');
  const reply = new Uint8Array(4096);
  let at = 0;
  return () => {
    for (let count = 0; count < BATCH; count += 1) {
      const query = queries[at]!;
      at = at + 1 === queries.length ? 0 : at + 1;
      if (respond(worker, client, query, query.length, NOW_MS, reply) <= 0) {
        throw new Error('a query was not answered');
      }
    }
  };
}

function sumOf(batches: number, ask: () => void) {
  let [sum, longest] = [0, 0];
  for (let batch = 0; batch < batches; batch += 1) {
    const time = timed(ask);
    sum += time;
    longest = Math.max(longest, time);
  }
  return { sum, longest };
}

/** CPU time of this thread in microseconds. */
function timed(work: () => void): number {
  const before = threadClock();
  work();
  return threadClock() - before;
}

function median(list: readonly number[]): number {
  return list.toSorted((a, b) => a - b)[list.length >> 1]!;
}

const micro = (time: number): string =>
  time < 1000 ? `${Math.round(time)} µs` : `${(time / 1000).toFixed(1)} ms`;
