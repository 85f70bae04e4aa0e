import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCli } from './cli-harness.ts';

test('status shows copied zones: serial, primary, last and next look, end', async (t) => {
  const { run } = await openCli(t);
  const { code, stdout } = await run('status');
  assert.equal(code, 0);
  for (const line of [
    /^COPY OF +STATE +SERIAL +PRIMARY +CONFIRMED +NEXT LOOK +EXPIRES +PROBLEM$/m,
    /^copied\.example +current +42 +192\.0\.2\.7:53 +1m00s ago +in 59m00s +in 23h59m +-$/m,
    /^expired\.example +expired +42 +192\.0\.2\.7:53 +\S+ ago +in 59m00s +1h00m ago +192\.0\.2\.7:53: nothing listens there$/m,
    /^missing\.example +missing +- +- +never +now +- +192\.0\.2\.7:53: nothing/m,
  ]) {
    assert.match(stdout, line);
  }
});

test('zone refresh looks now, and ends with 1 when the look was in vain', async (t) => {
  const { run } = await openCli(t);
  const good = await run('zone', 'refresh', 'copied.example');
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /^copied\.example +current +42/m);
  const bad = await run('zone', 'refresh', 'expired.example', '-o', 'json');
  assert.equal(bad.code, 1);
  assert.equal(JSON.parse(bad.stdout).copy.standing, 'expired');
  const own = await run('zone', 'refresh', 'gslb.example');
  assert.equal(own.code, 1);
  assert.match(
    own.stderr,
    /is not copied from a primary\.\n {2}hint: Its records are in the config/,
  );
});
