import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { systemClock, wallClockMs } from '../../src/control/clock.ts';

test('systemClock tells the time, and goes on when somebody sets the wall clock', (t) => {
  assert.ok(Math.abs(systemClock.nowMs() - wallClockMs()) < 60_000);
  const before = systemClock.nowMs();
  t.mock.timers.enable({ apis: ['Date'], now: 0 });
  assert.equal(wallClockMs(), 0);
  const stepMs = systemClock.nowMs() - before;
  assert.ok(stepMs >= 0 && stepMs < 60_000);
});

test('MERIDIAN_CLOCK_OFFSET_MS bends what a process takes for the time', () => {
  const file = new URL('../../src/control/clock.ts', import.meta.url);
  const script = `import { systemClock, wallClockMs } from '${file.href}';
    console.log(systemClock.nowMs() - Date.now(), wallClockMs() - Date.now());`;
  const offsets = (text: string): readonly number[] => {
    const env = { ...process.env, MERIDIAN_CLOCK_OFFSET_MS: text };
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { env });
    return String(said).trim().split(' ').map(Number);
  };
  for (const [text, expected] of [
    ['-3600000', -3600_000],
    ['nonsense', 0],
  ] as const) {
    for (const offsetMs of offsets(text)) assert.ok(Math.abs(offsetMs - expected) < 60_000, text);
  }
});
