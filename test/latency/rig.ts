/** Nodes that share a store in memory, on one clock that is moved: tellers and planners with the planner itself, and no thread. */
import { decodeLatencyMap, encodeLatencyMap } from '../../src/clients/latency-map.ts';
import { createLatencyPlanner, type LatencyPlanner } from '../../src/clients/latency-planner.ts';
import { decodeSketch } from '../../src/clients/rtt-sketch.ts';
import type { LatencyConfig, ProbesConfig } from '../../src/config/latency-config.ts';
import { composeGeo, type GeoDatabase } from '../../src/geo/database.ts';
import { createMapKeeper, type MapKeeper } from '../../src/latency/map-keeper.ts';
import type { Planner } from '../../src/latency/planner.ts';
import { createPlanning, type Planning } from '../../src/latency/planning.ts';
import { createTeller, type Teller } from '../../src/latency/teller.ts';
import type { Store } from '../../src/store/store.ts';
import type { MovedClock } from '../monitoring/moved-clock.ts';
import { places } from '../steering/places.ts';

export const WINDOW_MS = 60_000;

const noProbes: ProbesConfig = {
  ...{ resolversMax: 0, beacons: [], methods: ['dns'], intervalMs: 600_000 },
  ...{ perSecond: 5, allow: [], exclude: [] },
};

export const latencyConfig: LatencyConfig = {
  ...{ connectionsPerSecond: 100, clientsMin: 3, windowMs: WINDOW_MS, networksMax: 1000 },
  ...{ memoryMs: 6 * 3_600_000, ageMaxMs: 24 * 3_600_000, probes: noProbes },
  rules: {
    ...{ bandMs: 10, bandShare: 0.1, windows: 2, connectionsMin: 3 },
    ...{ dwellMs: 0, churnShare: 1, exploreShare: 0, exploreMs: 0 },
  },
};

const regions = [
  { name: 'virginia', location: places.virginia },
  { name: 'frankfurt', location: places.frankfurt },
  { name: 'singapore', location: places.singapore },
];
export const geo = composeGeo([], [{ networks: ['80.0.0.0/8'], location: places.paris }]);

export type RigNode = {
  readonly teller: Teller;
  readonly planning: Planning;
  readonly keeper: MapKeeper;
  readonly events: string[];
  /** Kinds of what it has logged that is no warning. */
  readonly said: string[];
  close(): Promise<void>;
};

export function openNode(
  store: Store,
  clock: MovedClock,
  node: string,
  {
    directory,
    geoNow = () => geo,
    isQuiet = () => false,
  }: { directory?: string; geoNow?: () => GeoDatabase; isQuiet?: () => boolean } = {},
): RigNode {
  const [events, said]: [string[], string[]] = [[], []];
  const log = {
    info: (kind: string) => void said.push(kind),
    warn: (kind: string) => void events.push(kind),
  };
  const record = (kind: string, _: string, text: string): void =>
    void events.push(`${kind} ${text}`);
  const keeper = createMapKeeper({ store, events: { record }, directory });
  const config = (): LatencyConfig => latencyConfig;
  const teller = createTeller({ store, clock, log, config });
  const options = () => ({
    ...{ regions, geo: geoNow(), hasProbes: true, networksMax: 1000, tellsAll: false },
    ...{ ageMaxMs: latencyConfig.ageMaxMs, memoryMs: latencyConfig.memoryMs },
    rules: latencyConfig.rules,
  });
  const planning = createPlanning({
    ...{ store, clock, log, node, keeper, isQuiet, config },
    planner: withoutThread(),
    options,
  });
  return {
    ...{ teller, planning, keeper, events, said },
    async close() {
      teller.close();
      keeper.close();
      await planning.close();
    },
  };
}

/** The planner, as its thread runs it. */
function withoutThread(): Planner {
  let planner: LatencyPlanner | undefined;
  let before = '';
  return {
    begin(options, map, nowMs) {
      planner = createLatencyPlanner(options);
      const read = map === undefined ? undefined : decodeLatencyMap(map);
      if (read?.ok) planner.adopt(read.map, nowMs);
      before = JSON.stringify(read?.ok ? read.map.rows.map(({ network }) => network) : []);
    },
    learn(sketches, nowMs) {
      for (const bytes of sketches) planner!.learn(decodeSketch(bytes)!, nowMs);
    },
    async endWindow({ generation, isQuiet, nowMs }) {
      const report = planner!.endWindow(nowMs, isQuiet);
      const map = planner!.map(generation, nowMs);
      const saying = JSON.stringify(map.rows.map(({ network }) => network));
      const isNew = saying !== before;
      before = saying;
      return { report, map: isNew ? encodeLatencyMap(map) : undefined };
    },
    close: () => Promise.resolve(),
  };
}
