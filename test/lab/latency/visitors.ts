import { fileURLToPath } from 'node:url';
import { until } from '../../node/until.ts';
import type { Processes } from '../processes.ts';
import {
  addressOf,
  familyOf,
  NETWORK_NAMES,
  NETWORKS,
  type Network,
  type NetworkName,
  nameserver,
  REGIONS,
  type Region,
  vip,
} from './networks.ts';

/** Clients of all networks that never stop coming: they ask, and connect to where they were told to, or stray. */
export type Visitors = {
  /** Everything that a network was told since then, as regions, runs of equal answers once. */
  history(name: NetworkName, sinceMs: number): readonly string[];
  /** When the network was first told this region since then, milliseconds since the epoch. */
  told(name: NetworkName, region: Region, sinceMs: number, deadlineMs: number): Promise<number>;
  /** Visits of all networks that ended otherwise than with the body of the region that they went to. */
  failures(): readonly Visit[];
  count(): number;
  stop(): Promise<void>;
};

export type Visitor = {
  readonly source: string;
  readonly type: 'A' | 'AAAA';
  readonly nameserver: string;
  readonly everyMs: number;
  /** Addresses that every second visit goes to in turn, but for the one that was told; none = nobody strays. */
  readonly strays: readonly string[];
};

export type Visit = {
  readonly source: string;
  /** When it was asked, milliseconds since the epoch. */
  readonly atMs: number;
  /** `lost` when no reply came. */
  readonly rcode: string;
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
  /** Where it went, and what it found there; '' = nothing. */
  readonly goal: string;
  readonly body: string;
};

const PROGRAM = fileURLToPath(new URL('visit-steadily.ts', import.meta.url));
export const VISIT_EVERY_MS = 125;

export function startVisitors(processes: Processes, dnsName: string): Visitors {
  const visitors = NETWORK_NAMES.map(visitorOf);
  const flags = ['--disable-warning=ExperimentalWarning', PROGRAM];
  const words = [process.execPath, ...flags, dnsName, JSON.stringify(visitors)];
  const child = processes.start('client', words);
  const visits: Visit[] = [];
  child.onLine((line) => visits.push(JSON.parse(line)));
  const since = (name: NetworkName, sinceMs: number): readonly Visit[] =>
    visits
      .filter(({ atMs, source }) => source === addressOf(name) && atMs >= sinceMs)
      // Those that went far are told of late.
      .toSorted((one, other) => one.atMs - other.atMs);
  const history: Visitors['history'] = (name, sinceMs) =>
    since(name, sinceMs)
      .map(toldRegion)
      .filter((region, index, all) => region !== all[index - 1]);
  return {
    history,
    async told(name, region, sinceMs, deadlineMs) {
      const first = (): Visit | undefined =>
        since(name, sinceMs).find((visit) => toldRegion(visit) === region);
      const what = (): string =>
        `${name} is told ${region}: ${history(name, sinceMs).join(', ')}; ${child.said().slice(-300)}`;
      await until(first, deadlineMs, what);
      return first()!.atMs;
    },
    failures: () =>
      visits.filter((visit) => visit.rcode !== 'NOERROR' || visit.body !== regionAt(visit.goal)),
    count: () => visits.length,
    async stop() {
      child.kill('SIGTERM');
      await child.exited;
    },
  };
}

function visitorOf(name: NetworkName): Visitor {
  const { hasStrays }: Network = NETWORKS[name];
  const family = familyOf(name);
  return {
    source: addressOf(name),
    type: family === 4 ? 'A' : 'AAAA',
    nameserver: nameserver(family),
    everyMs: VISIT_EVERY_MS,
    strays: hasStrays ? REGIONS.map((region) => vip(region, family)) : [],
  };
}

const toldRegion = ({ addresses, rcode }: Visit): string => regionAt(addresses[0]) ?? rcode;

const regionAt = (address: string | undefined): Region | undefined =>
  REGIONS.find((region) => address === vip(region, 4) || address === vip(region, 6));
