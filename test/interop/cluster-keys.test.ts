import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PATIENCE_MS, type Region, startWorld } from '../node/cluster-world.ts';
import type { NodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';
import { startRedis } from '../store/redis-server.ts';
import { run, serverWords } from './ask.ts';

/** What a resolver that asks any of the nodes has to find: one zone, signed by one set of keys. */
const ZONE = 'gslb.example';

const dig = async ({ node }: NodeFixture, ...words: string[]): Promise<string> => {
  const { address, port } = node.dns[0]!;
  const { output } = await run('dig', [...serverWords({ address, port }), '+short', ...words]);
  return output.trim().split('\n').sort().join('\n');
};

test('nodes that start at once sign with one set of keys, through a roll and without Redis', async (t) => {
  const redis = await startRedis(t);
  const scratch = mkdtempSync(join(tmpdir(), 'meridian-cluster-keys-'));
  t.after(() => rmSync(scratch, { recursive: true, force: true }));
  const store = { kind: 'redis', url: redis.url };
  const { start } = await startWorld(t, store, {}, { dnssec: { keys: 'ksk-zsk' } });
  const startOne = (name: Region) => start(name, { stateDirectory: join(scratch, name) });
  const nodes = await Promise.all((['virginia', 'frankfurt', 'singapore'] as const).map(startOne));
  const [first, second, third] = nodes as [NodeFixture, NodeFixture, NodeFixture];

  /** All nodes show so many keys, and one serial. */
  const agree = (count: number, what: string) =>
    until(
      async () => {
        const keys = await Promise.all(nodes.map((node) => dig(node, ZONE, 'DNSKEY')));
        const serials = await Promise.all(nodes.map((node) => dig(node, ZONE, 'SOA')));
        const isOne = new Set(keys).size === 1 && new Set(serials).size === 1;
        return isOne && keys[0]!.split('\n').length === count;
      },
      PATIENCE_MS,
      what,
    );
  await agree(2, 'a KSK and a ZSK, the same on all nodes');
  const anchor = join(scratch, 'anchor');
  const keys = await dig(first, ZONE, 'DNSKEY');
  const [entry = ''] = keys.split('\n').filter((key) => key.startsWith('257 '));
  const [flags, protocol, algorithm, ...data] = entry.split(' ');
  const words = `${flags} ${protocol} ${algorithm} "${data.join('')}"`;
  writeFileSync(anchor, `trust-anchors { "${ZONE}." static-key ${words}; };\n`);
  const validates = async ({ node }: NodeFixture, name: string, type: string) => {
    const { address, port } = node.dns[0]!;
    const asked = [...serverWords({ address, port }), `${name}${ZONE}`, type];
    const { output } = await run('delv', ['-a', anchor, `+root=${ZONE}`, ...asked]);
    assert.match(output, /^; (negative response, )?fully validated/m, output);
  };
  const allValidate = async () => {
    for (const node of nodes) {
      await validates(node, 'www.', 'A');
      await validates(node, 'www.', 'MX');
      await validates(node, 'nothing.', 'A');
      await validates(node, 'ns1.', 'A');
    }
  };
  await allValidate();

  const started = await second.node.plane.startKeyRoll({ zone: ZONE, key: 'zsk', by: 'test' });
  assert.ok('roll' in started && started.sharing?.shared, JSON.stringify(started));
  await agree(3, 'the new ZSK is shown by all nodes');
  await allValidate();

  await redis.kill();
  await third.stop();
  nodes[2] = await startOne('singapore');
  await agree(3, 'a node that starts without the store has the keys of all');
  await allValidate();
  const status = nodes[2].node.plane.zoneDnssec(ZONE);
  assert.ok('roll' in status && status.roll?.step === 'introduced', JSON.stringify(status));
});
