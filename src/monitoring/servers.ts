import {
  type Check,
  checkKeys,
  judgeCheck,
  slowTarget,
  type TargetCheck,
} from '../health/composite.ts';
import type { Judgement } from '../health/quorum.ts';
import type { VerdictState } from '../health/verdict.ts';
import type { HealthEvent } from './health-table.ts';
import type { VantageVerdict } from './monitoring.ts';

/**
 * Which servers behind the balancer may be used, and which had better have less: one flag per server, from the verdicts of this
 * node's own probes. There is nobody to agree with and no lease: a balancer knows its servers only
 * by its own eyes, and when those close (the prober stops) the last thing seen still holds. When all
 * servers of an upstream are down, all flags are 0: the balancer answers 503, the region's probes
 * see it, and DNS moves.
 */
export function createServerHealth(deps: ServerHealthDeps): ServerHealth {
  const states = new Map<string, VerdictState>();
  let servers: readonly HealthServer[] = [];
  /** Indexes of the servers that a key says something about. */
  let concerned = new Map<string, number[]>();
  let flags = new Uint8Array(0);

  return {
    flags: () => flags.slice(),
    setServers(next) {
      servers = next;
      concerned = byKey(servers);
      for (const key of states.keys()) if (!concerned.has(key)) states.delete(key);
      flags = Uint8Array.from(servers, (server) => SERVER_FLAG[judge(server, states).state]);
      return flags.slice();
    },
    observe({ key, state }) {
      const indexes = concerned.get(key);
      if (indexes === undefined) return;
      const words = indexes.map((index) => judge(servers[index]!, states).state);
      states.set(key, state);
      const changed = indexes.flatMap((index, place) => {
        const status = judge(servers[index]!, states);
        return status.state === words[place] ? [] : { index, status };
      });
      if (changed.length === 0) return;
      const before = flags;
      flags = flags.slice();
      for (const { index, status } of changed) flags[index] = SERVER_FLAG[status.state];
      const events = changed.flatMap(({ index, status }) =>
        eventsOf(index, { servers, before, flags, status }),
      );
      deps.onChange(flags.slice(), events);
    },
    status(upstream, name) {
      const server = servers.find((each) => each.upstream === upstream && each.name === name);
      return server && judge(server, states);
    },
  };
}

function byKey(servers: readonly HealthServer[]): Map<string, number[]> {
  const indexes = new Map<string, number[]>();
  for (const [index, { live, ready }] of servers.entries()) {
    const keys = [live, ready].flatMap((check) => (check === undefined ? [] : checkKeys(check)));
    for (const key of new Set(keys)) indexes.set(key, [...(indexes.get(key) ?? []), index]);
  }
  return indexes;
}

/** A server of an upstream; its place in the list is its index in flags. */
export type HealthServer = {
  readonly upstream: string;
  readonly name: string;
  /** What it is judged by; absent = not monitored: usable. */
  readonly live?: Check | undefined;
  /** What tells whether it takes anybody new; absent = nobody asks. */
  readonly ready?: Check | undefined;
  /** What people want; see ServerConfig. */
  readonly mode?: 'drain' | 'maintenance' | undefined;
};

export type ServerHealthDeps = {
  /** A fresh copy of all flags. Events are `server.up|degraded|unready|down` and `upstream.up|down`. */
  readonly onChange: (flags: Uint8Array, events: readonly HealthEvent[]) => void;
};

export type ServerHealth = {
  flags(): Uint8Array;
  /** A new generation: returns its flags. Known states of servers that stay are kept. */
  setServers(servers: readonly HealthServer[]): Uint8Array;
  /** A verdict of monitoring; unknown keys are ignored. */
  observe(verdict: Pick<VantageVerdict, 'key' | 'state'>): void;
  status(upstream: string, name: string): ServerStatus | undefined;
};
export type ServerStatus = {
  /** `degraded`: it is up, and takes a smaller share; `unready`: it is up, and takes nobody new. */
  readonly state: 'up' | 'degraded' | 'unready' | 'down' | 'unknown';
  readonly reason: string;
};

/** Unknown is not down. */
export const SERVER_FLAG = { down: 0, up: 1, unknown: 1, degraded: 2, unready: 3 } as const;

function judge(
  { live, ready }: HealthServer,
  states: ReadonlyMap<string, VerdictState>,
): ServerStatus {
  const judgeTarget = ({ key }: TargetCheck): Judgement => judgementOf(states.get(key));
  const judged = [live, ready].map((check) => check && judgeCheck(check, judgeTarget));
  const [alive, willing] = judged;
  if (alive?.health === 'down') return { state: 'down', reason: alive.reason };
  if (willing?.health === 'down') return { state: 'unready', reason: willing.reason };
  for (const check of [live, ready]) {
    const slow = check && slowTarget(check, judgeTarget);
    if (slow !== undefined) return { state: 'degraded', reason: slowWords(states.get(slow.key)) };
  }
  const told = judged.find((each) => each !== undefined && each.health !== 'unknown') ?? judged[0];
  if (told !== undefined) return { state: told.health, reason: told.reason };
  return live === undefined && ready === undefined
    ? { state: 'up', reason: 'not monitored' }
    : { state: 'unknown', reason: NOT_PROBED };
}

/** One that nobody has to agree with, and that holds until it is told otherwise. */
function judgementOf(state: VerdictState | undefined): Judgement {
  return {
    health: state?.verdict ?? 'unknown',
    reason: state === undefined ? NOT_PROBED : (state.recent.at(-1)?.reason ?? ''),
    slow: state?.verdict === 'up' && state.slow,
    decidedAtMs: state?.sinceMs ?? 0,
    ttlSeconds: 0,
    isHeld: false,
  };
}

/** A slow answer is as good as another but for its time. */
function slowWords(state: VerdictState | undefined): string {
  const last = state?.recent.at(-1);
  return `${last?.reason ?? ''}, after ${Math.round(last?.rttMs ?? 0)} ms`;
}

const NOT_PROBED = 'not probed yet';

type Change = {
  readonly servers: readonly HealthServer[];
  readonly before: Uint8Array;
  readonly flags: Uint8Array;
  readonly status: ServerStatus;
};

function eventsOf(index: number, { servers, before, flags, status }: Change): HealthEvent[] {
  const { upstream, name } = servers[index]!;
  const event = {
    kind: `server.${status.state}`,
    subject: `${upstream}/${name}`,
    message: `${status.state}: ${status.reason}`,
  };
  const usable = (each: Uint8Array): number =>
    servers.filter((server, at) => server.upstream === upstream && takesNew(each[at])).length;
  const [had, has] = [usable(before), usable(flags)];
  if (had > 0 === has > 0) return [event];
  const kind = has > 0 ? 'upstream.up' : 'upstream.down';
  const message =
    has > 0 ? `up: ${has} usable` : `down: no server is usable, requests are answered with 503`;
  return [event, { kind, subject: upstream, message }];
}

const takesNew = (flag: number | undefined): boolean =>
  flag !== SERVER_FLAG.down && flag !== SERVER_FLAG.unready;
