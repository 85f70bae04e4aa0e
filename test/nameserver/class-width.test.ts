import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolConfig } from '../../src/config/config.ts';
import { DOWN } from '../../src/health/health-word.ts';
import { writeExceptions } from '../../src/health/health-words.ts';
import { mapAt } from '../../src/nameserver/map-table.ts';
import { setHealth } from '../../src/nameserver/worker-state.ts';
import { classCount } from '../../src/steering/class-list.ts';
import type { Chain } from '../../src/steering/step.ts';
import { allUp, ask, compiled, createConfig, startWorker } from './fixture.ts';

/**
 * Scopes are as wide as a policy lets them be: who is told apart from whom by networks alone is not told apart by
 * places besides.
 */
const config = createConfig();
const zone = config.zones['gslb.example']!;
const NAME = 'own.gslb.example';

const serve = (...chain: Chain) => serveIn(config.pools['web']!, ...chain);

function serveIn(web: PoolConfig, ...chain: Chain) {
  const steered = { owner: `${NAME}.`, pool: 'web', policy: 'own', ttlMin: 5, ttlMax: 30 };
  const snapshot = compiled({
    ...config,
    pools: { web },
    policies: { ...config.policies, own: { chain }, far: { chain: far } },
    zones: { 'gslb.example': { ...zone, steered: [steered] } },
  });
  const worker = startWorker(snapshot);
  return {
    snapshot,
    worker,
    askFor: (client: string) => ask(worker, NAME, 'A', { subnet: `${client}/32` }),
    scopes: (...clients: readonly string[]) =>
      clients.map((client) => ask(worker, NAME, 'A', { subnet: `${client}/32` }).scope),
  };
}

const failover = (...regions: string[]) => ({ kind: 'failover', options: { regions } });
const first = { kind: 'first', options: {} };
const healthy = { kind: 'healthy', options: {} };
const far = [failover('ap'), first];
const subnet = {
  kind: 'subnet',
  options: { rules: [{ networks: ['20.1.0.0/16'], regions: ['ap'] }] },
};

test('a policy that goes by networks alone does not part the world by places', () => {
  const { scopes } = serve(healthy, subnet, failover('eu', 'us'), first);
  // Of 64/2 and 96/4 some are private: 100.64.0.0/10 and 127.0.0.0/8.
  assert.deepEqual(scopes('20.1.2.3', '20.0.2.3', '80.1.2.3', '110.1.2.3'), [16, 16, 3, 5]);
});

test('nor is it told what is seen near its clients', () => {
  const { askFor, snapshot, worker } = serve(healthy, subnet, failover('eu', 'us'), first);
  const eu = snapshot.endpoints.findIndex(({ name }) => name === 'web/eu');
  const near = Object.keys(config.regions).indexOf('us');
  const exceptions = writeExceptions([{ near, endpoint: eu, word: DOWN }]);
  const health = { words: allUp(snapshot), exceptions };
  assert.ok(setHealth(worker, health, snapshot.generation));
  assert.deepEqual(askFor('20.0.2.3').data, ['198.51.100.2'], 'one primary for all');
});

test('clients who go on by one policy are not told apart by the rules that led them there', () => {
  const rules = [
    { networks: ['20.2.0.0/16'], policy: 'far' },
    { countries: ['US'], policy: 'far' },
    { countries: ['SG'], policy: 'near' },
  ];
  const { askFor, scopes } = serve({ kind: 'match', options: { rules } }, failover('eu'), first);
  assert.deepEqual(askFor('20.2.3.4').data, askFor('20.3.3.4').data);
  assert.deepEqual(scopes('20.2.3.4', '20.3.3.4'), [8, 8]);
});

test('nor are those told apart from others who go on as these do', () => {
  const rules = [{ networks: ['20.2.0.0/16', '80.0.0.0/4'], policy: 'far' }];
  const { askFor, scopes } = serve({ kind: 'match', options: { rules } }, ...far);
  assert.deepEqual(askFor('20.2.3.4').data, ['198.51.100.3']);
  assert.deepEqual(scopes('20.2.3.4', '80.3.3.4'), [0, 0]);
});

test('clients are told apart by their tiers of regions, not by an order inside of them', () => {
  const equal = { kind: 'nearest', options: { toleranceKm: 20_000 } };
  const unseen = { ...config.pools['web']!, regionalHealth: false };
  const { askFor, snapshot } = serveIn(unseen, healthy, equal, first);
  const { classes } = mapAt(snapshot.maps, 0).classes;
  assert.equal(classCount(classes), 2, 'those whose place is known, and the others');
  const answers = ['20.2.3.4', '80.2.3.4', '110.2.3.4'].flatMap((client) => askFor(client).data);
  assert.deepEqual(new Set(answers), new Set(['198.51.100.1']));
});
