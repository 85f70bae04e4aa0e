import { initialVerdict, type VerdictState } from '../health/verdict.ts';
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
      const keys = new Set(servers.map((server) => server.key));
      for (const key of states.keys()) if (!keys.has(key)) states.delete(key);
      flags = Uint8Array.from(servers, (server) => SERVER_FLAG[wordOf(stateOf(server, states))]);
      return flags.slice();
    },
    observe({ key, state }) {
      const concerned = [...servers.keys()].filter((index) => servers[index]!.key === key);
      if (concerned.length === 0) return;
      const wordBefore = wordOf(states.get(key));
      states.set(key, state);
      if (wordOf(state) === wordBefore) return;
      const before = flags;
      flags = flags.slice();
      for (const index of concerned) flags[index] = SERVER_FLAG[wordOf(state)];
      const events = concerned.flatMap((index) =>
        eventsOf(index, { servers, before, flags, state }),
      );
      deps.onChange(flags.slice(), events);
    },
    status(upstream, name) {
      const server = servers.find((each) => each.upstream === upstream && each.name === name);
      if (server === undefined) return undefined;
      if (server.key === undefined) return { state: 'up', reason: 'not monitored' };
      const state = states.get(server.key);
      if (state === undefined) return { state: 'unknown', reason: 'not probed yet' };
      return { state: wordOf(state), reason: reasonOf(state) };
    },
  };
}

/** A server of an upstream; its place in the list is its index in flags. */
export type HealthServer = {
  readonly upstream: string;
  readonly name: string;
  /** The key of its monitoring job; undefined = not monitored: usable. */
  readonly key: string | undefined;
  /** What people want; see ServerConfig. */
  readonly mode?: 'drain' | 'maintenance' | undefined;
};

export type ServerHealthDeps = {
  /** A fresh copy of all flags. Events are `server.up|degraded|down` and `upstream.up|down`. */
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
  /** `degraded`: it is up, and takes a smaller share. */
  readonly state: 'up' | 'degraded' | 'down' | 'unknown';
  readonly reason: string;
};

/** Unknown is not down. */
export const SERVER_FLAG = { down: 0, up: 1, unknown: 1, degraded: 2 } as const;

function wordOf(state: VerdictState | undefined): ServerStatus['state'] {
  const { slow, verdict } = state ?? initialVerdict();
  return verdict === 'up' && slow ? 'degraded' : verdict;
}

/** A slow answer is as good as another but for its time. */
function reasonOf(state: VerdictState): string {
  const last = state.recent.at(-1);
  if (last === undefined) return '';
  return wordOf(state) === 'degraded'
    ? `${last.reason}, after ${Math.round(last.rttMs)} ms`
    : last.reason;
}

function stateOf(
  server: HealthServer,
  states: ReadonlyMap<string, VerdictState>,
): VerdictState | undefined {
  return server.key === undefined ? undefined : states.get(server.key);
}

type Change = {
  readonly servers: readonly HealthServer[];
  readonly before: Uint8Array;
  readonly flags: Uint8Array;
  readonly state: VerdictState;
};

function eventsOf(index: number, { servers, before, flags, state }: Change): HealthEvent[] {
  const { upstream, name } = servers[index]!;
  const word = wordOf(state);
  const event = {
    kind: `server.${word}`,
    subject: `${upstream}/${name}`,
    message: `${word}: ${reasonOf(state)}`,
  };
  const usable = (each: Uint8Array): number =>
    servers.filter((server, at) => server.upstream === upstream && each[at] !== SERVER_FLAG.down)
      .length;
  const [had, has] = [usable(before), usable(flags)];
  if (had > 0 === has > 0) return [event];
  const kind = has > 0 ? 'upstream.up' : 'upstream.down';
  const message =
    has > 0 ? `up: ${has} usable` : `down: no server is usable, requests are answered with 503`;
  return [event, { kind, subject: upstream, message }];
}
