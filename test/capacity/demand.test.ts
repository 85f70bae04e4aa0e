import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDemandModel, type DemandWindow } from '../../src/capacity/demand.ts';

const RULES = { halfLifeSeconds: 300 };
const of = (rates: Readonly<Record<string, number>>): ReadonlyMap<string, number> =>
  new Map(Object.entries(rates));
const window = (
  queries: Readonly<Record<string, Readonly<Record<string, number>>>>,
  loads: Readonly<Record<string, number>>,
  planned: Readonly<Record<string, number>> = {},
): DemandWindow => ({
  seconds: 60,
  queries: new Map(Object.entries(queries).map(([key, rates]) => [key, of(rates)])),
  loads: of(loads),
  planned: of(planned),
  isQuiet: false,
});

test('as long as no region tells what came, nothing is known', () => {
  const model = createDemandModel(RULES);
  model.learn(window({ home: { a: 10 } }, {}));
  assert.equal(model.demands().size, 0);
});

test('a query stands for as many requests as came for it', () => {
  const model = createDemandModel(RULES);
  model.learn(window({ home: { a: 10 }, away: { b: 5 } }, { a: 400, b: 200 }));
  assert.deepEqual(model.demands(), of({ home: 400, away: 200 }));
});

test('of a region that does not tell it is what queries stand for elsewhere', () => {
  const model = createDemandModel(RULES);
  model.learn(window({ home: { a: 10 }, away: { b: 5 } }, { a: 400 }));
  assert.deepEqual(model.demands(), of({ home: 400, away: 200 }));
});

test('a class behind one great cache is told from one behind many, when both are seen apart', () => {
  const model = createDemandModel(RULES);
  // Of a query of the crowd come 90 requests, of one of the few 10; the crowd is mostly sent to one region.
  const [crowd, few] = [90, 10];
  for (let round = 0; round < 120; round += 1) {
    const part = 0.8;
    const queries = { crowd: { a: 10 * part, b: 10 * (1 - part) }, few: { a: 5, b: 5 } };
    const loads = {
      a: 10 * part * crowd + 5 * few,
      b: 10 * (1 - part) * crowd + 5 * few,
    };
    model.learn(window(queries, loads));
  }
  const demands = model.demands();
  const error = (key: string, truth: number): number => Math.abs(demands.get(key)! / truth - 1);
  assert.ok(error('crowd', 900) < 0.2, `${demands.get('crowd')}`);
  assert.ok(demands.get('crowd')! > 3 * demands.get('few')!, `${demands.get('few')}`);
  const sum = [...demands.values()].reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(sum - 1000) < 50, `${sum}`);
});

test('moving clients elsewhere does not make more of them, or fewer', () => {
  const model = createDemandModel(RULES);
  for (let round = 0; round < 20; round += 1)
    model.learn(window({ k: { a: 10 } }, { a: 500, b: 0 }));
  for (let round = 1; round <= 10; round += 1) {
    const moved = round / 10;
    const queries = { k: { a: 10 * (1 - moved), b: 10 * moved } };
    model.learn(window(queries, { a: 500 * (1 - moved), b: 500 * moved }));
    assert.ok(Math.abs(model.demands().get('k')! - 500) < 1, `${model.demands().get('k')}`);
  }
});

test('while regions have just been lost nothing is learnt of what a query stands for', () => {
  const model = createDemandModel(RULES);
  const both = { home: { a: 10 }, away: { b: 10 } };
  for (let round = 0; round < 20; round += 1) model.learn(window(both, { a: 100, b: 300 }));
  const before = model.demands();
  // All ask for the one that is left, to which most have not come yet.
  const lost = window({ home: { b: 10 }, away: { b: 10 } }, { b: 320 });
  for (let round = 0; round < 3; round += 1) model.learn({ ...lost, isQuiet: true });
  for (const [key, demand] of model.demands()) {
    assert.ok(Math.abs(demand / before.get(key)! - 1) < 0.01, `${key}: ${demand}`);
  }
});

test('what came for what was planned is told, within bounds', () => {
  const model = createDemandModel(RULES);
  for (let round = 0; round < 50; round += 1) {
    model.learn(window({ k: { a: 1, b: 1 } }, { a: 110, b: 900 }, { a: 100, b: 100 }));
  }
  const pressures = model.pressures();
  assert.ok(Math.abs(pressures.get('a')! - 1.1) < 1e-9);
  assert.equal(pressures.get('b'), 1.25);
});

test('who follows believes what the one before believed, until there is more to go by', () => {
  const model = createDemandModel(RULES, of({ crowd: 900, few: 100, silent: 40 }));
  model.learn(window({ crowd: { a: 10 }, few: { a: 10 } }, { a: 1000 }));
  const demands = model.demands();
  assert.ok(Math.abs(demands.get('crowd')! / 900 - 1) < 0.1, `${demands.get('crowd')}`);
  for (let round = 0; round < 100; round += 1) model.learn(window({ few: { a: 1 } }, { a: 10 }));
  assert.ok((model.demands().get('silent') ?? 0) < 1, 'who does not ask is forgotten');
});
