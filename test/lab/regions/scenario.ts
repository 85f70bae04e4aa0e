import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { concerned, measureDrain, untilBack, untilDetected, untilLeft } from './measure.ts';
import type { Referee } from './referee.ts';
import type { Round } from './table.ts';
import { endTarget, mendTarget, setTruth, type Target } from './targets.ts';
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
  /** Nameservers that can know of the target; all by default. */
  readonly judges?: readonly Region[];
  /** Where a person drains, and what; absent = nobody does. */
  readonly drain?: { readonly at: Region; readonly region: Region };
};

/** LAB_STRICT=1: the bounds themselves are demanded; else a machine may be busy with other things. */
export const PATIENCE_FACTOR = process.env['LAB_STRICT'] === '1' ? 1 : 3;
export const LEAVE_MS = 1200;
export const PROPAGATE_MS = 500;
/** A fault has begun everywhere. */
const BEGUN_MS = 300;

export async function runScenario(
  t: TestContext,
  world: World,
  referee: Referee,
  scenario: Scenario,
): Promise<Round> {
  const judges = scenario.judges ?? REGIONS;
  const beganMs = Date.now();
  const finish = referee.begin(scenario.name);
  if (scenario.begin !== undefined) {
    await scenario.begin(world);
    await delay(BEGUN_MS);
  }
  const times = await measureTarget(world, scenario.target, judges);
  const { at, region } = scenario.drain ?? {};
  const drained =
    at === undefined || region === undefined
      ? undefined
      : await measureDrain(world, at, region, judges);
  await scenario.check?.(world, beganMs);
  await scenario.end?.(world);
  await world.calm();
  for (const network of REGIONS) for (const each of REGIONS) settle(world, network, each);
  const counts = finish();
  const round = { name: scenario.name, ...times, ...drained, ...counts };
  t.diagnostic(JSON.stringify(round));
  assert.deepEqual(counts.examples, [], `${scenario.name}: answers are wrong or empty`);
  const bound = LEAVE_MS * PATIENCE_FACTOR;
  assert.ok(round.answersMs <= bound, `${scenario.name}: left after ${round.answersMs} ms`);
  const news = Math.max(round.propagateMs, round.drainMs ?? 0);
  assert.ok(news <= PROPAGATE_MS * PATIENCE_FACTOR, `${scenario.name}: told after ${news} ms`);
  return round;
}

async function measureTarget(world: World, target: Target, judges: readonly Region[]) {
  const { region } = target;
  setTruth(world, target, 'gone');
  const startMs = Date.now();
  await endTarget(world, target);
  const able = judges.filter((each) => target.ending !== 'dark' || each !== region);
  const streams = concerned(world, region, able);
  const left = await untilLeft(world, region, streams, startMs);
  const detected = await untilDetected(world, target, able, startMs);
  const mendMs = Date.now();
  await mendTarget(world, target);
  setTruth(world, target, 'there');
  const back = await untilBack(world, region, streams, mendMs);
  return {
    ...detected,
    ...left,
    backMs: back.answersMs,
    resolversBackMs: back.resolversMs,
  };
}

/** From now on everything is as it should be. */
function settle({ truth }: World, network: Region, region: Region): void {
  truth.set(Date.now(), network, region, 'there');
}
