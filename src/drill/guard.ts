import type { DrillRequest } from './plan.ts';
import { meanShares, type NamePrediction } from './predict.ts';

/**
 * When a drill must not start, and when it must stop. A drill is there to find out, not to break:
 * what would leave a pool without any usable endpoint, or put more on a region than it says it can
 * carry, needs a person's explicit word.
 */

/** What the guard looks at: the state of the house at one instant. */
export type DrillSituation = {
  /** Capacity in requests per second; 0 = not stated. */
  readonly regions: readonly { readonly name: string; readonly capacity: number }[];
  readonly pools: readonly {
    readonly name: string;
    readonly endpoints: readonly { readonly region: string; readonly usable: boolean }[];
  }[];
  /** The drill that is running now, if any. */
  readonly running: { readonly id: string; readonly region: string } | undefined;
  /** Requests per second of all regions together, when measured. */
  readonly demandPerSecond?: number;
};

export type Refusal = {
  /** Stable and machine-readable. */
  readonly code:
    | 'unknown-region'
    | 'duration-out-of-range'
    | 'drill-running'
    | 'region-not-in-use'
    | 'no-usable-endpoint'
    | 'capacity-exceeded';
  readonly message: string;
  readonly hint: string;
  /** With `force` it is a warning instead. */
  readonly forcible: boolean;
};

export const DRILL_SECONDS_MIN = 1;
/** Longer than a day is not a rehearsal but a drain. */
export const DRILL_SECONDS_MAX = 24 * 3600;

/** All reasons not to start, and what a person should know who starts anyway. */
export function checkDrill(
  request: DrillRequest,
  situation: DrillSituation,
  prediction: readonly NamePrediction[],
): { readonly refusals: readonly Refusal[]; readonly warnings: readonly string[] } {
  const found = [
    ...checkRequest(request, situation),
    ...checkPools(request.region, situation),
    ...checkCapacity(request.region, situation, prediction),
  ];
  const overruled = request.force === true ? found.filter(({ forcible }) => forcible) : [];
  return {
    refusals: found.filter((refusal) => !overruled.includes(refusal)),
    warnings: [
      ...overruled.map(({ message }) => message),
      ...idleWarnings(request.region, situation),
      ...headroomWarnings(situation, prediction),
    ],
  };
}

/**
 * Why a running drill must be reverted now, or undefined. `loads` are the measured requests per
 * second; regions without a stated capacity or a measurement are not judged by load.
 */
export function abortReason(
  request: DrillRequest,
  situation: DrillSituation,
  loads: readonly { readonly region: string; readonly requestsPerSecond: number }[] = [],
): string | undefined {
  const [gone] = checkRegion(request.region, situation);
  if (gone !== undefined) return gone.message;
  if (request.force !== true) {
    const [stranded] = checkPools(request.region, situation);
    if (stranded !== undefined) return stranded.message;
  }
  for (const { name, capacity } of situation.regions) {
    const load = loads.find(({ region }) => region === name)?.requestsPerSecond ?? 0;
    if (name === request.region || capacity === 0 || load <= capacity) continue;
    return `${name} carries ${Math.round(load)} requests per second, more than its capacity of ${capacity}.`;
  }
  return undefined;
}

/** A reload may take away the region of a running drill. */
function checkRegion(region: string, { pools, regions }: DrillSituation): readonly Refusal[] {
  const names = regions.map(({ name }) => name);
  if (!names.includes(region)) {
    const hint = names.length === 0 ? 'No region is configured.' : `Regions: ${names.join(', ')}.`;
    const message = `There is no region "${region}".`;
    return [{ code: 'unknown-region', message, hint, forcible: false }];
  }
  if (pools.some((pool) => pool.endpoints.some((endpoint) => endpoint.region === region)))
    return [];
  const message = `No pool has an endpoint in ${region}.`;
  const hint = 'A drill of it would change no answer.';
  return [{ code: 'region-not-in-use', message, hint, forcible: false }];
}

function checkRequest(request: DrillRequest, situation: DrillSituation): readonly Refusal[] {
  const { region, durationSeconds } = request;
  const refusals: Refusal[] = [...checkRegion(region, situation)];
  if (!(durationSeconds >= DRILL_SECONDS_MIN && durationSeconds <= DRILL_SECONDS_MAX)) {
    refusals.push({
      code: 'duration-out-of-range',
      message: `A drill lasts between ${DRILL_SECONDS_MIN} and ${DRILL_SECONDS_MAX} seconds.`,
      hint: 'For longer, drain the region.',
      forcible: false,
    });
  }
  if (situation.running !== undefined) {
    const { id, region: other } = situation.running;
    refusals.push({
      code: 'drill-running',
      message: `Drill ${id} of ${other} is still running.`,
      hint: 'Wait for its end or stop it.',
      forcible: false,
    });
  }
  return refusals;
}

function checkPools(region: string, situation: DrillSituation): readonly Refusal[] {
  return situation.pools
    .filter(
      ({ endpoints }) =>
        endpoints.some((endpoint) => endpoint.region === region) &&
        !endpoints.some((endpoint) => endpoint.region !== region && endpoint.usable),
    )
    .map(({ name }) => ({
      code: 'no-usable-endpoint',
      message: `Pool ${name} has no usable endpoint outside ${region}.`,
      hint: 'Bring another region up first, or say force.',
      forcible: true,
    }));
}

/** With a measured demand, predicted requests per second can be held against stated capacities. */
function checkCapacity(
  drilled: string,
  situation: DrillSituation,
  prediction: readonly NamePrediction[],
): readonly Refusal[] {
  const { demandPerSecond, regions } = situation;
  if (demandPerSecond === undefined) return [];
  const shares = meanShares(prediction, 'during');
  return regions.flatMap(({ name, capacity }) => {
    const load = (shares.get(name) ?? 0) * demandPerSecond;
    if (name === drilled || capacity === 0 || load <= capacity) return [];
    return [
      {
        code: 'capacity-exceeded' as const,
        message: `${name} would have to carry about ${Math.round(load)} requests per second, more than its capacity of ${capacity}.`,
        hint: 'Drill when there is less load, raise the capacity, or say force.',
        forcible: true,
      },
    ];
  });
}

/** Without a measured demand, only proportions can be compared, and that is worth a warning at most. */
function headroomWarnings(
  situation: DrillSituation,
  prediction: readonly NamePrediction[],
): readonly string[] {
  if (situation.demandPerSecond !== undefined) return [];
  if (situation.regions.some(({ capacity }) => capacity === 0)) return [];
  const total = situation.regions.reduce((sum, { capacity }) => sum + capacity, 0);
  const shares = meanShares(prediction, 'during');
  return situation.regions.flatMap(({ name, capacity }) => {
    const share = shares.get(name) ?? 0;
    if (share <= capacity / total) return [];
    return [
      `${name} would answer ${percent(share)} of the address space with ${percent(capacity / total)} of the stated capacity.`,
    ];
  });
}

function idleWarnings(region: string, situation: DrillSituation): readonly string[] {
  const own = situation.pools.flatMap(({ endpoints }) =>
    endpoints.filter((endpoint) => endpoint.region === region),
  );
  if (own.length === 0 || own.some(({ usable }) => usable)) return [];
  return [`${region} has no usable endpoint now: the drill will move nothing.`];
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
