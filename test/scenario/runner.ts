import assert from 'node:assert/strict';
import { type Expected, parseScript, type ScenarioQuestion, type Step } from './script.ts';
import { type Answer, createWorld, type World } from './world.ts';

/**
 * Plays a scenario. Beside what its lines expect, one rule holds throughout: once a steered name has
 * answered a client with addresses, that client gets addresses at every instant from then on,
 * whatever happens.
 */
export async function playScenario(text: string): Promise<void> {
  const script = parseScript(text);
  const watched = new Map<string, ScenarioQuestion>();
  const world = createWorld(script.config, (current) => {
    for (const question of watched.values()) assertNotEmpty(current, question);
  });
  try {
    for (const step of script.steps) {
      await playStep(world, step, watched).catch((error: Error) => {
        error.message = `line ${step.line}: ${step.text}\n${error.message}`;
        throw error;
      });
    }
  } finally {
    await world.close();
  }
}

async function playStep(
  world: World,
  step: Step,
  watched: Map<string, ScenarioQuestion>,
): Promise<void> {
  switch (step.kind) {
    case 'query': {
      const answer = world.ask(step.question);
      compare(answer, step.expected);
      if (step.expected.answer.kind !== 'rcode') {
        watched.set(JSON.stringify(step.question), step.question);
      }
      return;
    }
    case 'probe':
      return world.probe(step);
    case 'vantage':
      return world.vantage(step.vantage, step.silent);
    case 'override':
      return world.override(step);
    case 'clear':
      return world.clear(step);
    case 'time':
      return world.pass(step.ms);
    case 'health': {
      const health = world.health(step.endpoint);
      assert.ok(health.startsWith(`${step.state} `), `health is ${health}`);
    }
  }
}

function assertNotEmpty(world: World, question: ScenarioQuestion): void {
  const { addresses, rcode } = world.ask(question);
  assert.ok(addresses.length > 0, `${JSON.stringify(question)} was answered ${rcode}`);
}

function compare(answer: Answer, { answer: expected, ttl, scope }: Expected): void {
  const seen = JSON.stringify(answer);
  switch (expected.kind) {
    case 'all':
      assert.deepEqual([...answer.addresses].sort(), [...expected.addresses].sort(), seen);
      break;
    case 'one-of':
      assert.ok(answer.addresses.length > 0, seen);
      for (const address of answer.addresses) assert.ok(expected.addresses.includes(address), seen);
      break;
    case 'any':
      assert.ok(answer.addresses.length > 0, seen);
      break;
    case 'rcode':
      assert.equal(answer.rcode, expected.rcode, seen);
      break;
  }
  if (ttl !== undefined) {
    const { relation, seconds } = ttl;
    const holds = { '<=': (t: number) => t <= seconds, '>=': (t: number) => t >= seconds };
    const check = relation === '=' ? (t: number) => t === seconds : holds[relation];
    assert.ok(answer.ttls.length > 0 && answer.ttls.every(check), seen);
  }
  if (scope !== undefined) assert.equal(answer.scope, scope, seen);
}
