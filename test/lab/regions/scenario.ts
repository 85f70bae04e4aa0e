import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { concerned, measureDrain, untilBack, untilDetected, untilLeft } from './measure.ts';
import type { Referee } from './referee.ts';
import type { Round } from './table.ts';
import { endTarget, isStarted, mendTarget, setTruth, type Target } from './targets.ts';
import { REGIONS, type Region } from './wide-area.ts';
import type { World } from './world.ts';

/**
 * One fault from its beginning to its end. While it lasts a region stops to serve, which must be found
 * out as if there were no other fault, and a person drains one.
 */
export type Scenario = {
  readonly name: string;
  /** The fault around the target's; absent = the target's is all. Says what is true by then. */
  begin?(world: World): Promise<void>;
  end?(world: World): Promise<void>;
  /** What is looked at beside, at the end of the fault. */
  check?(world: World, sinceMs: number): Promise<void>;
  readonly target: Target;
  /**
   * How soon news must be everywhere, in milliseconds; 500 by default, which is for a healthy store and
   * for nodes that hear each other directly.
   */
  readonly newsMs?: number;
  /** Nameservers that can know of the target; all by default. */
  readonly judges?: readonly Region[];
  /** Where a person drains, and what; absent = nobody does. */
  readonly drain?: { readonly at: Region; readonly region: Region };
};

export const ROUNDS = Number(process.env['LAB_ROUNDS'] ?? 1);
/** LAB_STRICT=1: the bounds themselves are demanded; else a machine may be busy with other things. */
export const PATIENCE_FACTOR = process.env['LAB_STRICT'] === '1' ? 1 : 3;
/** Questions that may be lost in all: a socket's buffer overflows where nobody is let to read it. */
export const LOST_MAX = process.env['LAB_STRICT'] === '1' ? 0 : 10;
export const LEAVE_MS = 1200;
export const PROPAGATE_MS = 500;
/** A fault has begun everywhere. */
const BEGUN_MS = 300;

/** A machine that does not run the lab for so long makes faults of its own: half a probe's timeout. */
const STALL_MS = 100;
const ATTEMPTS = 5;

/** To look once takes so long when all is well. */
const CALM_SOON_MS = 1500;
/** What is told of the time before. */
const STORY_MS = 10_000;

/**
 * What is found must hold. One that is found while the machine had no time for the lab is said, and the
 * fault repeated; an empty answer has no such excuse.
 */
export async function runScenario(
  t: TestContext,
  world: World,
  referee: Referee,
  scenario: Scenario,
): Promise<Round> {
  for (let attempt = 1; ; attempt += 1) {
    await calmDown(t, world);
    await world.state();
    const beganMs = Date.now();
    const round = await runOnce(world, referee, scenario);
    const stalledMs = Math.max((await world.state()).stalledMs, round.slowestMs);
    t.diagnostic(`${JSON.stringify(round)}; the machine was away for ${stalledMs} ms`);
    const problem = problemOf(round, scenario);
    if (problem === undefined) return round;
    for (const line of await storyOf(world, beganMs)) t.diagnostic(line);
    const isExcused = round.empty === 0 && stalledMs > STALL_MS && attempt < ATTEMPTS;
    if (!isExcused) assert.fail(`${problem}\n${round.examples.join('\n')}`);
    const waitedMs = await world.untilQuiet(STALL_MS);
    referee.excuse(beganMs, Date.now());
    t.diagnostic(`once more after ${waitedMs} ms: ${problem}`);
  }
}

/** A fault that begins while another one lasts says nothing of itself; it is told what lasted. */
async function calmDown(t: TestContext, world: World): Promise<void> {
  const beganMs = Date.now();
  await world.calm();
  const waitedMs = Date.now() - beganMs;
  if (waitedMs <= CALM_SOON_MS) return;
  t.diagnostic(`not calm at first, but after ${waitedMs} ms`);
  for (const line of await storyOf(world, beganMs - STORY_MS)) t.diagnostic(line);
}

