import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCli } from './cli-harness.ts';

test('capacity shows what regions have and whom the plan passes on', async (t) => {
  const { run } = await openCli(t);
  const { stdout } = await run('capacity');
  assert.match(stdout, /^plan 7, .* old: 220 requests\/s of 3 classes, 34\.5 ms lost on average$/m);
  assert.match(stdout, /^virginia +60 +100 +60\.0 %/m);
  assert.match(stdout, /^singapore +0 +any/m);
  assert.match(stdout, /^2 classes have clients that are passed on:$/m);
  assert.match(
    stdout,
    /^web +N30W080 virginia>frankfurt +120 +50\.0 % +80 ms +virginia 50\.0 %, frankfurt 50\.0 %$/m,
  );
  const short = await run('capacity', '--classes', '1');
  assert.match(short.stdout, /^2 classes have clients that are passed on, 1 of them are shown:$/m);
  assert.equal(JSON.parse((await run('capacity', '-o', 'json')).stdout).passedCount, 2);
  assert.equal((await run('capacity', '--classes', '-3')).code, 2);
});

test('load is reported, listed and taken back', async (t) => {
  const { run } = await openCli(t);
  assert.equal((await run('load', 'list')).stdout, 'Nothing is reported.\n');
  const set = await run('load', 'set', 'frankfurt', '--requests', '1200', '--capacity', '0');
  assert.match(
    set.stdout,
    /^The load of region frankfurt is 1200\/s, and it can carry any until 20..-..-.. ..:..:..Z\.$/m,
  );
  assert.match((await run('load', 'list')).stdout, /^frankfurt +1200 +0 +20/m);
  const cleared = await run('load', 'clear', 'frankfurt');
  assert.match(cleared.stdout, /^The load of region frankfurt is as it is counted\.$/m);
  assert.equal((await run('load', 'clear', 'frankfurt')).code, 1);
});

test('a report of nothing, of no number or of no region is refused with what to do', async (t) => {
  const { run } = await openCli(t);
  const nothing = await run('load', 'set', 'frankfurt');
  assert.deepEqual([nothing.code, /--requests or --capacity/.test(nothing.stderr)], [2, true]);
  assert.equal((await run('load', 'set', 'frankfurt', '--requests', 'many')).code, 2);
  const unknown = await run('load', 'set', 'atlantis', '--requests', '1');
  assert.match(unknown.stderr, /There is no region "atlantis"/);
  assert.equal((await run('load', 'set', 'frankfurt', '--requests', '1', '--for', '2h')).code, 1);
});
