import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Explanation as ApiExplanation } from '../../src/control/control-plane.ts';

import { DOWN, FORCED } from '../../src/health/health-word.ts';
import {
  type ExplainContext,
  type ExplainQuestion,
  type Explanation,
  explain,
} from '../../src/nameserver/explain.ts';
import { type Ask, allUp, ask, compiled, geo, healthOf, NOW_MS, startWorker } from './fixture.ts';

const snapshot = compiled();

function context(words = allUp(snapshot)): ExplainContext {
  return { snapshot, health: healthOf(words), geo };
}

function explained(
  question: ExplainQuestion,
  words = allUp(snapshot),
  nowMs = NOW_MS,
): Explanation {
  const result = explain(context(words), question, nowMs);
  if ('problem' in result) throw new Error(result.message);
  return result;
}

test('explain() says what respond() answers, in many states and places', () => {
  const names = [
    'www.gslb.example',
    'share.gslb.example',
    'to-steered.gslb.example',
    'a.app.gslb.example',
  ];
  const clients = [
    '20.1.2.0/24',
    '80.1.2.0/24',
    '110.0.0.0/8',
    '10.0.0.0/24',
    '2001:db8:2000::/48',
    '203.0.113.0/24',
    undefined,
  ];
  for (let state = 0; state < 16; state++) {
    const words = allUp(snapshot);
    if (state & 1) words[0] = DOWN;
    if (state & 2) words[1] = (DOWN | FORCED) >>> 0;
    if (state & 4) words[2] = (DOWN | FORCED) >>> 0;
    if (state & 8) words[0] = (DOWN | FORCED) >>> 0;
    const worker = startWorker(snapshot, words);
    for (const name of names) {
      for (const subnet of clients) {
        for (const type of ['A', 'AAAA']) {
          const nowMs = NOW_MS + state * 12_345;
          const how: Ask = {
            nowMs,
            resolver: '80.0.0.53',
            ...(subnet !== undefined && { subnet }),
          };
          const got = ask(worker, name, type, how);
          const question = {
            name,
            type,
            resolver: '80.0.0.53',
            ...(subnet !== undefined && { client: subnet }),
          };
          const said = explained(question, words, nowMs);
          const addresses = got.data.filter((text) => !text.includes('gslb'));
          assert.deepEqual(said.answer, addresses, `${name} ${type} ${subnet} ${state}`);
          assert.equal(said.ttl.seconds, got.ttls.at(-1));
          if (subnet !== undefined) assert.equal(said.scope.prefixLength, got.scope);
        }
      }
    }
  }
});

test('explain() tells the steps, the rung, the outcomes and the reasons', () => {
  const words = allUp(snapshot);
  words[1] = DOWN;
  const said = explained({ name: 'www.gslb.example', client: '80.3.0.0/16' }, words);
  assert.equal(said.name, 'www.gslb.example.');
  assert.equal(said.type, 'A');
  assert.equal(said.outcome, 'steered');
  assert.deepEqual(
    [said.pool, said.policy, said.rung, said.region],
    ['web', 'near', 'healthy', 'us'],
  );
  assert.deepEqual(said.client, {
    network: '80.3.0.0/16',
    from: 'client-subnet',
    location: { latitude: 50.1, longitude: 8.7, country: 'DE' },
    place: 'Germany',
    near: 'eu',
  });
  assert.ok(said.steps.some(({ step }) => step === 'nearest'));
  const dropped = said.steps.flatMap((line) => line.dropped.map((one) => one.name));
  assert.ok(dropped.includes('web/eu'), JSON.stringify(said.steps));
  assert.deepEqual(said.outcomes, [
    { share: 1, endpoints: ['web/us'], addresses: ['198.51.100.1'] },
  ]);
  assert.match(said.ttl.why, /./);
  assert.match(said.scope.why, /widest network/);
});

test('explain() tells how static, missing and foreign names are found', () => {
  const cases: readonly (readonly [ExplainQuestion, string, readonly string[], number])[] = [
    [{ name: 'static.gslb.example' }, 'static', ['192.0.2.1', '192.0.2.2'], 300],
    [{ name: 'x.wild.gslb.example' }, 'static, from a wildcard', ['192.0.2.4'], 300],
    [
      { name: 'alias.gslb.example', type: 'txt' },
      'CNAME to static.gslb.example., then static',
      ['"hello"'],
      300,
    ],
    [
      { name: 'v4.gslb.example', type: 'AAAA' },
      'nodata: the name exists, the type does not',
      [],
      60,
    ],
    [{ name: 'no.gslb.example.' }, 'nxdomain: the name does not exist', [], 60],
    [{ name: 'no.such.test' }, 'refused: in no zone of ours', [], 0],
    [
      { name: 'a.sub.gslb.example' },
      'sub.gslb.example. is delegated to ns.sub.gslb.example. ns1.gslb.example. ns.else.test.',
      [],
      300,
    ],
    [
      { name: 'away.gslb.example' },
      'CNAME to www.elsewhere.test., then outside of our zones',
      ['www.elsewhere.test.'],
      300,
    ],
  ];
  for (const [question, outcome, answer, seconds] of cases) {
    const said = explained(question);
    assert.deepEqual([said.outcome, said.answer, said.ttl.seconds], [outcome, answer, seconds]);
    assert.equal(said.scope.prefixLength, 0);
  }
});

test('explain() reports questions that make no sense', () => {
  const code = (question: ExplainQuestion): string => {
    const result = explain(context(), question, NOW_MS);
    return 'problem' in result ? result.code : 'none';
  };
  assert.equal(code({ name: 'a..b' }), 'explain.name');
  assert.equal(code({ name: 'www.gslb.example', type: 'AAAAA' }), 'explain.type');
  assert.equal(code({ name: 'www.gslb.example', client: '1.2.3' }), 'explain.client');
  assert.equal(code({ name: 'www.gslb.example', resolver: 'me' }), 'explain.resolver');
});

test('explain() takes a client network with host bits as dig does', () => {
  assert.equal(
    explained({ name: 'www.gslb.example', client: '80.3.9.9/16' }).client.network,
    '80.3.0.0/16',
  );
  assert.equal(
    explained({ name: 'www.gslb.example', client: '80.3.9.9' }).client.network,
    '80.3.9.9/32',
  );
});

test('explain() returns what the control plane exposes', () => {
  // The types must be assignable; a mistake fails the type check, not the run.
  const said: ApiExplanation = explained({ name: 'www.gslb.example' });
  assert.equal(said.type, 'A');
});
