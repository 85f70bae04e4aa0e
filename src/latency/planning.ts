import type { LatencyPlannerOptions, PlannerReport } from '../clients/latency-planner.ts';
import type { LatencyConfig } from '../config/latency-config.ts';
import type { Clock } from '../control/clock.ts';
import { leads } from '../planning/leader.ts';
import { publish } from '../planning/published.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { MapKeeper } from './map-keeper.ts';
import type { Planner } from './planner.ts';
import { MAP_KEY, PLANNER_KEY, SKETCH_LOG } from './store-keys.ts';

/**
 * One node of those that could makes the latency map for all (planning/leader.ts). When it is gone another takes over with
 * the map that is in force. Without the store nobody plans, and the map in force stays.
 */
export type Planning = {
  /** Of the last window that this node planned; undefined = it does not. */
  report(): PlannerReport | undefined;
  close(): Promise<void>;
};

export type PlanningParts = {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'read' | 'nowMs'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly planner: Planner;
  readonly keeper: MapKeeper;
  /** This node's name. */
  readonly node: string;
  config(): LatencyConfig;
  /** Undefined = nothing is to be planned now. */
  options(): LatencyPlannerOptions | undefined;
  /** Nobody is to explore: endpoints are down, or a drill runs. */
  isQuiet(): boolean;
};

/** Sketches that are older were planned by somebody else, or are worth nothing any more. */
const OLD_WINDOWS = 3;
const READ_AT_ONCE = 200;

export function createPlanning(parts: PlanningParts): Planning {
  const { clock, config, keeper, log, planner } = parts;
  let [cancel, isClosed, afterId]: [() => void, boolean, string] = [() => {}, false, ''];
  let begun: LatencyPlannerOptions | undefined;
  let report: PlannerReport | undefined;
  let isMute = false;

  const plan = async (): Promise<void> => {
    const options = parts.options();
    if (
      options === undefined ||
      !(await leads({
        ...parts,
        key: PLANNER_KEY,
        windowMs: config().windowMs,
        nowMs: clock.nowMs(),
      }))
    ) {
      begun = undefined;
      report = undefined;
      return;
    }
    const nowMs = clock.nowMs();
    if (begun === undefined || !isSame(begun, options)) {
      planner.begin(options, keeper.held()?.bytes, nowMs);
      begun = options;
      log.info('latency.plans', 'This node makes the latency map.');
    }
    afterId = await learnAll(parts, afterId);
    const generation = (keeper.current()?.generation ?? 0) + 1;
    const planned = await planner.endWindow({ nowMs, isQuiet: parts.isQuiet(), generation });
    if (planned === undefined) {
      begun = undefined;
      return;
    }
    report = planned.report;
    if (planned.map !== undefined && !(await publish(parts.store, MAP_KEY, planned.map)))
      begun = undefined;
  };
  const later = (): void => {
    cancel = clock.setTimer(config().windowMs, () => {
      plan()
        .then(() => {
          isMute = false;
        })
        .catch((error: Error) => {
          if (!isMute) log.warn('latency.unplanned', `No latency map is made: ${error.message}`);
          isMute = true;
        })
        .finally(() => {
          if (!isClosed) later();
        });
    });
  };
  later();
  return {
    report: () => report,
    async close() {
      isClosed = true;
      cancel();
      await planner.close();
    },
  };
}

/** Returns the id of the last sketch. */
async function learnAll(
  { clock, config, planner, store }: PlanningParts,
  afterId: string,
): Promise<string> {
  let last = afterId;
  for (;;) {
    const entries = await store.read(SKETCH_LOG, last, READ_AT_ONCE);
    const nowMs = store.nowMs() ?? clock.nowMs();
    const fresh = entries.filter(({ atMs }) => nowMs - atMs <= OLD_WINDOWS * config().windowMs);
    const sketches = fresh.map(({ value }) => new Uint8Array(Buffer.from(value, 'base64')));
    if (sketches.length > 0) planner.learn(sketches, clock.nowMs());
    last = entries.at(-1)?.id ?? last;
    if (entries.length < READ_AT_ONCE) return last;
  }
}

/** Every map that is taken makes other objects of the same geo data. */
function isSame(a: LatencyPlannerOptions, b: LatencyPlannerOptions): boolean {
  const { geo: geoA, ...restA } = a;
  const { geo: geoB, ...restB } = b;
  const isGeo =
    geoA.edition === undefined
      ? geoA.ranges === geoB.ranges && geoA.sites === geoB.sites
      : geoA.edition === geoB.edition;
  return isGeo && JSON.stringify(restA) === JSON.stringify(restB);
}
