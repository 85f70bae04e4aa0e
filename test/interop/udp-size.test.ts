import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const TIMEOUT_MS = 60_000;

/** A network namespace whose loopback takes so much at once. */
function onLink(mtu: number): unknown {
  const script = fileURLToPath(new URL('./small-link.ts', import.meta.url));
  const prepare = `ip link set lo mtu ${mtu} up`;
  const node = [process.execPath, ...process.execArgv.filter((word) => !/test/.test(word)), script];
  const words = ['-n', 'sh', '-c', `${prepare} && exec "$@"`, 'sh', ...node];
  const { status, stderr, stdout } = spawnSync('unshare', words, {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

const middle = { name: 'middle', records: 4, isCut: false, hasEdns: true, transport: 'UDP' };
const whole = { name: 'large', records: 12, isCut: false, hasEdns: true, transport: 'UDP' };
const cut = { ...whole, records: 0, isCut: true };
const overTcp = { ...whole, transport: 'TCP' };

test('what a link does not take at once is to be had over TCP, and is not sent in fragments', () => {
  const small = { dig: [middle, cut, overTcp], bursts: { 'middle: 4': 16, 'large: 0 cut': 8 } };
  assert.deepEqual(onLink(1280), [small, small]);
  const large = { dig: [middle, whole, whole], bursts: { 'middle: 4': 16, 'large: 12': 8 } };
  assert.deepEqual(onLink(65_536), [large, large]);
});
