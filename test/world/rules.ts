/** Rules that answer askers with regions, as others ship them. */
import { distanceKm } from '../../src/geo/distance.ts';
import type { Draw, World } from './world.ts';

/** What is seen of the world at an instant. */
export type Sight = {
  readonly atMs: number;
  /** By region: what is told of health. */
  readonly isUp: readonly boolean[];
};

export type Rule = {
  readonly name: string;
  /** What it fills regions to while there is room elsewhere, 0..1; undefined = it knows nothing of capacities. */
  readonly targetShare?: number;
  /** Called before the askers of an instant ask. */
  begin(sight: Sight): Promise<void> | void;
  /** The region that an asker is answered with. */
  answer(asker: number, sight: Sight): number;
  /** What came of it: by network the region that most of it went to, and requests a second by region. */
  hear(served: Served): void;
};

export type Served = {
  readonly atMs: number;
  readonly seconds: number;
  /** By network. */
  readonly region: Int32Array;
  readonly demand: Float64Array;
  /** By region, requests a second that it got. */
  readonly loads: Float64Array;
  /** A round-trip time as it is measured, milliseconds. */
  measured(network: number, region: number): number;
};

const EWMA = 0.3;

export function simpleRules(world: World, draw: Draw): readonly Rule[] {
  return [nearest(world), lowestEwma(world, draw), roundRobin(world), random(world, draw)];
}

const upOnes = ({ isUp }: Sight): readonly number[] => {
  const up = [...isUp.keys()].filter((region) => isUp[region]);
  return up.length > 0 ? up : [...isUp.keys()];
};
const nothing = (): void => {};

function nearest({ askers, regions, networks }: World): Rule {
  const far = askers.map(({ location, subnet, networks: own }) => {
    const from = subnet === undefined ? location : networks[own[0]!]!.location;
    return regions.map((region) => distanceKm(from, region.location) ?? 0);
  });
  return {
    name: 'nearest',
    begin: nothing,
    answer: (asker, sight) => least(upOnes(sight), far[asker]!),
    hear: nothing,
  };
}

/** Of every asker the ways to all regions are measured once a minute, and the least mean of the last ones wins. */
function lowestEwma({ askers, regions }: World, draw: Draw): Rule {
  const means = askers.map(() => regions.map(() => 0));
  let last: Served | undefined;
  let nextMs = 0;
  return {
    name: 'lowest EWMA',
    begin({ atMs }) {
      if (last === undefined || atMs < nextMs) return;
      nextMs = atMs + 60_000;
      for (const [asker, { networks }] of askers.entries()) {
        const network = networks[Math.floor(draw() * networks.length)]!;
        for (const region of regions.keys()) {
          const now = last.measured(network, region);
          const before = means[asker]![region]!;
          means[asker]![region] = before === 0 ? now : before + EWMA * (now - before);
        }
      }
    },
    answer: (asker, sight) => least(upOnes(sight), means[asker]!),
    hear(served) {
      last = served;
    },
  };
}

function roundRobin({ askers }: World): Rule {
  const turns = askers.map((_, asker) => asker);
  return {
    name: 'round robin',
    begin: nothing,
    answer(asker, sight) {
      turns[asker]! += 1;
      const up = upOnes(sight);
      return up[turns[asker]! % up.length]!;
    },
    hear: nothing,
  };
}

function random(_: World, draw: Draw): Rule {
  return {
    name: 'random',
    begin: nothing,
    answer(_asker, sight) {
      const up = upOnes(sight);
      return up[Math.floor(draw() * up.length)]!;
    },
    hear: nothing,
  };
}

function least(regions: readonly number[], of: readonly number[]): number {
  let best = regions[0]!;
  for (const region of regions) if (of[region]! < of[best]!) best = region;
  return best;
}
