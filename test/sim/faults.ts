import type { World } from './world.ts';

/**
 * What breaks in a simulated world, and how it is mended. Each fault begins when it is drawn and returns
 * what ends it.
 */
export type Fault = (
  world: World,
  draw: () => number,
) => Promise<(() => Promise<void>) | undefined>;

/** Draws one that this world can have. */
export function drawFault(world: World, draw: () => number): Fault {
  const { hasAgents, hasCanaries, nodes } = world.plan;
  const faults = [
    ...EVERYWHERE,
    ...(nodes.length > 1 ? AMONG_NODES : []),
    ...(hasAgents ? [unready, unready] : []),
    // Which eyes without canaries find hard to believe.
    ...(hasCanaries ? [] : [night, night, night]),
  ];
  return faults[Math.floor(draw() * faults.length)]!;
}

const pick = <Item>(items: readonly Item[], draw: () => number): Item =>
  items[Math.floor(draw() * items.length)]!;

/** A fault of the truth that probes see. */
const seen =
  (name: (world: World, draw: () => number) => string): Fault =>
  async (world, draw) => {
    const fault = name(world, draw);
    const turn = (isOn: boolean): void => {
      world.tell(`${isOn ? 'fault' : 'mended'}: ${fault}`);
      world.truth.set(fault, isOn, world.clock.nowMs());
    };
    turn(true);
    return async () => turn(false);
  };

const anEndpoint = ({ plan }: World, draw: () => number): string => {
  const pool = pick(plan.pools, draw);
  return `${pool.name}/${pick(pool.regions, draw)}`;
};
const aRegion = ({ plan }: World, draw: () => number): string => pick(plan.regions, draw).name;
const aVantage = ({ plan }: World, draw: () => number): string =>
  pick(
    plan.nodes.flatMap(({ vantages }) => vantages),
    draw,
  ).name;

const dead = seen((world, draw) => `dead ${anEndpoint(world, draw)}`);
const hung = seen((world, draw) => `hung ${anEndpoint(world, draw)}`);
const slow = seen((world, draw) => `slow ${anEndpoint(world, draw)}`);
const flapping = seen((world, draw) => `flapping ${anEndpoint(world, draw)}`);
const dark = seen((world, draw) => `dark ${aRegion(world, draw)}`);
const cut = seen((world, draw) => `cut ${aRegion(world, draw)} ${aRegion(world, draw)}`);
const blind = seen((world, draw) => `blind ${aVantage(world, draw)}`);
const unready = seen((world, draw) => `unready ${anEndpoint(world, draw)}`);

/** Two regions of four or more go dark at one moment. */
const night: Fault = async (world, draw) => {
  const { clock, plan, truth } = world;
  if (plan.regions.length < 4) return undefined;
  const one = Math.floor(draw() * plan.regions.length);
  const other = (one + 1 + Math.floor(draw() * (plan.regions.length - 1))) % plan.regions.length;
  const names = [plan.regions[one]!.name, plan.regions[other]!.name];
  const turn = (isOn: boolean): void => {
    world.tell(`${isOn ? 'fault' : 'mended'}: dark ${names.join(' and ')}`);
    for (const name of names) truth.set(`dark ${name}`, isOn, clock.nowMs());
  };
  turn(true);
  return async () => turn(false);
};

const killed: Fault = async (world, draw) => {
  const candidates = world.living();
  if (candidates.length === 0) return undefined;
  const [name] = pick(candidates, draw);
  const isWiped = draw() < 0.2;
  const over = world.disturb();
  world.tell(`fault: ${name} is killed${isWiped ? ', its disk is lost' : ''}`);
  if (isWiped) world.words.forget(name, (world.calmSinceMs() ?? 0) - SPOKEN_MS);
  const hasOldState = draw() < 0.3;
  await world.kill(name, { isWiped, hasOldState });
  if (isWiped) world.words.forget(name, 0);
  return async () => {
    world.tell(`mended: ${name} starts`);
    await world.begin(name);
    over();
  };
};

const frozen: Fault = async (world, draw) => {
  const candidates = world.living();
  if (candidates.length === 0) return undefined;
  const [name, node] = pick(candidates, draw);
  const place = world.places.get(name)!;
  const over = world.disturb();
  world.tell(`fault: ${name} is stopped`);
  place.isFrozen = true;
  node.freeze(true);
  return async () => {
    world.tell(`mended: ${name} goes on`);
    place.isFrozen = false;
    node.freeze(false);
    over();
  };
};

const bent: Fault = async (world, draw) => {
  const name = pick([...world.places.keys()], draw);
  const place = world.places.get(name)!;
  const byMs = Math.round((draw() * 2 - 1) * BEND_MAX_MS);
  const over = world.disturb();
  world.tell(`fault: the clock of ${name} is set by ${byMs} ms`);
  place.bendMs += byMs;
  place.wasBent = true;
  return async () => {
    world.tell(`mended: the clock of ${name}`);
    place.bendMs -= byMs;
    over();
  };
};

const parted: Fault = async (world, draw) => {
  const names = [...world.places.keys()];
  const left = names.filter(() => draw() < 0.5);
  const right = names.filter((name) => !left.includes(name));
  const isOneWay = draw() < 0.3;
  const over = world.disturb();
  world.tell(`fault: ${left.join()} ${isOneWay ? '->' : '|'} ${right.join()}`);
  for (const a of left) {
    for (const b of right) {
      world.network.cut(`${a}:1`, `${b}:1`);
      if (!isOneWay) world.network.cut(`${b}:1`, `${a}:1`);
    }
  }
  return async () => {
    world.tell('mended: all ways between nodes');
    world.network.heal();
    over();
  };
};

const storeless: Fault = async (world, draw) => {
  if (!world.plan.hasStore) return undefined;
  const loss = draw();
  const isEmptied = loss < 0.3;
  const backup = loss > 0.7 ? await world.store.backup() : undefined;
  const over = world.disturb();
  world.tell(
    `fault: the store is away${isEmptied ? ', and will come back empty' : backup ? ', and will be set back' : ''}`,
  );
  await world.store.set('away');
  return async () => {
    world.tell('mended: the store is back');
    if (isEmptied) await world.store.set('emptied');
    else await world.store.set('back');
    if (backup !== undefined) await world.store.restore(backup);
    over();
  };
};

const sluggish: Fault = async (world, draw) => {
  if (!world.plan.hasStore) return undefined;
  const byMs = Math.round(100 + draw() * (SLUGGISH_MAX_MS - 100));
  const over = world.disturb();
  world.tell(`fault: the store takes ${byMs} ms`);
  world.store.slow(byMs);
  return async () => {
    world.tell('mended: the store is quick');
    world.store.slow(0);
    over();
  };
};

const SLUGGISH_MAX_MS = 8000;
/** How far a machine's clock may be set wrong. */
export const BEND_MAX_MS = 6 * 3_600_000;
const SPOKEN_MS = 60_000;
const EVERYWHERE: readonly Fault[] = [
  dead,
  dead,
  hung,
  slow,
  flapping,
  dark,
  cut,
  cut,
  blind,
  blind,
  killed,
  frozen,
];
const AMONG_NODES: readonly Fault[] = [killed, frozen, bent, parted, parted, storeless, sluggish];
