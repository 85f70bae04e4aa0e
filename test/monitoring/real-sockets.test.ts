import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { isDown } from '../../src/health/health-word.ts';
import { createHealthTable } from '../../src/monitoring/health-table.ts';
import { createMonitoring, type MonitoringClock } from '../../src/monitoring/monitoring.ts';
import { statementOf } from '../../src/monitoring/vantage-health.ts';
import { probeKinds } from '../../src/probe/registry.ts';

const CLOCK: MonitoringClock = {
  nowMs: () => Date.now(),
  setTimer(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
/** Fail-over itself takes some 100 ms here; this bounds a slow machine. */
const PATIENCE_MS = 20_000;

test('a real server that fails, and recovers, moves its endpoint', async () => {
  let isBroken = false;
  const server = createServer((_request, response) => {
    response.writeHead(isBroken ? 503 : 200).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  const told: { kind: string; message: string; isDown: boolean }[] = [];
  let hear = (): void => {};
  const table = createHealthTable({
    clock: CLOCK,
    onChange: ({ words }, events) => {
      for (const { kind, message } of events) {
        told.push({ kind, message, isDown: isDown(words[0]!) });
      }
      hear();
    },
  });
  const targets = [{ address: '127.0.0.1', check: { kind: 'target', key: 'k' } as const }];
  const endpoint = { name: 'web/x', pool: 'web', region: 'x', targets, sockets: [], capacity: 1 };
  table.setEndpoints({ endpoints: [{ ...endpoint, quorumMin: 2 }], pools: new Map(), regions: [] });
  const monitoring = createMonitoring({
    clock: CLOCK,
    draw: Math.random,
    probes: probeKinds,
    onAttempt: (_job, fault) => assert.equal(fault, undefined),
    onVerdict: (verdict) => table.observe(statementOf(verdict)),
  });
  const heard = (count: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(JSON.stringify(told))), PATIENCE_MS);
      hear = () => {
        if (told.length < count) return;
        clearTimeout(timer);
        resolve();
      };
      hear();
    });
  monitoring.setJobs(
    ['eu', 'us'].map((vantage, index) => ({
      vantage,
      group: vantage,
      key: 'k',
      probe: 'http',
      options: probeKinds.find(({ kind }) => kind === 'http')?.options.parse({}),
      target: { address: '127.0.0.1', port, sourceAddress: `127.0.0.${10 + index}` },
      rules: { rise: 2, fall: 3, intervalMs: 40, timeoutMs: 2000, jitter: 0.2 },
    })),
  );
  await heard(1);
  isBroken = true;
  await heard(2);
  isBroken = false;
  await heard(3);
  assert.deepEqual(told, [
    { kind: 'endpoint.up', message: 'up: 2 of 2 vantage points: 200 OK', isDown: false },
    {
      kind: 'endpoint.down',
      message: 'down: 2 of 2 vantage points: status 503, wanted 200-299',
      isDown: true,
    },
    { kind: 'endpoint.up', message: 'up: 2 of 2 vantage points: 200 OK', isDown: false },
  ]);
  await monitoring.close();
  table.close();
  server.close();
  await once(server, 'close');
});
