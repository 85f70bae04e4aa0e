import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sight } from '../../src/health/self-trust.ts';
import type { VantageWord } from '../../src/health/statement.ts';
import { createHealthDesk } from '../../src/monitoring/health-desk.ts';
import type { InFlight } from '../../src/monitoring/monitoring.ts';
import {
  createSelfWatch,
  LOOK_DELAY_MS,
  SETTLE_MS,
  type SelfWatch,
} from '../../src/monitoring/self-watch.ts';
import { createConfig } from '../nameserver/fixture.ts';
import { createMovedClock, type MovedClock } from './moved-clock.ts';
import { createScriptedProbe } from './scripted-probe.ts';
import { statement } from './statements.ts';

const EYE = { vantage: 'eye', group: 'home', node: 'n', heardAtMs: 0 };

type Bench = {
  readonly watch: SelfWatch;
  readonly clock: MovedClock;
  /** News only: `eye true` when it begins to trust itself. */
  readonly news: string[];
  /** `eye 0` when what it saw failing since then is to be forgotten. */
  readonly takenBack: string[];
  readonly suspicions: string[];
  /** Canaries that have not answered yet. */
  readonly asked: InFlight[];
  /** Names of regions that fail for `eye`. */
  readonly failing: Set<string>;
  readonly confirmed: Set<string>;
  see(key: string, verdict: 'up' | 'down', failing?: boolean): Promise<void>;
};

function bench(regions: readonly string[] = []): Bench {
  const clock = createMovedClock();
  const news: string[] = [];
  const takenBack: string[] = [];
  const suspicions: string[] = [];
  const asked: InFlight[] = [];
  const failing = new Set<string>();
  const confirmed = new Set<string>();
  const watch = createSelfWatch({
    clock,
    regionSights: () =>
      regions.map(
        (thing): Sight => ({
          thing,
          isCanary: false,
          failing: failing.has(thing),
          confirmed: confirmed.has(thing),
        }),
      ),
    canariesAsked: () => asked,
    onSuspicion: (vantage) => void suspicions.push(vantage),
    onSight: (vantage, sinceMs) => void takenBack.push(`${vantage} ${sinceMs}`),
    onWord: ({ trusted, vantage }, isNews) => {
      if (isNews) news.push(`${vantage} ${trusted}`);
    },
  });
  watch.setVantages([EYE]);
  return {
    watch,
    clock,
    news,
    takenBack,
    suspicions,
    asked,
    failing,
    confirmed,
    async see(key, verdict, isFailing = verdict === 'down') {
      watch.observe(statement('eye', key, verdict, clock.nowMs(), { failing: isFailing }));
      await clock.advance(LOOK_DELAY_MS);
    },
  };
}

test('createSelfWatch() distrusts a vantage point that loses most of its canaries, and trusts it again', async () => {
  const { clock, news, see, takenBack, watch } = bench();
  for (const name of ['1', '2', '3']) await see(`canary ${name}`, 'up');
  await see('canary 1', 'down');
  assert.deepEqual(news, []);
  await see('canary 2', 'up', true);
  assert.deepEqual(news, ['eye false'], 'what begins to fail counts: it must be in time');
  assert.match(watch.words()[0]!.reason, /2 of 3 .*canary 1, canary 2/);
  await see('canary 3', 'down');
  assert.deepEqual(news, ['eye false'], 'said once');
  const blindSinceMs = watch.blind().get('eye')!;
  assert.ok(blindSinceMs > 0 && blindSinceMs < clock.nowMs() - 3000, 'longer than it knew');
  await see('canary 1', 'up');
  assert.deepEqual(takenBack, [], 'two of three still fail');
  for (const name of ['2', '3']) await see(`canary ${name}`, 'up');
  assert.deepEqual(takenBack, [`eye ${blindSinceMs}`]);
  assert.deepEqual(news, ['eye false'], 'first all are to hear what it takes back');
  await clock.advance(SETTLE_MS);
  assert.deepEqual(news, ['eye false', 'eye true']);
  assert.equal(takenBack.length, 1);
  assert.equal(watch.words()[0]!.reason, '');
  assert.equal(watch.blind().size, 0);
  assert.equal(clock.pending(), 0);
});

test('createSelfWatch() goes on doubting eyes that fail again before they are believed', async () => {
  const { clock, news, see, takenBack } = bench();
  for (const name of ['1', '2', '3']) await see(`canary ${name}`, 'down');
  for (const name of ['1', '2', '3']) await see(`canary ${name}`, 'up');
  for (const name of ['1', '2', '3']) await see(`canary ${name}`, 'down');
  await clock.advance(2 * SETTLE_MS);
  assert.deepEqual(news, ['eye false']);
  for (const name of ['1', '2', '3']) await see(`canary ${name}`, 'up');
  await clock.advance(SETTLE_MS);
  assert.deepEqual(news, ['eye false', 'eye true']);
  assert.equal(takenBack.length, 2);
  assert.equal(takenBack[0], takenBack[1], 'broken since the first time');
});

test('createSelfWatch() takes nothing back when others see the same, and believes at once', async () => {
  const { confirmed, failing, news, see, takenBack, watch } = bench(['us', 'eu', 'ap']);
  for (const region of ['us', 'eu']) failing.add(region);
  await see('us', 'down');
  assert.deepEqual(news, ['eye false']);
  confirmed.add('us');
  await see('us', 'down');
  // One that nobody else sees could be the eye's own fault yet.
  assert.deepEqual(news, ['eye false']);
  assert.equal(takenBack.length, 1);
  confirmed.add('eu');
  await see('us', 'down');
  assert.deepEqual(news, ['eye false', 'eye true']);
  assert.equal(takenBack.length, 1);
  assert.equal(watch.blind().size, 0);
});

