import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

test('geo data that are absurd beside those in force are not taken, unless somebody asks for it', async (t) => {
  const worker = new URL('../../src/compile-worker.ts', import.meta.url);
  const compiler = createCompiler(worker, createVoice());
  t.after(compiler.close);
  const directory = mkdtempSync(join(tmpdir(), 'meridian-test-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'places.csv');
  const base = createConfig();
  const config = { ...base, geo: { ...base.geo, databases: [file] } };
  let second = 1_700_000_000;
  const write = (text: string): void => {
    writeFileSync(file, text);
    // What changes within one tick of the clock would look unchanged.
    second += 10;
    utimesSync(file, second, second);
  };
  const compile = async (isUnasked: boolean) => {
    const compiled = await compiler.compile({ config, generation: 1, revision: 1, isUnasked });
    assert.ok(compiled.ok, JSON.stringify(compiled));
    return { refused: compiled.geoRefused, places: compiled.geo.locations.length };
  };
  const world = '80.0.0.0/4,DE\n20.0.0.0/6,US\n110.0.0.0/7,SG\n';
  write(world);
  const before = await compile(false);
  assert.equal(before.refused, undefined);
  write('80.0.0.0/16,DE\n');
  const lost = await compile(true);
  assert.match(lost.refused!, /^they know the places of 0 % of the IPv4 addresses/);
  assert.equal(lost.places, before.places, 'those before stay');
  assert.deepEqual(await compile(true), { ...before, refused: undefined }, 'and it is told once');
  write('80.0.0.0/4,SG\n20.0.0.0/6,SG\n110.0.0.0/7,US\n');
  assert.match((await compile(true)).refused!, /would lead \d+ % of the address space/);
  assert.equal((await compile(false)).refused, undefined);
  write(`${world}1.0.0.0/24,FR\n`);
  assert.match((await compile(true)).refused!, /would lead/, 'what somebody took is in force');
  write('80.0.0.0/4,SG\n20.0.0.0/6,SG\n110.0.0.0/7,US\n1.0.0.0/24,FR\n');
  assert.equal((await compile(true)).refused, undefined);
});
