import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ZoneSigningKeys } from '../../src/dns/dnssec/signing-keys.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { createSigner } from '../../src/workers/signer.ts';
import { allUp, compiled, createConfig, healthOf } from '../nameserver/fixture.ts';
import { until } from '../node/until.ts';
import { createVoice, fixture } from './voice.ts';

const DEADLINE_MS = 10_000;
const snapshotOf = (generation: number) => compiled(createConfig(), generation);
const health = healthOf(allUp(snapshotOf(1)));
const times = { validitySeconds: 1_209_600, refreshSeconds: 604_800, jitterSeconds: 86_400 };
type Heard = { readonly generation: number; readonly zones: unknown; readonly given: unknown };
const zonesIn = (heard: readonly Heard[]) =>
  heard.map((each) => `${each.generation} ${each.zones}`);
const keysOf = (zone: string): ZoneSigningKeys => ({ zone, times, zoneKeys: [], entryKeys: [] });

test('a successor is told with which keys that was signed that is served, and then the newest', async (t) => {
  const { heard, sign, signer } = open(t);
  signer.setKeys([keysOf('first')]);
  signer.serve(await sign(1), health);
  await until(() => heard.length > 0, DEADLINE_MS, 'the first');
  signer.setKeys([keysOf('second')]);
  heard.length = 0;
  await signer.threads()[0]!.kill();
  await until(() => heard.length > 0, DEADLINE_MS, 'the successor');
  assert.deepEqual(zonesIn(heard), ['1 first']);
  const next = await sign(2);
  assert.deepEqual(next.signatures, ['second']);
  heard.length = 0;
  signer.setKeys([keysOf('third')]);
  signer.serve(next, health);
  await until(() => heard.length > 0, DEADLINE_MS, 'the second');
  await signer.threads()[0]!.kill();
  await until(() => heard.length > 1, DEADLINE_MS, 'the second successor');
  assert.equal(zonesIn(heard).at(-1), '2 second');
  assert.deepEqual((await sign(3)).signatures, ['third']);
});

test('keys that nothing is signed with yet are heard of, also by who listens later', async (t) => {
  const { sign, signer } = open(t);
  const heard: string[] = [];
  signer.onKeys(() => heard.push('before any'))();
  signer.setKeys([keysOf('first')]);
  const stop = signer.onKeys(() => heard.push('late'));
  assert.deepEqual(heard, ['late']);
  stop();
  await sign(1);
  const stopNext = signer.onKeys(() => heard.push('next'));
  assert.deepEqual(heard, ['late'], 'all is signed with them');
  signer.setKeys([keysOf('second')]);
  assert.deepEqual(heard, ['late', 'next']);
  stopNext();
});

test('a successor is given the newest signatures, and not those of the start', async (t) => {
  const { heard, sign, signer } = open(t);
  signer.setKeys([keysOf('first')]);
  signer.serve(await sign(1), health);
  await until(() => heard.length > 0, DEADLINE_MS, 'news');
  assert.deepEqual(heard[0]!.given, ['first']);
  await signer.threads()[0]!.kill();
  await until(() => heard.length > 1, DEADLINE_MS, 'the successor');
  assert.deepEqual(heard[1]!.given, { zones: ['first'], given: ['first'] });
});

function open(t: TestContext) {
  const voice = createVoice();
  const signer = createSigner(fixture('signer-worker'), voice);
  t.after(signer.close);
  const heard: Heard[] = [];
  signer.attach({
    lost() {},
    reconnect() {},
    signatures({ generation, signatures }) {
      heard.push({ generation, ...(signatures as unknown as Omit<Heard, 'generation'>) });
    },
  });
  const sign = async (generation: number): Promise<Snapshot> => {
    const snapshot = snapshotOf(generation);
    return { ...snapshot, ...(await signer.sign(snapshot)) };
  };
  return { heard, sign, signer, voice };
}
