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
  let flags = new Uint8Array(0);

  return {
    flags: () => flags.slice(),
    setServers(next) {
      servers = next;
      const keys = new Set(servers.flatMap((server) => [server.key, server.readyKey]));
      for (const key of states.keys()) if (!keys.has(key)) states.delete(key);
      flags = Uint8Array.from(servers, (server) => SERVER_FLAG[judge(server, states).state]);
      return flags.slice();
    },
    observe({ key, state }) {
      const concerned = servers.flatMap((server, index) =>
        server.key === key || server.readyKey === key
          ? { index, server, word: judge(server, states).state }
          : [],
      );
      if (concerned.length === 0) return;
      states.set(key, state);
      const changed = concerned.flatMap(({ index, server, word }) => {
        const status = judge(server, states);
        return status.state === word ? [] : { index, status };
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

/** A server of an upstream; its place in the list is its index in flags. */
export type HealthServer = {
  readonly upstream: string;
  readonly name: string;
  /** The key of its monitoring job; undefined = not monitored: usable. */
  readonly key: string | undefined;
  /** Of the job that asks whether it takes anybody new; absent = nobody asks. */
  readonly readyKey?: string | undefined;
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
  { key, readyKey }: HealthServer,
  states: ReadonlyMap<string, VerdictState>,
): ServerStatus {
  const [live, ready] = [key, readyKey].map((each) =>
    each === undefined ? undefined : states.get(each),
  );
  if (live?.verdict === 'down') return { state: 'down', reason: reasonOf(live) };
  if (ready?.verdict === 'down') return { state: 'unready', reason: reasonOf(ready) };
  const slow = [live, ready].find((each) => each?.verdict === 'up' && each.slow);
  // A slow answer is as good as another but for its time.
  if (slow !== undefined) {
    const tookMs = Math.round(slow.recent.at(-1)?.rttMs ?? 0);
    return { state: 'degraded', reason: `${reasonOf(slow)}, after ${tookMs} ms` };
  }
  const told = live ?? ready;
  if (told !== undefined) return { state: told.verdict, reason: reasonOf(told) };
  return key === undefined && readyKey === undefined
    ? { state: 'up', reason: 'not monitored' }
    : { state: 'unknown', reason: 'not probed yet' };
}

const reasonOf = ({ recent }: VerdictState): string => recent.at(-1)?.reason ?? '';

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
