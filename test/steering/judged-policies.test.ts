import assert from 'node:assert/strict';
import { test } from 'node:test';
import { steeringSteps } from '../../src/steering/steps/registry.ts';
import { judgedPolicies } from '../interop/ecs-policies.ts';

/**
 * Every step is tried through the caches of real resolvers (test/interop/ecs-policies.test.ts): alone, and among
 * others. A new one has to be written into the list.
 */
const window = { from: '00:00', to: '12:00' };
const policies = judgedPolicies({
  networks: Array.from({ length: 6 }, (_, index) => `198.51.100.${index}/32`),
  windows: [window, window],
}).map(({ chain }) => chain.map((step) => (typeof step === 'string' ? step : step.step)));
/** With what a step is still alone. */
const COMPANY = ['healthy', 'first'];

const isAlone = (kinds: readonly string[], kind: string): boolean =>
  kinds.every((each) => each === kind || COMPANY.includes(each));

test('every step is among those that resolver caches are judged with, alone and with others', () => {
  for (const { kind } of steeringSteps) {
    const own = policies.filter((kinds) => kinds.includes(kind));
    const places = 'in test/interop/ecs-policies.ts';
    assert.ok(
      own.some((kinds) => isAlone(kinds, kind)),
      `no policy has ${kind} alone ${places}`,
    );
    assert.ok(
      own.some((kinds) => !isAlone(kinds, kind)),
      `no policy has ${kind} and others ${places}`,
    );
  }
});
