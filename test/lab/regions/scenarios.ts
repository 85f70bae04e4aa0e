import assert from 'node:assert/strict';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { until } from '../../node/until.ts';
import { RESOLVER, serverName } from './judge.ts';
import { concerned, untilBack, untilLeft } from './measure.ts';
import { type Part, SMALL_DISK } from './parts.ts';
import type { Place } from './redis-set.ts';
import type { Scenario } from './scenario.ts';
import { setApart, type Target } from './targets.ts';
import { HOSTS, REGIONS, type Region } from './wide-area.ts';
import type { World } from './world.ts';

/**
 * All that is done to the world, each as it happens to people: something fails, and before it is mended
 * a region fails, too.
 */
export function targetScenarios(): readonly Scenario[] {
  const endings = ['refused', 'reset', 'hanging'] as const;
  return endings.flatMap((ending) => REGIONS.map((region) => alone({ ending, region })));
}

const FACTS = '{meridian}:data';
const TOLD_DEADLINE_MS = 10_000;
const LATE_MS = 7_200_000;
const LAPSE_SECONDS = 3;

const NAMES: Readonly<Record<Target['ending'], string>> = {
  refused: 'a region refuses connections',
  reset: 'a region resets connections',
  hanging: 'a region takes requests and says nothing',
  dark: 'a region is cut off from the others, and comes back',
  'balancer killed': 'a balancer is killed, and started again',
  'balancer stopped': 'a balancer is stopped, and goes on',
  'origin killed': 'an origin is killed, and started again',
};

const alone = (target: Target): Scenario => ({ name: NAMES[target.ending], target });
/** Who is cut off knows by silence alone: three signs of life, and then it judges by itself. */
const SILENCE_MS = 2000;

/** `turn`: 0, 1, 2 …; each time in other regions. */
export function partScenarios(turn: number): readonly Scenario[] {
  const [one, other, third] = [0, 1, 2].map((index) => REGIONS[(turn + index) % REGIONS.length]!);
  if (one === undefined || other === undefined || third === undefined) throw new Error('regions');
  const refuses = { target: { ending: 'refused', region: other } } as const;
  const hangs = { target: { ending: 'hanging', region: other } } as const;
  const drain = { at: third, region: third } as const;
  return [
    { ...alone({ ending: 'dark', region: third }), newsMs: SILENCE_MS },
    alone({ ending: 'balancer killed', region: one }),
    alone({ ending: 'balancer stopped', region: third }),
    alone({ ending: 'origin killed', region: other }),
    { name: 'nothing but a region that refuses', ...refuses, drain },
    {
      name: 'a nameserver is killed, and started again',
      ...{ ...hangs, judges: [other, third], drain },
      begin: (world) => killNameserver(world, one),
      end: (world) => startNameserver(world, one),
    },
    {
      name: 'a nameserver is stopped, and goes on',
      ...{ ...hangs, judges: [other, third], drain },
      begin: (world) => pauseNameserver(world, one),
      // What it was asked meanwhile it answers now, by what it knew: by then that is true again.
      end: (world) => resumeNameserver(world, one),
    },
    { name: 'a prober is killed, and started again', ...hangs, drain, ...killed(one, 'prober') },
    { name: 'a prober is stopped, and goes on', ...hangs, drain, ...paused(one, 'prober') },
    {
      name: 'two regions do not reach each other',
      ...{ ...refuses, drain },
      // What is between one and other is not seen by the third, which therefore is the target.
      target: { ending: 'refused', region: third },
      begin: (world) => apart(world, one, other, true),
      end: (world) => heal(world, one, other),
    },
    {
      name: 'packets pass one way only between two regions',
      target: { ending: 'hanging', region: third },
      drain,
      begin: (world) => apart(world, one, other, false),
      end: (world) => heal(world, one, other),
    },
    {
      name: 'the way between two regions takes 300 ms',
      ...{ target: { ending: 'refused', region: third }, drain },
      begin: async (world) => {
        setApart(world, one, other, 'unsure');
        await world.wide.slow(one, other, 150);
      },
      end: (world) => heal(world, one, other),
    },
    blindProber(one, third, drain),
    diskFull({ ending: 'refused', region: one }, { at: SMALL_DISK.region, region: other }),
    clockOffset(one, refuses.target, drain),
  ];
}