/** What the nameservers tell of it, for when something is wrong. */
async function storyOf(world: World, sinceMs: number): Promise<readonly string[]> {
  const stories = await Promise.all(
    REGIONS.map(async (region) => {
      const events = await world.events(region, sinceMs);
      return events.map(({ atMs, kind, message, subject }) => {
        return `  ${atMs - sinceMs} ms, ${region}: ${kind} ${subject}: ${message}`;
      });
    }),
  );
  return stories.flat();
}

const lateMs = ({ newsMs = PROPAGATE_MS }: Scenario): number => newsMs - PROPAGATE_MS;

function problemOf(round: Round, scenario: Scenario): string | undefined {
  const { newsMs: newsMsMax = PROPAGATE_MS } = scenario;
  const { answersMs, drainMs = 0, name, propagateMs } = round;
  if (round.empty + round.wrong > 0) {
    return `${name}: ${round.wrong} answers are wrong, ${round.empty} empty`;
  }
  if (answersMs > (LEAVE_MS + lateMs(scenario)) * PATIENCE_FACTOR)
    return `${name}: left after ${answersMs} ms`;
  const newsMs = Math.max(propagateMs, drainMs);
  if (newsMs > newsMsMax * PATIENCE_FACTOR) return `${name}: told after ${newsMs} ms`;
  return undefined;
}

async function runOnce(world: World, referee: Referee, scenario: Scenario): Promise<Round> {
  const finish = referee.begin(lateMs(scenario));
  try {
    const times = await measureFault(world, scenario);
    await world.calm();
    return { name: scenario.name, ...times, ...finish() };
  } finally {
    // Also when it failed: what follows it is not to be blamed for it.
    for (const network of REGIONS) {
      for (const each of REGIONS) world.truth.set(Date.now(), network, each, 'there');
    }
  }
}

async function measureFault(world: World, scenario: Scenario) {
  const { at, region } = scenario.drain ?? {};
  const judges = scenario.judges ?? REGIONS;
  const beganMs = Date.now();
  if (scenario.begin !== undefined) {
    await scenario.begin(world);
    await delay(BEGUN_MS);
  }
  try {
    const times = await measureTarget(world, scenario.target, judges);
    const isDrained = at !== undefined && region !== undefined;
    const drainTimes = isDrained ? await measureDrain(world, at, region, judges) : {};
    await scenario.check?.(world, beganMs);
    return { ...times, ...drainTimes };
  } finally {
    await scenario.end?.(world);
  }
}

async function measureTarget(world: World, target: Target, judges: readonly Region[]) {
  const { region } = target;
  setTruth(world, target, 'gone');
  const startMs = Date.now();
  await endTarget(world, target);
  const able = judges.filter((each) => target.ending !== 'dark' || each !== region);
  const streams = concerned(world, region, able);
  let isMended = false;
  const mend = async (): Promise<void> => {
    if (isMended) return;
    isMended = true;
    await mendTarget(world, target);
  };
  try {
    return await followTarget(world, target, able, streams, startMs, mend);
  } finally {
    await mend();
  }
}

async function followTarget(
  world: World,
  target: Target,
  able: readonly Region[],
  streams: ReturnType<typeof concerned>,
  startMs: number,
  mend: () => Promise<void>,
) {
  const { region } = target;
  const left = await untilLeft(world, region, streams, startMs);
  const detected = await untilDetected(world, target, able, startMs);
  const mendMs = Date.now();
  await mend();
  // A program that starts takes seconds, which are not what is asked here.
  setTruth(world, target, isStarted(target) ? 'unsure' : 'there');
  // Those who were cut off have the world's view again, which has still to see them.
  if (target.ending === 'dark') world.truth.set(mendMs, region, region, 'unsure');
  const back = await untilBack(world, region, streams, mendMs);
  setTruth(world, target, 'there');
  world.truth.set(Date.now(), region, region, 'there');
  return {
    ...detected,
    ...left,
    backMs: back.answersMs,
    resolversBackMs: back.resolversMs,
  };
}
