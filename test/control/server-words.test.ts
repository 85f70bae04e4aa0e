import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReplica } from '../../src/cluster/replica.ts';
import { ALL_NODES, createServerWords } from '../../src/control/server-words.ts';
import type { ServerWord } from '../../src/discovery/server-word.ts';

const NOW_MS = Date.UTC(2026, 10, 22);
const drain: ServerWord = {
  ...{ upstream: 'web', server: '192.0.2.1:80', mode: 'drain' },
  ...{ reason: '', by: 'anna', setAtMs: NOW_MS },
};

function open(node: string, shares: boolean) {
  const replica = createReplica(node);
  let changes = 0;
  const words = createServerWords({
    replica,
    clock: { nowMs: () => NOW_MS },
    settled: async () => ({ shared: true, detail: '' }),
    scope: () => (shares ? ALL_NODES : node),
    onChange() {
      changes += 1;
    },
  });
  return { replica, words, changes: () => changes };
}

/** All that one node knows comes to the other. */
function tell(from: ReturnType<typeof open>, to: ReturnType<typeof open>): void {
  to.replica.merge(from.replica.all(), NOW_MS, 'peer');
}

test('a word reaches all nodes that share a configuration, and no node that has its own', async () => {
  for (const shares of [true, false]) {
    const [one, two] = [open('one', shares), open('two', shares)];
    await one.words.set(drain);
    assert.deepEqual(one.words.current(), [drain]);
    tell(one, two);
    assert.deepEqual(two.words.current(), shares ? [drain] : []);
    assert.equal(two.changes(), shares ? 1 : 0);
  }
});

test('a word that changes nothing any more is forgotten, and one from elsewhere must be of its key', async () => {
  const { changes, replica, words } = open('one', false);
  await words.set(drain);
  const { mode: _, ...idle } = drain;
  await words.set(idle);
  assert.deepEqual(words.current(), []);
  assert.equal(changes(), 2);
  replica.write('server/one/web/other', JSON.stringify(drain), NOW_MS);
  replica.write('server/one/web/192.0.2.1:80', 'not a word', NOW_MS);
  assert.deepEqual(words.current(), []);
  words.close();
  replica.write('server/one/web/x', undefined, NOW_MS);
  assert.equal(changes(), 4, 'nobody hears after the end');
});
