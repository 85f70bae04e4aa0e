import type { BalancerConfig } from '../../src/config/config.ts';
import type { ControlPlane, UpstreamStatus } from '../../src/control/control-plane.ts';
import { createServerWriter } from '../../src/control/server-writer.ts';
import { withLiveServers } from '../../src/discovery/live-servers.ts';
import { isIdle, type ServerWord } from '../../src/discovery/server-word.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';

type Servers = Pick<ControlPlane, 'balancers' | 'addServer' | 'changeServer' | 'removeServer'>;

const server = (port: number) => ({
  ...{ name: `127.0.2.1:${port}`, address: '127.0.2.1' },
  ...{ port, weight: 1 },
});
const BALANCER: BalancerConfig = {
  engine: 'auto',
  listeners: [],
  upstreams: {
    'web-frankfurt': {
      algorithm: { kind: 'least-request', options: {} },
      servers: [server(9001), server(9002)],
      keepalive: { idleMax: 8, idleTimeoutMs: 60_000 },
      connectTimeoutMs: 1000,
      responseTimeoutMs: 30_000,
      bodyIdleTimeoutMs: 60_000,
      ...DEFAULT_RESILIENCE,
    },
  },
};
const UP = {
  ...{ state: 'up' as const, reason: 'status 200' },
  ...{ active: 2, requestsTotal: 812, failuresTotal: 1 },
};
const DOWN = {
  ...{ state: 'down' as const, reason: 'connection refused' },
  ...{ active: 0, requestsTotal: 4, failuresTotal: 4 },
};

const OUT = {
  outlier: {
    level: 'ejected' as const,
    why: '5 answers in a row were 502, 503 or 504 (consecutive-gateway)',
    untilMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    ...{ workers: 1, workersTotal: 2 },
  },
};

/** Two servers, one of them down, and what people say of them: the real writer over words in memory. */
export function createFixtureServers(
  nowMs: () => number,
  emit: (kind: string, subject: string, message: string) => void,
): Servers {
  const words = new Map<string, ServerWord>();
  const upstreams = () => withLiveServers(BALANCER, new Map(), [...words.values()]).upstreams;
  const writer = createServerWriter({
    upstreams,
    isDown: () => false,
    clock: { nowMs },
    events: { record: emit },
    inForce: async () => {},
    words: {
      current: () => [...words.values()],
      async set(word) {
        const key = `${word.upstream}/${word.server}`;
        words.delete(key);
        if (!isIdle(word)) words.set(key, word);
        return { shared: true, detail: 'node-2 has it' };
      },
      close() {},
    },
  });
  return {
    addServer: writer.add,
    changeServer: writer.change,
    removeServer: writer.remove,
    balancers: (): readonly UpstreamStatus[] =>
      Object.entries(upstreams()).map(([name, { algorithm, servers }]) => ({
        name,
        algorithm: algorithm.kind,
        servers: servers.map((each) => ({
          ...each,
          mode: each.mode ?? 'ready',
          origin: each.origin ?? 'file',
          priority: each.priority ?? 0,
          ...(each.port === 9002 ? DOWN : UP),
          ...(each.port === 9003 ? OUT : {}),
        })),
      })),
  };
}
