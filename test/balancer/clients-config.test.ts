import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileBalancer } from '../../src/balancer/compile.ts';
import { counterBytes } from '../../src/balancer/counters.ts';
import { type BalancerLimits, DEFAULT_LIMITS } from '../../src/balancer/snapshot.ts';
import { validateConfig } from '../../src/config/validate.ts';
import { centroids } from '../config/centroids.ts';
import { connectRaw, startRig } from './rig.ts';

/** `balancer.clients`: from the file to who waits too long. */

function limitsOf(clients: string): BalancerLimits {
  const text = `node: { roles: [balancer] }\nregions: { eu: { location: DE } }\nbalancer:\n  clients: ${clients}\n`;
  const result = validateConfig(text, 'test.yaml', {}, centroids);
  if (!result.ok) assert.fail(JSON.stringify(result.issues));
  return compileBalancer(result.config.balancer, { generation: 1, nodeName: 'n' }).limits;
}

test('nothing said is the default, and each word has its limit', () => {
  assert.deepEqual(limitsOf('{}'), DEFAULT_LIMITS);
  const words: Readonly<Record<string, readonly [string, keyof BalancerLimits, number]>> = {
    connectionsMax: ['7', 'connectionsMax', 7],
    bodyBytesMax: ['1000', 'requestBodyBytesMax', 1000],
    headTimeout: ['3s', 'headTimeoutMs', 3_000],
    keepAliveTimeout: ['2m', 'keepAliveTimeoutMs', 120_000],
    bodyIdleTimeout: ['4s', 'bodyIdleTimeoutMs', 4_000],
    writeIdleTimeout: ['5s', 'writeIdleTimeoutMs', 5_000],
    tunnelIdleTimeout: ['6h', 'tunnelIdleTimeoutMs', 21_600_000],
    lingerTimeout: ['0s', 'lingerTimeoutMs', 0],
  };
  for (const [word, [value, key, expected]] of Object.entries(words)) {
    assert.deepEqual(limitsOf(`{ ${word}: ${value} }`), { ...DEFAULT_LIMITS, [key]: expected });
  }
});

test('a reload holds for who is there already', async () => {
  const rig = await startRig({ servers: [1], limits: limitsOf('{ headTimeout: 3s }') });
  const client = connectRaw(rig.port);
  client.send('GET / HTTP/1.1\r\n');
  while (rig.counters().listeners[0]!.bytesIn === 0) await new Promise(setImmediate);
  const next = { ...rig.snapshot, limits: limitsOf('{ headTimeout: 1m }') };
  rig.balancer.serve(next, new SharedArrayBuffer(counterBytes(next)));
  rig.pass(59_999);
  assert.equal(client.text(), '');
  rig.pass(1);
  assert.match((await client.ended()).text, /^HTTP\/1\.1 408 /);
  await rig.close();
});
