import assert from 'node:assert/strict';
import type { Answer } from './datagram.ts';
import { type Expected, parseScript, type ScenarioQuestion, type Step } from './script.ts';
import { createWorld, type World } from './world.ts';

/**
 * Plays a scenario. Beside what its lines expect, one rule holds throughout: once a steered name has
 * answered a client with addresses, that client gets addresses at every instant from then on,
 * whatever happens.
 */
export async function playScenario(text: string): Promise<void> {
  const script = parseScript(text);
  const watched = new Map<string, ScenarioQuestion>();
  let areEventsAsked = false;
  const world = createWorld(script.config, (current) => {
    for (const question of watched.values()) assertNotEmpty(current, question);
  });
  try {
    for (const step of script.steps) {
      if (step.kind === 'time' && areEventsAsked) world.forgetEvents();
      if (step.kind === 'time' || step.kind === 'event') areEventsAsked = step.kind === 'event';
      await playStep(world, step, watched).catch((error: Error) => {
        throw new Error(`line ${step.line}: ${step.text}\n${error.message}`, { cause: error });
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
      for (const answer of world.ask(step.question, step.node)) compare(answer, step.expected);
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
    case 'publish':
      assert.equal(await world.publish(step), step.isTaken ? 'taken' : 'refused');
      return;
    case 'time':
      return world.pass(step.ms);
    case 'node':
      return world.node(step.node, step.vantages);
    case 'life':
      return world.life(step);
    case 'partition':
      return world.partition(step);
    case 'heal':
      return world.heal();
    case 'store':
      return world.store(step.state);
    case 'clock':
      return world.skew(step.node, step.byMs);
    case 'agent':
      return world.agent(step);
    case 'health':
      for (const health of world.health(step.endpoint, step.node, step.near)) {
        assert.ok(health.startsWith(`${step.state} `), `health is ${health}`);
      }
      return;
    case 'event':
      return expectEvent(world, step);
    case 'part':
      return expectPart(world, step);
  }
}

function expectEvent(world: World, { event, happened }: Extract<Step, { kind: 'event' }>): void {
  const events = world.events();
  const isThere = events.some((each) => each === event || each.startsWith(`${event} `));
  assert.equal(isThere, happened, `events were ${events.join(', ') || 'none'}`);
}

/** Asks for 256 networks next to each other: the share that gets the address. */
function expectPart(world: World, step: Extract<Step, { kind: 'part' }>): void {
  const { address, from, name, percent } = step;
  const [a, b] = from.split('.');
  const asked = Array.from({ length: 256 }, (_, index) => `${a}.${b}.${index}.0/24`);
  const got = asked.filter((subnet) => {
    const question: ScenarioQuestion = { name, type: 'A', from: '198.51.100.1', subnet };
    return world.ask(question)[0]?.addresses.includes(address) === true;
  });
  const share = (got.length / asked.length) * 100;
  assert.ok(share >= percent[0] && share <= percent[1], `${share.toFixed(1)} % get it`);
}

function assertNotEmpty(world: World, question: ScenarioQuestion): void {
  for (const { addresses, rcode } of world.ask(question)) {
    assert.ok(addresses.length > 0, `${JSON.stringify(question)} was answered ${rcode}`);
  }
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
