import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createExchange } from '../../src/cluster/exchange.ts';
import { createStoreVoice, LIFE_INTERVAL_MS } from '../../src/cluster/store-voice.ts';
import type { Statement, VantageWord } from '../../src/health/statement.ts';
import { createFlawedStore, type FlawedStore } from '../control/flawed-store.ts';
import { statement } from './exchange-rig.ts';

/** A node that hears the others through the store only. */
function start({ clock, store }: Pick<FlawedStore, 'clock' | 'store'>, name: string) {
  const heard = new Map<string, Statement>();
  const vantages = new Map<string, VantageWord>();
  const exchange = createExchange({
    clock,
    name,
    incarnation: 1,
    direct: undefined,
    log: { info: () => {}, warn: (_event, message) => assert.fail(message) },
    ears: {
      observe: (each) => heard.set(`${each.vantage} ${each.key}`, each),
      withdraw: (vantage, key) => heard.delete(`${vantage} ${key}`),
      hear: (word) => vantages.set(word.vantage, word),
      report: () => {},
      hearJudgement: () => {},
    },
    heldJudgements: () => [],
    describe: () => '{}',
    onNode: () => {},
  });
  exchange.setVantages([name]);
  exchange.setVantage({
    vantage: name,
    group: name,
    node: name,
    heardAtMs: 0,
    trusted: true,
    reason: '',
  });
  const { hear, life, statements } = exchange;
  const voice = createStoreVoice({ store, clock, node: name, hear, life, statements });
  exchange.onNews(voice.tell);
  return { exchange, heard, vantages, voice };
}

test('nodes hear each other through the store alone, withdrawals too', async () => {
  const flawed = await createFlawedStore();
  const { clock } = flawed;
  const a = start(flawed, 'a');
  const b = start({ clock, store: flawed.other }, 'b');
  await clock.advance(100);
  a.exchange.put(statement('a', 'web 1', { verdict: 'down' }));
  await clock.advance(100);
  assert.equal(b.heard.get('a web 1')?.verdict, 'down');
  const late = start({ clock, store: flawed.other }, 'c');
  await clock.advance(100);
  assert.equal(late.heard.get('a web 1')?.verdict, 'down', 'who comes later reads it');
  a.exchange.withdraw('a', 'web 1');
  await clock.advance(100);
  assert.equal(b.heard.size, 0);
  await clock.advance(10_000);
  assert.ok(clock.nowMs() - (b.vantages.get('a')?.heardAtMs ?? 0) <= LIFE_INTERVAL_MS + 50);
});

test('what could not be written is written when the store is back', async () => {
  const flawed = await createFlawedStore();
  const { clock } = flawed;
  const a = start(flawed, 'a');
  const b = start({ clock, store: flawed.other }, 'b');
  await clock.advance(2000);
  flawed.fail(true);
  a.exchange.put(statement('a', 'web 1', { verdict: 'down' }));
  await clock.advance(5000);
  assert.equal(b.heard.size, 0);
  flawed.fail(false);
  await clock.advance(2 * LIFE_INTERVAL_MS);
  assert.equal(b.heard.get('a web 1')?.verdict, 'down');
});
