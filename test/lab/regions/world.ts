import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventRecord, RegionStatus } from '../../../src/control/control-plane.ts';
import { until } from '../../node/until.ts';
import { type AskingClients, type Pace, startAsking } from './clients.ts';
import { ADMIN_PORT, GEO_FILE, geoBytes, NAME, type Setting } from './config.ts';
import { createTruth, type Truth } from './judge.ts';
import { createParts, type Part, type Parts } from './parts.ts';
import { createRedisSet, type RedisSet } from './redis-set.ts';
import { addressOf, openWideArea, REGIONS, type Region, type WideArea } from './wide-area.ts';

/**
 * Meridian as it is run in three regions: in each a nameserver, a prober, a balancer before an origin,
 * a resolver, clients, Redis with a Sentinel; every one a process of its own.
 */
export type World = {
  readonly wide: WideArea;
  readonly parts: Parts;
  readonly clients: AskingClients;
  readonly truth: Truth;
  readonly redis: RedisSet;
  /** By how much the clocks of nameservers are ahead; none is when it is not here. */
  readonly skews: Map<Region, number>;
  /** Asks the admin API of a node; undefined when it does not answer. */
  get<Answer>(
    region: Region,
    role: 'nameserver' | 'prober',
    path: string,
  ): Promise<Answer | undefined>;
  post(region: Region, path: string, body: object): Promise<void>;
  /** What a node tells since this time, by the clock of the machine; empty when it is not there. */
  events(region: Region, sinceMs: number): Promise<readonly EventRecord[]>;
  /** Waits until these nameservers hear all vantage points see all regions up. */
  calm(at?: readonly Region[]): Promise<void>;
  /** Packets so far, and for how long the machine did not run the lab, at most, since this was asked last. */
  state(): Promise<{
    readonly passed: number;
    readonly lost: number;
    readonly stalledMs: number;
  }>;
  /** Waits until the machine has run the lab for a while; returns how long that took. */
  untilQuiet(stallMs: number): Promise<number>;
  close(): void;
};

const QUIET_SECONDS = 5;
const QUIET_WAIT_MS = 120_000;
const START_DEADLINE_MS = 60_000;
const LOOK_EVERY_MS = 100;
const NODE_PARTS = ['nameserver', 'prober', 'balancer'] as const;

export async function startWorld(setting: Setting, pace: Pace, seed = 1): Promise<World> {
  const wide = await openWideArea(seed);
  const parts = createParts(wide.topology, setting);
  try {
    return await populate(wide, parts, setting, pace);
  } catch (error) {
    const words = parts.words();
    wide.topology.close();
    throw new Error(`${error}\n${words}`, { cause: error });
  }
}

/** What took how long, on standard error, when LAB_TRACE=1. */
function trace(what: string): void {
  if (process.env['LAB_TRACE'] === '1')
    process.stderr.write(`${Math.round(performance.now())} ${what}\n`);
}

async function populate(
  wide: WideArea,
  parts: Parts,
  setting: Setting,
  pace: Pace,
): Promise<World> {
  const { topology } = wide;
  writeFileSync(join(topology.directory, GEO_FILE), geoBytes());
  const redis = createRedisSet(topology, parts, setting.store);
  trace('network');
  const everywhere = (part: Part): void => {
    for (const region of REGIONS) parts.start(region, part);
  };
  everywhere('origin');
  for (const part of NODE_PARTS) everywhere(part);
  everywhere('resolver');
  await redis.start();
  trace('redis');
  const curl = async (region: Region, port: number, words: readonly string[], path: string) =>
    topology.processes.run(region, [
      ...['curl', '--silent', '--fail-with-body', '--max-time', '5', ...words],
      `http://127.0.0.1:${port}/api/v1/${path}`,
    ]);
  const get: World['get'] = async (region, role, path) => {
    const { code, stdout } = await curl(region, ADMIN_PORT[role], [], path);
    return code === 0 ? JSON.parse(stdout) : undefined;
  };
  const calm: World['calm'] = async (at = REGIONS) => {
    let seen = '';
    const look = async (): Promise<boolean> => {
      await delay(LOOK_EVERY_MS);
      const all = await Promise.all(
        at.map((region) => get<readonly RegionStatus[]>(region, 'nameserver', 'regions')),
      );
      seen = all.map((status, index) => `at ${at[index]}: ${describe(status)}`).join('\n');
      return all.every((status) => status?.every(isUp) === true);
    };
    const ms = await until(look, START_DEADLINE_MS, () => `all are up everywhere:\n${seen}`);
    trace(`calm after ${Math.round(ms)} ms`);
  };
  await calm();
  for (const region of REGIONS) await parts.said(region, 'resolver', 'start of service');
  trace('resolvers');
  const clients = startAsking(topology, NAME, pace);
  await until(() => clients.silentMs() < 1000, START_DEADLINE_MS, 'all clients are answered');
  const skews = new Map<Region, number>();
  const lateness = monitorEventLoopDelay({ resolution: 10 });
  lateness.enable();
  const state: World['state'] = async () => {
    const { lateMsMax, lost, passed } = await wide.counts();
    const ownMs = Math.round(lateness.max / 1e6);
    lateness.reset();
    return { passed, lost, stalledMs: Math.max(lateMsMax, ownMs) };
  };
  return {
    ...{ wide, parts, clients, redis, skews, get, calm },
    truth: createTruth(),
    async post(region, path, body) {
      const json = ['--json', JSON.stringify(body)];
      const { code, stdout, stderr } = await curl(region, ADMIN_PORT.nameserver, json, path);
      if (code !== 0) throw new Error(`POST ${path}: ${code} ${stdout}${stderr}`);
    },
    async events(region, sinceMs) {
      const path = 'events?count=1000';
      const all = (await get<readonly EventRecord[]>(region, 'nameserver', path)) ?? [];
      const skewMs = skews.get(region) ?? 0;
      // Events are dated by the clock that the nodes agree on, once they do.
      const isSkewed = ({ atMs }: EventRecord): boolean =>
        Math.abs(Date.now() + skewMs - atMs) < Math.abs(skewMs) / 2;
      return all
        .map((event) => (isSkewed(event) ? { ...event, atMs: event.atMs - skewMs } : event))
        .filter(({ atMs }) => atMs >= sinceMs);
    },
    state,
    async untilQuiet(stallMs) {
      const beganMs = Date.now();
      let quiet = 0;
      while (quiet < QUIET_SECONDS && Date.now() - beganMs < QUIET_WAIT_MS) {
        await delay(1000);
        quiet = (await state()).stalledMs > stallMs ? 0 : quiet + 1;
      }
      return Date.now() - beganMs;
    },
    close() {
      lateness.disable();
      topology.close();
    },
  };
}

/** Every region is up for every vantage point of three. */
function isUp({ endpoints, state }: RegionStatus): boolean {
  const verdicts = endpoints.flatMap(({ vantages }) => vantages.map(({ verdict }) => verdict));
  return (
    state === 'up' &&
    verdicts.length === REGIONS.length &&
    verdicts.every((verdict) => verdict === 'up')
  );
}

function describe(status: readonly RegionStatus[] | undefined): string {
  if (status === undefined) return 'no answer';
  const words = status.map(({ endpoints, name, state }) => {
    const vantages = endpoints.flatMap((endpoint) => endpoint.vantages);
    return `${name} ${state} (${vantages.map((each) => `${each.vantage} ${each.verdict}`).join(', ')})`;
  });
  return words.join('; ');
}

export const regionAt = (address: string): Region | undefined =>
  REGIONS.find((region) => addressOf(region, 'vip') === address);
