import type { Statement } from '../../src/health/statement.ts';
import type { HealthEndpoint, HealthPool, HealthWorld } from '../../src/monitoring/health-table.ts';

/** Small worlds and what vantage points say in them, for tests of what follows from statements. */

/** An endpoint whose address is its key. */
export function endpointAt(
  region: string,
  address: string,
  changes: Partial<HealthEndpoint> = {},
): HealthEndpoint {
  return {
    name: `web/${region}`,
    pool: 'web',
    region,
    targets: [{ address, check: { kind: 'target', key: address, home: region } }],
    sockets: [`${address}:80`],
    capacity: 1,
    quorumMin: 1,
    ...changes,
  };
}

/** Nothing is limited and nothing returns slowly. */
export const FREE_POOL: HealthPool = {
  ramp: { from: 1, overMs: 0 },
  withdrawals: { shareMax: 1, countMax: 100, windowMs: 300_000 },
};

export function worldWith(
  endpoints: readonly HealthEndpoint[],
  pool: Partial<HealthPool> = {},
): HealthWorld {
  return {
    endpoints,
    pools: new Map([['web', { ...FREE_POOL, ...pool }]]),
    regions: [...new Set(endpoints.map(({ region }) => region))],
  };
}

export function statement(
  vantage: string,
  key: string,
  verdict: Statement['verdict'],
  atMs: number,
  changes: Partial<Statement> = {},
): Statement {
  return {
    vantage,
    key,
    verdict,
    slow: false,
    failing: false,
    sinceMs: atMs,
    secondsToChange: 10,
    leaseMs: 3000,
    heardAtMs: atMs,
    reason: verdict === 'down' ? 'connection refused' : '200 OK',
    recent: [],
    ...changes,
  };
}
