import { seededDraw } from '../cluster/virtual-network.ts';
import { type Bounds, boundsOf } from './bounds.ts';
import { drawFault } from './faults.ts';
import { checkGrowth } from './growth.ts';
import { checkDown, checkNode } from './invariants.ts';
import { drawPlan, type Plan, type Size } from './plan.ts';
import { type Violation, wrong } from './violation.ts';
import { openWorld, type World } from './world.ts';

/**
 * Runs one world from its seed to its end, or to the first thing that must not be. The same seed and
 * size tell the same history, to the letter.
 */
export type Outcome = {
  readonly plan: Plan;
  readonly simulatedMs: number;
  readonly violation: (Violation & { readonly atSeconds: number }) | undefined;
  readonly historyHash: string;
  readonly counts: World['counts'];
};

export type SimulateOptions = {
  readonly onLine?: (line: string) => void;
  /** Stops earlier than the plan says. */
  readonly durationMaxMs?: number;
};

/** Of what people say, so much is a configuration. */
const PUBLISH_SHARE = 0.2;
/** Of nodes that are told by several people. */
const WORDS_PER_FAULT = 4;
/** Faults that are on at once. */
const FAULTS_MAX = 3;

export async function simulate(
  seed: number,
  size: Size,
  options: SimulateOptions = {},
): Promise<Outcome> {
  const draw = seededDraw(seed);
  const plan = drawPlan(seed, size, draw);
  const bounds = boundsOf(plan);
  let violation: Violation | undefined;
  const world = await openWorld(plan, {
    draw,
    onLine: options.onLine,
    onWrong(found) {
      violation ??= found;
    },
    onEvent(happening, node, kind, subject) {
      const { downSinceMs } = happening.places.get(node)!;
      if (kind === 'endpoint.down') {
        violation ??= checkDown(happening, bounds, node, subject);
        downSinceMs.set(subject, happening.clock.nowMs());
      } else if (kind === 'endpoint.up' || kind === 'endpoint.unknown') downSinceMs.delete(subject);
    },
  });
  const startMs = world.clock.nowMs();
  const durationMs = Math.min(plan.durationMs, options.durationMaxMs ?? plan.durationMs);
  const schedule = createSchedule(world, draw);
  const stepMs = plan.monitor.intervalMs;
  while (violation === undefined && world.clock.nowMs() - startMs < durationMs) {
    try {
      await world.clock.advance(stepMs * (0.5 + draw()));
      violation ??= checkAll(world, bounds, draw);
      if (violation === undefined) await schedule.next();
    } catch (error) {
      violation = wrong('nothing throws', String(error instanceof Error ? error.stack : error));
    }
  }
  violation ??= checkGrowth(world);
  const simulatedMs = world.clock.nowMs() - startMs;
  if (violation) world.tell(`VIOLATION of ${violation.invariant}: ${violation.what}`);
  const historyHash = world.historyHash();
  await world.close();
  return {
    plan,
    simulatedMs,
    violation: violation && { ...violation, atSeconds: simulatedMs / 1000 },
    historyHash,
    counts: world.counts,
  };
}

function checkAll(world: World, bounds: Bounds, draw: () => number): Violation | undefined {
  for (const [name] of world.living()) {
    const violation = checkNode(world, bounds, name, draw);
    if (violation !== undefined) return violation;
  }
  return world.agreement.check(world);
}

/** Faults that come and go, and people who speak, drawn as time goes on. */
function createSchedule(world: World, draw: () => number) {
  const { plan } = world;
  const mends: { readonly atMs: number; readonly mend: () => Promise<void> }[] = [];
  const later = (meanMs: number): number => world.clock.nowMs() + meanMs * (0.3 + 1.4 * draw());
  let faultAtMs = later(plan.faultEveryMs);
  // Several people speak more, and of the same things.
  const wordEveryMs = plan.faultEveryMs / (plan.nodes.length > 1 ? WORDS_PER_FAULT : 1);
  let wordAtMs = later(wordEveryMs);
  return {
    async next(): Promise<void> {
      const nowMs = world.clock.nowMs();
      for (const due of mends.filter(({ atMs }) => atMs <= nowMs)) {
        mends.splice(mends.indexOf(due), 1);
        await due.mend();
      }
      if (nowMs >= faultAtMs) {
        faultAtMs = later(plan.faultEveryMs);
        const mend =
          mends.length < FAULTS_MAX ? await drawFault(world, draw)(world, draw) : undefined;
        if (mend !== undefined) {
          world.counts.faults += 1;
          mends.push({ atMs: later(plan.faultLastsMs), mend });
        }
      }
      if (nowMs >= wordAtMs) {
        wordAtMs = later(wordEveryMs);
        if (plan.hasStore && draw() < PUBLISH_SHARE) publish(world, draw);
        else speak(world, draw);
        keepState(world, draw);
      }
    },
  };
}

/** A node writes its state of health to its disk; should it be killed later, this is what it may find. */
function keepState(world: World, draw: () => number): void {
  const living = world.living();
  if (living.length === 0) return;
  const [name, node] = living[Math.floor(draw() * living.length)]!;
  world.places.get(name)!.kept = node.save().health;
}

/** Somebody publishes a configuration that leaves out an endpoint, or none. */
function publish(world: World, draw: () => number): void {
  const living = world.living();
  if (living.length === 0) return;
  const [name, { facts }] = living[Math.floor(draw() * living.length)]!;
  const pool = world.plan.pools[Math.floor(draw() * world.plan.pools.length)]!;
  const region = pool.regions[Math.floor(draw() * pool.regions.length)]!;
  const text = draw() < 0.5 ? '' : `${pool.name}/${region}`;
  const known = facts.revisions.current()?.revision ?? 0;
  world.tell(`${name} publishes after revision ${known}: without ${text}`);
  void facts.revisions.publish({ text, by: name, note: '' }, known);
}

/** Somebody drains an endpoint on some node, for a while or for good, or takes it back. */
function speak(world: World, draw: () => number): void {
  const living = world.living();
  if (living.length === 0) return;
  const [name, { facts, overrides }] = living[Math.floor(draw() * living.length)]!;
  const nowMs = world.clock.nowMs();
  const pool = world.plan.pools[Math.floor(draw() * world.plan.pools.length)]!;
  const target = `${pool.name}/${pool.regions[Math.floor(draw() * pool.regions.length)]!}`;
  const known = overrides.current().filter((each) => each.target.name === target);
  const id = `w${world.words.size() + 1}`;
  const word = { id, target, node: name, atMs: nowMs };
  if (known.length > 0 && draw() < 0.7) {
    world.tell(`${name} clears ${target}`);
    const before = known.map(({ reason }) => reason);
    world.words.say({ ...word, kind: 'clear', expiresMs: undefined }, before);
    void overrides.clear((each) => each.target.name === target);
    return;
  }
  const lastsMs = draw() < 0.7 ? Math.round(draw() * 30 * 60_000) + 60_000 : undefined;
  world.tell(
    `${name} drains ${target}${lastsMs === undefined ? '' : ` for ${lastsMs} ms`} as ${id}`,
  );
  const setAtMs = facts.clock.nowMs();
  const expiresMs = lastsMs === undefined ? undefined : nowMs + lastsMs;
  world.words.say(
    { ...word, kind: 'set', expiresMs },
    known.map(({ reason }) => reason),
  );
  void overrides.set({
    target: { kind: 'endpoint', name: target },
    action: 'drain',
    reason: id,
    by: name,
    setAtMs,
    expiresAtMs: lastsMs === undefined ? undefined : setAtMs + lastsMs,
  });
}
