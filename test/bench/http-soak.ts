/**
 * `npm run soak -- --http`: one balancer under all kinds of HTTP for minutes, while a configuration is swapped in every
 * ten seconds and a server dies and returns. Every answer is looked at. It fails when one was wrong, when one failed
 * while all servers lived, or when memory grew.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { NODE_FLAGS } from '../../src/node-flags.mjs';
import { chooseCores, say } from './dns-drive.ts';
import type { HttpSoakReport, HttpSoakSetting } from './http-soak-clients.ts';
import { type HttpSoakResult, httpSoakFaults, httpSoakTable } from './http-soak-table.ts';
import { machineFacts } from './machine.ts';
import type { MemorySample } from './memory-watch.ts';
import { openScratch, type Scratch } from './scratch.ts';
import { startMeridian, type TroubledProxy } from './trouble-proxies.ts';
import { reportOf, type Servers, startProgram, startServers } from './trouble-run.ts';

export const HTTP_SOAK_USAGE = `npm run soak -- --http [options]

  --minutes N        how long (10)
  --engine NAME      auto (io_uring where it can) or portable (auto)
`;

const CLIENTS = fileURLToPath(new URL('./http-soak-clients.ts', import.meta.url));
const WATCH = fileURLToPath(new URL('./memory-watch.ts', import.meta.url));
const LIVING = 3;
const ANSWER_SECONDS = 30;
const SLOW_START_SECONDS = 5;
const START_SECONDS = 300;
const RELOAD_MS = 10_000;
/** Of what is left of a short soak there is one, too. */
const DEATH_EVERY_MS = 60_000;
const DEAD_MS = 10_000;
const LOOK_MS = 250;

type Options = { readonly minutes: number; readonly engine: 'auto' | 'portable' };

export async function httpSoak(words: readonly string[]): Promise<number> {
  if (process.platform !== 'linux') throw new Error('the soak runs on Linux');
  const { engine, minutes } = readOptions(words);
  const seconds = minutes * 60;
  const scratch = openScratch('http-soak');
  scratch.endAfter(START_SECONDS + seconds, 'soak: not finished.');
  const facts = machineFacts([], ['npm run soak -- --http', ...words].join(' '));
  const [core, clientCore] = chooseCores();
  const memoryFile = scratch.write('memory', '');
  const living = await startServers(scratch, clientCore, LIVING);
  const mortal = await startServers(scratch, clientCore, 1);
  const place = {
    core,
    servers: [...mortal.ports, ...living.ports],
    slowStartSeconds: SLOW_START_SECONDS,
    answerSeconds: ANSWER_SECONDS,
    words: [
      ...['env', `MERIDIAN_BENCH_MEMORY_FILE=${memoryFile}`],
      ...[process.execPath, ...NODE_FLAGS, '--import', WATCH],
    ],
  };
  const proxy = await startMeridian(scratch, place, engine);
  const served = await proxy.engine();
  say(`${minutes} minutes of HTTP …`);
  const setting: HttpSoakSetting = {
    port: proxy.port,
    seconds,
    report: scratch.write('report.json', ''),
  };
  const beganMs = Date.now();
  const clients = startProgram(scratch, clientCore, [CLIENTS, JSON.stringify(setting)]);
  const untilMs = beganMs + seconds * 1000;
  const [reloadMs, deathsMs] = await Promise.all([
    reloadAgain(proxy, untilMs),
    dieAgain(mortal, { scratch, clientCore, beganMs, untilMs }),
  ]);
  const report = await reportOf<HttpSoakReport>(clients, setting.report);
  await proxy.stop();
  const result: HttpSoakResult = {
    ...{ report, deathsMs, reloadMs, beganMs },
    memory: samplesOf(memoryFile),
  };
  const faults = httpSoakFaults(result);
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    `- load: all kinds of HTTP for ${minutes} minutes; Meridian (${served}) on core ${core}, servers and clients on core ${clientCore}`,
    '',
    ...httpSoakTable(result),
    '',
    ...faults.map((fault) => `FAULT: ${fault}`),
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return faults.length === 0 ? 0 : 1;
}

function readOptions(words: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...words],
    options: {
      minutes: { type: 'string', default: '10' },
      engine: { type: 'string', default: 'auto' },
    },
  });
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && Number.isFinite(minutes))) {
    throw new Error(`--minutes is a number above zero, not "${values.minutes}"`);
  }
  if (values.engine !== 'auto' && values.engine !== 'portable') {
    throw new Error(`--engine is auto or portable, not "${values.engine}"`);
  }
  return { minutes, engine: values.engine };
}

/** @returns how long each took, milliseconds */
async function reloadAgain(proxy: TroubledProxy, untilMs: number): Promise<readonly number[]> {
  const took: number[] = [];
  for (;;) {
    await delay(Math.min(RELOAD_MS, Math.max(0, untilMs - Date.now())));
    if (Date.now() >= untilMs) return took;
    const fromMs = performance.now();
    await proxy.reload();
    took.push(performance.now() - fromMs);
  }
}

type Life = {
  readonly scratch: Scratch;
  readonly clientCore: number;
  readonly beganMs: number;
  readonly untilMs: number;
};

/** The process of a server is killed, and after a while there is another one at its port. @returns when */
async function dieAgain(
  first: Servers,
  { beganMs, clientCore, scratch, untilMs }: Life,
): Promise<readonly number[]> {
  const deathsMs: number[] = [];
  const everyMs = Math.min(DEATH_EVERY_MS, (untilMs - beganMs) / 2);
  const deadMs = Math.min(DEAD_MS, everyMs / 2);
  let alive = first;
  for (let nextMs = beganMs + everyMs; nextMs + deadMs < untilMs; nextMs += everyMs) {
    while (Date.now() < nextMs) await delay(Math.min(LOOK_MS, Math.max(1, nextMs - Date.now())));
    deathsMs.push(Date.now());
    const [port] = alive.ports;
    await alive.stop();
    await delay(deadMs);
    alive = await startServers(scratch, clientCore, 1, port);
  }
  return deathsMs;
}

function samplesOf(file: string): readonly MemorySample[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.filter(Boolean).map((line) => JSON.parse(line) as MemorySample);
}
