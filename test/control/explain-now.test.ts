import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainFixtureRequest } from '../admin/fixture-requests.ts';

const QUESTION = { method: 'GET', url: 'http://127.0.0.1:8080/', headers: [] };

function serversOf(...outliers: NonNullable<Parameters<typeof explainFixtureRequest>[1]>) {
  const explained = explainFixtureRequest(QUESTION, outliers);
  assert.ok(!('problem' in explained), JSON.stringify(explained));
  return explained.upstream!.servers.map(({ name, reason, state }) => ({ name, reason, state }));
}

test('an explained request shows what requests have shown of its servers', () => {
  const [up, down] = serversOf();
  assert.deepEqual([up!.state, down!.state], ['up', 'down']);
  const outlier = {
    ...{ upstream: 'web', level: 'ejected' as const, why: 'evidence', workersTotal: 2 },
    untilMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  };
  const some = serversOf({ ...outlier, server: up!.name, workers: 1 });
  assert.equal(some[0]!.state, 'reduced', 'the other worker goes on asking it');
  const reason = 'ejected by 1 of 2 workers until 2026-01-02T03:04:05Z: evidence';
  assert.equal(some[0]!.reason, reason);
  const all = serversOf({ ...outlier, server: up!.name, workers: 2 });
  assert.equal(all[0]!.state, 'ejected');
  const both = serversOf({ ...outlier, server: down!.name, workers: 2 });
  assert.deepEqual(both, [up, down], 'what probes find down is down');
});