/** What happens to Redis with its Sentinels. */
export function redisScenarios(turn: number): readonly Scenario[] {
  const [one, other] = [0, 1].map((index) => REGIONS[(turn + index) % REGIONS.length]!);
  if (one === undefined || other === undefined) throw new Error('regions');
  const refuses = { target: { ending: 'refused', region: one } } as const;
  const drain = { at: other, region: other } as const;
  let was: Place = { region: 'virginia', part: 'redis' };
  return [
    {
      name: 'the Redis that takes writes is killed, and started again',
      ...{ ...refuses, drain },
      async begin(world) {
        was = await world.redis.master();
        await world.parts.kill(was.region, was.part);
      },
      check: ({ redis }) => redis.untilMoved(was),
      async end({ parts, redis }) {
        parts.start(was.region, was.part);
        await redis.untilWhole();
      },
    },
    {
      name: 'the Redis that takes writes hangs, and goes on',
      ...{ ...refuses, drain },
      async begin(world) {
        was = await world.redis.master();
        world.parts.pause(was.region, was.part);
      },
      check: ({ redis }) => redis.untilMoved(was),
      async end({ parts, redis }) {
        parts.resume(was.region, was.part);
        await redis.untilWhole();
      },
    },
    {
      name: 'all of Redis and its Sentinels are dead, and start empty',
      ...{ ...refuses, drain },
      begin: (world) => everywhere(world, 'kill'),
      end: (world) => everywhere(world, 'start'),
    },
    {
      name: 'Redis is emptied',
      ...{ ...refuses, drain },
      async begin({ redis }) {
        assert.equal(await redis.cli(await redis.master(), 'flushall'), 'OK');
      },
      async check({ redis }) {
        const isTold = async (): Promise<boolean> =>
          (await redis.cli(await redis.master(), 'exists', FACTS)) === '1';
        await until(isTold, TOLD_DEADLINE_MS, 'the facts are in Redis again');
      },
    },
    {
      name: 'the way to Redis takes 300 ms more',
      ...{ ...refuses, drain },
      begin: ({ wide }) => wide.slowHosts([HOSTS.redis, HOSTS.sentinel], 150),
      end: ({ wide }) => wide.heal(),
    },
    {
      name: 'Redis is cut off from the other regions',
      ...{ ...refuses, drain },
      async begin({ redis, wide }) {
        was = await redis.master();
        await wide.cutHosts(was.region, [HOSTS.redis, HOSTS.sentinel]);
      },
      check: ({ redis }) => redis.untilMoved(was),
      async end({ redis, wide }) {
        await wide.heal();
        await redis.untilWhole();
      },
    },
  ];
}

function killed(region: Region, part: Part): Pick<Scenario, 'begin' | 'end'> {
  return {
    begin: ({ parts }) => parts.kill(region, part),
    end: async ({ parts }) => parts.start(region, part),
  };
}

function paused(region: Region, part: Part): Pick<Scenario, 'begin' | 'end'> {
  return {
    begin: async ({ parts }) => parts.pause(region, part),
    end: async ({ parts }) => parts.resume(region, part),
  };
}

async function killNameserver({ parts, truth }: World, region: Region): Promise<void> {
  const atMs = Date.now();
  for (const network of REGIONS) truth.set(atMs, network, serverName(region), 'gone');
  await parts.kill(region, 'nameserver');
}

async function startNameserver(
  { parts, truth }: World,
  region: Region,
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  parts.start(region, 'nameserver', environment);
  await parts.said(region, 'nameserver', 'node.ready');
  const atMs = Date.now();
  for (const network of REGIONS) truth.set(atMs, network, serverName(region), 'there');
}

async function pauseNameserver({ parts, truth }: World, region: Region): Promise<void> {
  const atMs = Date.now();
  for (const network of REGIONS) truth.set(atMs, network, serverName(region), 'gone');
  parts.pause(region, 'nameserver');
}

async function resumeNameserver({ parts, truth }: World, region: Region): Promise<void> {
  parts.resume(region, 'nameserver');
  const atMs = Date.now();
  for (const network of REGIONS) truth.set(atMs, network, serverName(region), 'there');
}

async function apart(world: World, one: Region, other: Region, isBothWays: boolean): Promise<void> {
  setApart(world, one, other, 'unsure');
  await world.wide.cut(one, other);
  if (isBothWays) await world.wide.cut(other, one);
}