test('createSelfWatch() is suspicious of each first failure, a look at a time', async () => {
  const { see, suspicions, watch, clock } = bench();
  await see('web 1', 'up');
  assert.equal(suspicions.length, 0);
  await see('web 1', 'up', true);
  await see('web 1', 'down');
  assert.equal(suspicions.length, 1, 'what goes on failing is no news');
  for (const name of ['2', '3']) {
    watch.observe(statement('eye', `web ${name}`, 'up', clock.nowMs(), { failing: true }));
  }
  assert.equal(suspicions.length, 2, 'both in one look');
  await see('web 1', 'up');
  await see('web 1', 'up', true);
  assert.equal(suspicions.length, 3);
});

test('createSelfWatch() takes a canary that is late for failing, while something fails', async () => {
  const { asked, clock, failing, news, see } = bench(['us', 'eu']);
  for (const name of ['1', '2', '3']) await see(`canary ${name}`, 'up');
  const ask = (name: string, usualMs: number | undefined): void => {
    asked.push({ key: `canary ${name}`, sinceMs: clock.nowMs(), usualMs });
  };
  for (const [name, usualMs] of [
    ['1', 20],
    ['2', 100],
    ['3', undefined],
  ] as const)
    ask(name, usualMs);
  failing.add('us');
  await see('us', 'up', true);
  assert.deepEqual(news, [], 'the region and the first canary, two of five');
  await clock.advance(2 * LOOK_DELAY_MS);
  assert.deepEqual(news, ['eye false'], 'the second is late, too');
  await clock.advance(5 * LOOK_DELAY_MS);
  assert.equal(news.length, 1, 'and of the third nobody knows what is usual');
  asked.length = 0;
  failing.clear();
  await see('us', 'up');
  await clock.advance(SETTLE_MS);
  assert.deepEqual(news, ['eye false', 'eye true']);
  assert.equal(clock.pending(), 0, 'nothing to look into');
});

test('createSelfWatch() looks once for many failures at a time', async () => {
  const { clock, watch } = bench();
  for (let count = 0; count < 50; count += 1) {
    watch.observe(statement('eye', `canary ${count}`, 'down', clock.nowMs(), { failing: true }));
  }
  assert.equal(clock.pending(), 1);
  watch.close();
  assert.equal(clock.pending(), 0);
});

test('createSelfWatch() counts regions beside canaries, and none that others lose as well', async () => {
  const { confirmed, failing, news, see } = bench(['us', 'eu', 'ap']);
  for (const region of ['us', 'eu']) failing.add(region);
  confirmed.add('us');
  await see('us', 'down');
  assert.deepEqual(news, [], 'one of three');
  confirmed.clear();
  await see('us', 'down');
  assert.deepEqual(news, ['eye false']);
});

test('createSelfWatch() keeps its mind over another configuration, of vantage points that stay', async () => {
  const { news, see, watch } = bench();
  for (const name of ['1', '2', '3']) await see(`canary ${name}`, 'down');
  assert.deepEqual(news, ['eye false']);
  watch.setVantages([EYE, { ...EYE, vantage: 'other' }]);
  assert.deepEqual(
    watch.words().map(({ trusted, vantage }: VantageWord) => [vantage, trusted]),
    [
      ['eye', false],
      ['other', true],
    ],
  );
  watch.setVantages([]);
  watch.setVantages([EYE]);
  assert.equal(watch.words()[0]!.trusted, true, 'a vantage point that was away begins anew');
});

test('createHealthDesk() forgets what a canary said that the configuration has no more', async () => {
  const clock = createMovedClock();
  const probe = createScriptedProbe();
  const trust: string[] = [];
  const ignore = (): void => undefined;
  const desk = createHealthDesk({
    clock,
    draw: () => 0.5,
    probes: [probe.kind],
    onWords: ignore,
    onServers: ignore,
    onStatement: ignore,
    onWithdrawn: ignore,
    onVantage: ignore,
    onTargets: ignore,
    onEvents: (events) => void trust.push(...events.map(({ kind }) => kind)),
  });
  const monitor = {
    kind: 'scripted',
    options: {},
    intervalMs: 1000,
    timeoutMs: 400,
    rise: 1,
    fall: 1,
    jitter: 0,
    recheckMs: 1000,
    idle: { afterMs: 600_000, intervalMs: 1000 },
  };
  const { node, ...rest } = createConfig();
  const configWith = (canaries: readonly string[]) => ({
    ...rest,
    monitors: { m: monitor },
    node: {
      ...node,
      roles: ['prober' as const],
      vantages: [{ name: 'eye', source: [] }],
      canaries: canaries.map((address) => ({ monitor: 'm', address, port: 53 })),
    },
  });
  const five = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5'];
  for (const address of five.slice(0, 3)) probe.set(address, 'fail');
  desk.start(configWith(five), []);
  desk.probe();
  await clock.advance(3000);
  assert.deepEqual(trust, ['vantage.distrusted']);
  desk.setConfig(configWith(five.slice(2)));
  await clock.advance(3000);
  assert.deepEqual(trust, ['vantage.distrusted', 'vantage.trusted']);
  await desk.close();
});
