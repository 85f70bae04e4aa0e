import assert from 'node:assert/strict';
import { test } from 'node:test';
import { geo } from '../nameserver/fixture.ts';
import { drawIpv4 } from './client-subnets.ts';
import { costRows } from './ecs-cost.ts';
import { createRandom } from './random.ts';
import { cacheCost } from './resolver-cache.ts';

/** 192.0.2.0/24 and its like, as a number. */
const network = (a: number, b: number, c: number): number => a * 2 ** 16 + b * 2 ** 8 + c;

function cost(...clients: readonly (readonly [network: number, scope: number])[]) {
  return cacheCost(
    Uint32Array.from(clients, ([client]) => client),
    Uint8Array.from(clients, ([, scope]) => scope),
  );
}

test('cacheCost() counts a network once, however many of its clients ask', () => {
  const all = cost([network(20, 1, 1), 8], [network(20, 2, 2), 8], [network(21, 1, 1), 8]);
  assert.deepEqual(all, { entries: 2, meanScope: 8, hitShare: 0.5 });
  assert.deepEqual(cost([network(20, 1, 1), 0], [network(200, 1, 1), 0]), {
    ...{ entries: 1, meanScope: 0, hitShare: 1 },
  });
});

test('cacheCost() keeps an answer for no less than what the resolver sends', () => {
  const all = cost([network(20, 1, 1), 28], [network(20, 1, 2), 25], [network(20, 1, 3), 23]);
  assert.deepEqual(all, { entries: 3, meanScope: 76 / 3, hitShare: 0 });
});

test('cacheCost() asks the cache first, as clients of a resolver do', () => {
  const { entries } = cost(
    [network(20, 1, 2), 23],
    [network(20, 1, 3), 24],
    [network(20, 1, 4), 24],
  );
  assert.equal(entries, 2, 'the second is within the first');
});

test('the report has a row for each policy, with what its scopes come to', () => {
  const clients = drawIpv4(geo, 400, createRandom(7));
  const [head, rule, ...rows] = costRows(geo, clients, [100, 400]);
  assert.match(head!, /answers kept of 100 \| hits \| answers kept of 400 \| hits/);
  assert.match(rule!, /^\|( --- \|){8}$/);
  const cells = new Map(rows.map((row) => [row.split('|')[1]!.trim(), row.split('|')]));
  const kept = (label: string): number => Number(cells.get(label)![7]);
  assert.equal(kept('`weighted`, `round-robin` or `failover`'), 1);
  // 20/8 and 110/8, and 80/8 with a hole.
  assert.ok(kept('`nearest`') >= 3 && kept('`nearest`') <= 20, String(kept('`nearest`')));
  assert.ok(kept('`latency`, one network of twenty measured otherwise') > kept('`nearest`'));
  for (const label of ['`sticky`', '`split` of 50 %, then `nearest`']) {
    assert.equal(kept(label), 400, label);
  }
});