async function heal(world: World, one: Region, other: Region): Promise<void> {
  await world.wide.heal();
  setApart(world, one, other, 'there');
}

async function everywhere({ parts, redis }: World, act: 'kill' | 'start'): Promise<void> {
  for (const part of ['redis', 'sentinel'] as const) {
    for (const region of REGIONS) await parts[act](region, part);
  }
  if (act === 'start') await redis.untilWhole();
}

/**
 * A prober reaches nobody outside of its region: all others fail for it, and two canaries of three. It
 * abstains, so that nothing but what really fails leaves the answers, its own region least of all.
 */
function blindProber(region: Region, target: Region, drain: Scenario['drain'] & object): Scenario {
  const said = ({ parts }: World, event: string): number =>
    parts.log(region, 'prober').split(`"event":"${event}"`).length - 1;
  const untilSaid = async (
    world: World,
    event: string,
    act: () => Promise<void>,
  ): Promise<void> => {
    const before = said(world, event);
    await act();
    await until(() => said(world, event) > before, TOLD_DEADLINE_MS, `${region} says ${event}`);
  };
  return {
    name: 'a prober reaches nobody any more, and distrusts itself',
    target: { ending: 'refused', region: target },
    drain,
    begin: (world) =>
      untilSaid(world, 'vantage.distrusted', () => world.wide.cutOff(region, HOSTS.prober)),
    end: (world) => untilSaid(world, 'vantage.trusted', () => world.wide.heal()),
  };
}

/** The disk of a node's state is full: it goes on, says so once, and once that it is over. */
function diskFull(target: Target, drain: Scenario['drain'] & object): Scenario {
  const { part, region } = SMALL_DISK;
  const said = ({ parts }: World, event: string): number =>
    parts.log(region, part).split(`"event":"${event}"`).length - 1;
  const before = new Map<string, number>();
  const events = ['state.unwritable', 'facts.unwritable'];
  const fileOf = ({ parts }: World): string =>
    parts.pathOf(region, part, `${parts.stateDirectory(region, part)}/full`);
  return {
    name: 'the disk of a nameserver is full, and has room again',
    target,
    drain,
    async begin(world) {
      for (const event of events) before.set(event, said(world, event));
      fill(fileOf(world));
    },
    async check(world) {
      const what = (): string =>
        `it says that its disk is full: ${world.parts.log(region, part).slice(-2000)}`;
      const grown = (): number =>
        events.filter((event) => said(world, event) > before.get(event)!).length;
      await until(() => grown() > 0, TOLD_DEADLINE_MS, what);
      for (const event of events) {
        assert.ok(said(world, event) <= before.get(event)! + 1, `${event} is said once`);
      }
    },
    async end(world) {
      rmSync(fileOf(world));
    },
  };
}

function fill(file: string): void {
  const { bavail, bsize } = statfsSync(dirname(file));
  writeFileSync(file, Buffer.alloc(bavail * bsize));
}

/** A node whose clock is two hours late; a drain that is set there ends when it should. */
function clockOffset(region: Region, target: Target, drain: Scenario['drain'] & object): Scenario {
  return {
    name: 'the clock of a nameserver is two hours late',
    target,
    drain: { ...drain, at: region },
    async begin(world) {
      await killNameserver(world, region);
      await startNameserver(world, region, { MERIDIAN_CLOCK_OFFSET_MS: `-${LATE_MS}` });
      world.skews.set(region, -LATE_MS);
      await world.calm();
    },
    async check(world) {
      const drained = { reason: 'lab', forSeconds: LAPSE_SECONDS };
      const startMs = Date.now();
      for (const network of REGIONS) world.truth.set(startMs, network, drain.region, 'unsure');
      const streams = concerned(world, drain.region, REGIONS).filter(
        ({ server }) => server !== RESOLVER,
      );
      const draining = world.post(region, `regions/${drain.region}/drain`, drained);
      await untilLeft(world, drain.region, streams, startMs);
      const leftMs = Date.now();
      await draining;
      await untilBack(world, drain.region, streams, leftMs);
      const tookMs = Date.now() - startMs;
      assert.ok(tookMs > LAPSE_SECONDS * 1000, `a drain lasts ${tookMs} ms`);
    },
    async end(world) {
      await killNameserver(world, region);
      await startNameserver(world, region);
      world.skews.delete(region);
    },
  };
}
