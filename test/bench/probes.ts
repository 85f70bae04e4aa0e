/**
 * `npm run bench -- probes`: what probing costs the one who probes. A node with the prober's role only, as a
 * process of its own, against one server on loopback that answers at once. The figures are CPU seconds per
 * thousand probes of the whole process, its share of a core, and its resident memory.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { residentBytes, startCpuClock } from './cpu.ts';
import { machineFacts } from './machine.ts';
import type { Child, Scratch } from './scratch.ts';

export const PROBES_SUMMARY = 'CPU time per probe and memory of a prober with many monitors';
export const PROBES_USAGE = `npm run bench -- probes [options]

  --seconds N        how long each is measured (30)
`;

type Load = {
  readonly kind: 'http' | 'tcp';
  readonly regions: number;
  readonly pools: number;
  readonly intervalSeconds: number;
};

/** Pools with one endpoint per region: 100 regions with 20 endpoints each, and 10,000 monitors. */
const LOADS: readonly Load[] = [
  { kind: 'tcp', regions: 100, pools: 20, intervalSeconds: 10 },
  { kind: 'http', regions: 100, pools: 20, intervalSeconds: 10 },
  { kind: 'http', regions: 100, pools: 20, intervalSeconds: 2 },
  { kind: 'tcp', regions: 100, pools: 100, intervalSeconds: 10 },
  { kind: 'http', regions: 100, pools: 100, intervalSeconds: 10 },
];
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const TARGET = fileURLToPath(new URL('probe-target.ts', import.meta.url));
const NODE_WORDS = [process.execPath, '--disable-warning=ExperimentalWarning'] as const;
const START_SECONDS = 60;
/** Two rounds of every monitor: code is warm, and every verdict stands. */
const WARM_UP_ROUNDS = 2;
const LOOK_MS = 50;

export async function probesBench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads CPU times from Linux /proc');
  const { values } = parseArgs({ args: [...words], options: { seconds: { type: 'string' } } });
  const seconds = Number(values.seconds ?? 30);
  if (!(seconds > 0)) throw new Error('--seconds is a number above zero');
  const facts = machineFacts([], ['npm run bench -- probes', ...words].join(' '));
  const rows: string[][] = [];
  for (const load of LOADS) rows.push(await measure(load, seconds, scratch));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const told = facts.map(([name, value]) => `- ${name}: ${value}`);
  const table = [line(HEAD), line(HEAD.map(() => '---')), ...rows.map(line)];
  process.stdout.write(`\n${[...told, '', ...table].join('\n')}\n`);
  return 0;
}

const HEAD = [
  'kind',
  'monitors',
  'interval',
  'probes/s',
  'CPU s per 1000 probes',
  'share of a core',
  'resident memory',
];

async function measure(load: Load, seconds: number, scratch: Scratch): Promise<string[]> {
  const { intervalSeconds, kind, pools, regions } = load;
  const target = scratch.start(NODE_WORDS[0], [NODE_WORDS[1], TARGET]);
  const port = Number(await said(target, /port (\d+)/));
  const file = scratch.write(`probes-${kind}-${pools}.json`, configText(load, port));
  const prober = scratch.start(NODE_WORDS[0], [NODE_WORDS[1], MAIN, 'run', '--config', file]);
  await said(prober, /node\.ready/);
  await delay(WARM_UP_ROUNDS * intervalSeconds * 1000);
  const before = { asked: await asked(target, kind), cpuSoFar: startCpuClock(prober.pid) };
  const began = performance.now();
  await delay(seconds * 1000);
  const cpu = before.cpuSoFar();
  const elapsed = (performance.now() - began) / 1000;
  const probes = (await asked(target, kind)) - before.asked;
  const memory = residentBytes(prober.pid);
  for (const child of [prober, target]) process.kill(child.pid, 'SIGTERM');
  await Promise.all([prober.ended, target.ended]);
  const row = [
    kind,
    `${regions * pools}`,
    `${intervalSeconds} s`,
    (probes / elapsed).toFixed(0),
    ((cpu / probes) * 1000).toFixed(2),
    `${((cpu / elapsed) * 100).toFixed(1)} %`,
    `${(memory / 1e6).toFixed(0)} MB`,
  ];
  process.stdout.write(`${row.join('  ')}\n`);
  return row;
}

/** How many connections or requests there were so far. */
async function asked(target: Child, kind: Load['kind']): Promise<number> {
  const before = target.output().length;
  process.kill(target.pid, 'SIGUSR2');
  const text = await said(
    target,
    kind === 'tcp' ? /asked (\d+) \d+\n/ : /asked \d+ (\d+)\n/,
    before,
  );
  return Number(text);
}

/** Waits until the child has written this after the given length; the pattern's first group. */
async function said(child: Child, pattern: RegExp, from = 0): Promise<string> {
  const deadline = performance.now() + START_SECONDS * 1000;
  for (;;) {
    const match = pattern.exec(child.output().slice(from));
    if (match) return match[1] ?? '';
    if (!child.running() || performance.now() > deadline) {
      throw new Error(`it was not said (${pattern}):\n${child.output()}`);
    }
    await delay(LOOK_MS);
  }
}

function configText({ intervalSeconds, kind, pools, regions }: Load, port: number): string {
  const names = Array.from({ length: regions }, (_, index) => `r${index}`);
  const options = kind === 'http' ? { kind, path: '/' } : { kind };
  const byPool = <Value>(value: (index: number) => Value) =>
    Object.fromEntries(Array.from({ length: pools }, (_, index) => [`p${index}`, value(index)]));
  return JSON.stringify({
    node: { name: 'bench', roles: ['prober'], vantages: [{ name: 'bench' }] },
    regions: Object.fromEntries(
      names.map((name, index) => [
        name,
        {
          location: { latitude: (index % 90) - 45, longitude: index },
          vips: `127.0.1.${index + 1}`,
        },
      ]),
    ),
    monitors: byPool(() => ({ ...options, interval: `${intervalSeconds}s`, timeout: '1s' })),
    pools: byPool((index) => ({ monitor: `p${index}`, port, endpoints: names })),
    zones: {
      'gslb.example': {
        nameservers: ['ns1'],
        records: { ns1: { A: '192.0.2.53' } },
        steered: byPool((index) => ({ pool: `p${index}` })),
      },
    },
  });
}
