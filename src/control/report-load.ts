import type { Clock } from './clock.ts';
import type {
  LoadChange,
  LoadReport,
  Problem,
  RegionStatus,
  ReportedLoadStatus,
} from './control-plane.ts';
import { checkTarget } from './override-requests.ts';
import {
  REPORTED_RATE_MAX,
  REPORTED_SECONDS_DEFAULT,
  REPORTED_SECONDS_MAX,
  type ReportedLoad,
  type ReportedLoads,
} from './reported-loads.ts';
import type { Serving } from './serving.ts';

/** What people and programs say of the load of regions (reported-loads.ts), checked. */
export type LoadDesk = {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly reportedLoads: ReportedLoads;
  facts(): { readonly serving: Serving };
};

export async function reportLoad(
  { clock, facts, reportedLoads }: LoadDesk,
  report: LoadReport,
): Promise<LoadChange | Problem> {
  const { by, capacity, forSeconds = REPORTED_SECONDS_DEFAULT, region, requestsPerSecond } = report;
  const problem =
    checkTarget({ kind: 'region', name: region }, facts().serving) ?? checkReport(report);
  if (problem !== undefined) return problem;
  const atMs = clock.nowMs();
  const load: ReportedLoad = {
    ...{ region, by, atMs, expiresAtMs: atMs + forSeconds * 1000 },
    ...(requestsPerSecond === undefined ? {} : { requestsPerSecond }),
    ...(capacity === undefined ? {} : { capacity }),
  };
  const { refused, ...sharing } = await reportedLoads.set(load);
  if (refused === undefined) return { region, ...reportedStatus(load), sharing };
  return {
    problem: 'conflict',
    code: 'load-not-taken',
    message: `This is not in force: ${refused}.`,
    hint: 'Try again in a moment.',
  };
}

export async function clearLoad(
  { facts, reportedLoads }: LoadDesk,
  region: string,
): Promise<LoadChange | Problem> {
  const cleared = await reportedLoads.clear(region);
  if (cleared !== undefined) {
    const { load, ...sharing } = cleared;
    return { region, ...reportedStatus(load), sharing };
  }
  return (
    checkTarget({ kind: 'region', name: region }, facts().serving) ?? {
      problem: 'not-found',
      code: 'no-reported-load',
      message: `Nobody has reported the load of region ${region}, or its time is over.`,
      hint: 'What balancers count and what is configured holds already.',
    }
  );
}

function checkReport({ capacity, forSeconds, requestsPerSecond }: LoadReport): Problem | undefined {
  if (requestsPerSecond === undefined && capacity === undefined) {
    return {
      problem: 'invalid',
      code: 'nothing-reported',
      message: 'The report says neither how many requests come nor how many can be carried.',
      hint: 'Give requestsPerSecond, capacity or both.',
    };
  }
  const isOut = (value: number | undefined, most: number): boolean =>
    value !== undefined && !(value >= 0 && value <= most);
  if (isOut(requestsPerSecond, REPORTED_RATE_MAX) || isOut(capacity, REPORTED_RATE_MAX)) {
    return {
      problem: 'invalid',
      code: 'load-out-of-range',
      message: `Loads and capacities are requests a second, from 0 to ${REPORTED_RATE_MAX}.`,
    };
  }
  if (forSeconds === undefined || (forSeconds > 0 && forSeconds <= REPORTED_SECONDS_MAX)) return;
  return {
    problem: 'invalid',
    code: 'duration-out-of-range',
    message: `A report holds between 1 second and ${REPORTED_SECONDS_MAX / 60} minutes.`,
    hint: 'Report again before it is over.',
  };
}

export function reportedStatus({ region: _, ...status }: ReportedLoad): ReportedLoadStatus {
  return status;
}

/** As part of what is told of a region. */
export const reportedOf = (load: ReportedLoad | undefined): Pick<RegionStatus, 'reported'> =>
  load === undefined ? {} : { reported: reportedStatus(load) };
