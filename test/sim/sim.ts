/**
 * `npm run sim [-- --hours N] [--seed N] [--size NAME] [--worlds N] [--trace]`: simulated worlds, one after the other, until so many hours have passed in them. The first thing that must not be
 * ends it, with the seed that tells the same again.
 */
import { parseArgs } from 'node:util';
import { BREAKAGES, tryBroken } from './breakages.ts';
import { SIZES, type Size } from './plan.ts';
import { type Outcome, simulate } from './simulate.ts';

const USAGE = `npm run sim [-- options]

  --hours N       simulated hours in all (400)
  --seed N        of the first world; the others follow (drawn)
  --size NAME     ${SIZES.join(', ')}; default: all of them in turn
  --worlds N      ends after so many worlds, whatever their hours
  --broken        breaks the core in all ways that must be noticed, and says by what they were
  --trace         writes the history of each world
`;
/** Of twenty worlds one is a crowd, every fourth a cluster: both take longer than days of one node. */
const RARE: Readonly<Record<number, Size>> = { 3: 'wide', 7: 'deep', 10: 'crowd' };
const TURNS: readonly Size[] = Array.from({ length: 20 }, (_, turn) => {
  return RARE[turn] ?? (turn % 4 === 1 ? 'cluster' : 'alone');
});
const HOUR_MS = 3_600_000;
const PROGRESS_EVERY = 5;

/** The world that is being simulated. */
let running: { readonly seed: number; readonly size: Size } | undefined;
const again = ({ seed, size }: NonNullable<typeof running>): string =>
  `again: npm run sim -- --seed ${seed} --size ${size} --worlds 1 --trace`;
for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(kind, (error: unknown) => {
    const what = error instanceof Error ? error.stack : String(error);
    process.stderr.write(`${kind}: ${what}\n  ${running ? again(running) : ''}\n`);
    process.exit(1);
  });
}
process.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      hours: { type: 'string', default: '400' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
      size: { type: 'string' },
      worlds: { type: 'string' },
      trace: { type: 'boolean', default: false },
      broken: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const size = SIZES.find((each) => each === values.size);
  if (values.help || (values.size !== undefined && size === undefined)) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  if (values.broken) return breakAll();
  const seed = Number(values.seed);
  const worldsMax = values.worlds === undefined ? Number.POSITIVE_INFINITY : Number(values.worlds);
  const total = createTotal();
  const beganMs = performance.now();
  for (let world = 0; world < worldsMax && total.hours() < Number(values.hours); world += 1) {
    const worldSeed = seed + world;
    const ofSize = size ?? TURNS[worldSeed % TURNS.length]!;
    const say = (line: string): void => void process.stdout.write(`${line}\n`);
    running = { seed: worldSeed, size: ofSize };
    const outcome = await simulate(worldSeed, ofSize, values.trace ? { onLine: say } : {});
    total.add(outcome);
    if (outcome.violation) {
      const { atSeconds, invariant, what } = outcome.violation;
      process.stderr.write(
        `seed ${worldSeed} (${ofSize}), after ${atSeconds.toFixed(3)} simulated seconds:\n  ${invariant}: ${what}\n  ${again(running)}\n`,
      );
      return 1;
    }
    if (process.stdout.isTTY || world % PROGRESS_EVERY === PROGRESS_EVERY - 1)
      say(total.line((performance.now() - beganMs) / 1000));
  }
  process.stdout.write(
    `${total.line((performance.now() - beganMs) / 1000)}\nAll invariants held. Seeds from ${seed}.\n`,
  );
  return 0;
}

async function breakAll(): Promise<number> {
  let missed = 0;
  for (const breakage of BREAKAGES) {
    const found = await tryBroken(breakage);
    const isCaught = found.includes(breakage.invariant);
    if (!isCaught) missed += 1;
    const what = isCaught ? `noticed by "${breakage.invariant}"` : `NOT noticed: ${found.join()}`;
    process.stdout.write(`${breakage.name}: ${what}\n`);
  }
  return missed === 0 ? 0 : 1;
}

function createTotal() {
  const hours = new Map<Size, number>(SIZES.map((size) => [size, 0]));
  const counts = { worlds: 0, probes: 0, faults: 0, answers: 0, events: 0 };
  const sum = (): number => [...hours.values()].reduce((all, each) => all + each, 0);
  return {
    hours: sum,
    add({ counts: more, plan, simulatedMs }: Outcome): void {
      hours.set(plan.size, hours.get(plan.size)! + simulatedMs / HOUR_MS);
      counts.worlds += 1;
      counts.probes += more.probes;
      counts.faults += more.faults;
      counts.answers += more.answers;
      counts.events += more.events;
    },
    line(seconds: number): string {
      const each = SIZES.map((size) => `${size} ${hours.get(size)!.toFixed(1)}`).join(', ');
      return `${sum().toFixed(1)} simulated hours (${each}) in ${seconds.toFixed(0)} s: ${counts.worlds} worlds, ${counts.faults} faults, ${counts.probes} probes, ${counts.events} events, ${counts.answers} answers checked`;
    },
  };
}
