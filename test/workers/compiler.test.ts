import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createCompiler } from '../../src/workers/compiler.ts';
import { createConfig } from '../nameserver/fixture.ts';
import { createVoice, fixture } from './voice.ts';

test('compile() gives each request its own result', async (t) => {
  const { compile } = open(t);
  const results = await Promise.all([compile(1), compile(2), compile(3)]);
  assert.deepEqual(results, [['1'], ['2'], ['3']]);
});

test('a compilation that dies with its worker has failed, and the next one works', async (t) => {
  const { compile } = open(t);
  const dying = compile(13);
  assert.match((await dying).join(), /compile worker died/);
  assert.deepEqual(await compile(1), ['1']);
});

test('close() fails what is still waited for', async (t) => {
  const { compile, close } = open(t);
  const waiting = compile(14);
  await close();
  assert.deepEqual(await waiting, ['The node is stopping.']);
  await close();
  // Nobody is left to answer: it must not be waited for.
  assert.deepEqual(await compile(1), ['The node is stopping.']);
});

test('what was added and cannot be compiled is left out, and keeps nothing else from being served', async (t) => {
  const worker = new URL('../../src/compile-worker.ts', import.meta.url);
  const compiler = createCompiler(worker, createVoice());
  t.after(compiler.close);
  const config = createConfig();
  const [zone] = Object.keys(config.zones) as [string];
  const broken = { owner: `x.${zone}.`, type: 'A', ttl: 5, data: ['no address'] };
  const compile = (yields: boolean) =>
    compiler.compile({
      config,
      generation: 1,
      revision: 1,
      overlays: [{ zone, serial: 4_000_000_000, rrsets: [broken], yields }],
    });
  const left = await compile(true);
  assert.ok(left.ok, JSON.stringify(left));
  assert.match(left.leftOut!.join(), /^zones\..*A data/);
  const refused = await compile(false);
  assert.ok(!refused.ok);
});

test('how far a compilation is goes to the log', async (t) => {
  const { compile, heard } = open(t);
  assert.deepEqual(await compile(15), ['15']);
  assert.deepEqual(heard, ['config.compiling Compiling what is served: reading a.mmdb, 40 %.']);
});

function open(t: TestContext) {
  const voice = createVoice();
  const compiler = createCompiler(fixture('compile-worker'), voice);
  t.after(compiler.close);
  const config = createConfig();
  const compile = async (generation: number): Promise<readonly string[]> => {
    const result = await compiler.compile({ config, generation, revision: 1 });
    assert.ok(!result.ok);
    return result.reasons;
  };
  return { compile, close: compiler.close, heard: voice.heard };
}
