import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { icmp } from '../../src/probe/icmp.ts';
import type { ProbeResult } from '../../src/probe/probe.ts';

const run = promisify(execFile);
const MODULE = new URL('../../src/probe/icmp.ts', import.meta.url).href;
const OPTIONS = icmp.options.parse({});

/** Probes in a network namespace of its own, which allows echo sockets to nobody at first. */
async function probeIn(allowed: boolean, address: string): Promise<ProbeResult | undefined> {
  const code = `
    import { writeFileSync } from 'node:fs';
    if (${allowed}) writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 0');
    const { icmp } = await import('${MODULE}');
    const target = { address: '${address}', port: 1 };
    const result = await icmp.run(target, icmp.options.parse({}), AbortSignal.timeout(500));
    console.log(JSON.stringify(result));`;
  const inside = `ip link set lo up && exec "${process.execPath}" --input-type=module -e "$0"`;
  try {
    const { stdout } = await run('unshare', ['-rn', '/bin/sh', '-c', inside, code]);
    return JSON.parse(stdout) as ProbeResult;
  } catch {
    // No network namespaces here: what is left is the test below.
    return undefined;
  }
}

test('run() hears an echo where the host allows it', async () => {
  for (const address of ['127.0.0.1', '::1']) {
    const result = await probeIn(true, address);
    if (result === undefined) continue;
    assert.deepEqual([result.ok, result.reason], [true, 'echo reply'], address);
    assert.ok(result.rttMs > 0 && result.timings!.firstByteMs! <= result.rttMs);
  }
});

test('run() does not say "down" where the host allows no ICMP', async () => {
  const result = await probeIn(false, '127.0.0.1');
  // A ping program with rights of its own may still do it.
  if (result === undefined || result.ok) return;
  assert.deepEqual([result.local, /ping/.test(result.reason)], [true, true], result.reason);
});

test('run() fails, or cannot tell, when nobody is there', async () => {
  const result = await probeIn(true, '192.0.2.1');
  if (result === undefined) return;
  assert.equal(result.ok, false);
});

test('run() on this host tells one or the other', async () => {
  const target = { address: '127.0.0.1', port: 1 };
  const result = await icmp.run(target, OPTIONS, AbortSignal.timeout(2000));
  assert.ok(result.ok || result.local === true, result.reason);
});
