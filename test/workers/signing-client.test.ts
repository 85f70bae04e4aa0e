import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import {
  COLD_PER_SECOND_MAX,
  COLD_TIMEOUT_MS,
  COLD_WAITING_MAX,
  type ColdQuery,
  createSigningClient,
} from '../../src/workers/signing-client.ts';
import { clientAt, NOW_MS } from '../nameserver/fixture.ts';

const client = clientAt('192.0.2.1');
const nobody = (): void => assert.fail('nobody was to be answered');
const query = Uint8Array.of(1, 2, 3);

/** A line whose other end is held by the test. */
function openLine(t: TestContext) {
  const { port1, port2 } = new MessageChannel();
  t.after(() => {
    port1.close();
    port2.close();
  });
  const heard: ColdQuery[] = [];
  port2.on('message', (message: ColdQuery) => heard.push(message));
  const hears = async (count: number) => {
    while (heard.length < count) await once(port2, 'message');
    return heard;
  };
  return { port: port1, signer: port2, heard, hears };
}

test('a query goes over the line, and its reply to whoever asked', async (t) => {
  const line = openLine(t);
  const heard: unknown[] = [];
  const cold = createSigningClient((generation, learned) => heard.push(generation, ...learned));
  cold.connect(line.port);
  const reply = new Promise((take) => {
    assert.equal(cold.ask(query, client, NOW_MS, take), true);
  });
  const [asked] = await line.hears(1);
  assert.deepEqual([...asked!.query], [1, 2, 3]);
  assert.deepEqual([asked!.transport, asked!.nowMs], [client.transport, NOW_MS]);
  const news = { generation: 3, learned: ['what was signed'] };
  line.signer.postMessage({ ...news, id: asked!.id + 1, reply: Uint8Array.of(8) });
  line.signer.postMessage({ ...news, id: asked!.id, reply: Uint8Array.of(9) });
  assert.deepEqual(await reply, Uint8Array.of(9));
  assert.deepEqual(heard, [3, 'what was signed', 3, 'what was signed']);
});

test('without a signer there is no room', () => {
  const cold = createSigningClient(() => {});
  assert.equal(cold.ask(query, client, NOW_MS, nobody), false);
});

test('so many wait and no more, until one is answered', async (t) => {
  const line = openLine(t);
  const cold = createSigningClient(() => {});
  cold.connect(line.port);
  const ask = (take: () => void = () => {}) => cold.ask(query, client, NOW_MS, take);
  const answered = new Promise<void>((take) => {
    assert.equal(ask(take), true);
  });
  for (let n = 1; n < COLD_WAITING_MAX; n += 1) assert.equal(ask(), true);
  assert.equal(ask(), false);
  const [first] = await line.hears(COLD_WAITING_MAX);
  line.signer.postMessage({ id: first!.id, reply: undefined });
  await answered;
  assert.equal(ask(), true);
  assert.equal(ask(), false);
});

test('what is not answered in time is forgotten and makes room', (t) => {
  const cold = createSigningClient(() => {});
  cold.connect(openLine(t).port);
  const forgotten: number[] = [];
  for (let n = 0; n < COLD_WAITING_MAX; n += 1) {
    cold.ask(query, client, NOW_MS + n, (reply) => {
      assert.equal(reply, undefined);
      forgotten.push(n);
    });
  }
  const later = NOW_MS + COLD_TIMEOUT_MS + 2;
  assert.equal(cold.ask(query, client, later, nobody), true);
  assert.deepEqual(forgotten, [0, 1, 2]);
});

test('so many a second and no more', async (t) => {
  const line = openLine(t);
  const cold = createSigningClient(() => {});
  cold.connect(line.port);
  line.signer.on('message', ({ id }: ColdQuery) => {
    line.signer.postMessage({ id, reply: undefined });
  });
  const ask = (nowMs: number) =>
    new Promise<boolean>((settle) => {
      if (!cold.ask(query, client, nowMs, () => settle(true))) settle(false);
    });
  for (let n = 0; n < COLD_PER_SECOND_MAX; n += 1) assert.equal(await ask(NOW_MS), true);
  assert.equal(await ask(NOW_MS), false);
  assert.equal(await ask(NOW_MS + 1), true, 'and more with time');
});

test('a new line forgets what the old one was asked', async (t) => {
  const [first, second] = [openLine(t), openLine(t)];
  const cold = createSigningClient(() => {});
  cold.connect(first.port);
  const replies: unknown[] = [];
  assert.equal(
    cold.ask(query, client, NOW_MS, (reply) => replies.push(reply)),
    true,
  );
  cold.connect(second.port);
  assert.deepEqual(replies, [undefined]);
  assert.equal(
    cold.ask(query, client, NOW_MS, () => {}),
    true,
  );
  assert.equal((await second.hears(1)).length, 1);
});

test('when the signer goes there is no room', async (t) => {
  const line = openLine(t);
  const cold = createSigningClient(() => {});
  cold.connect(line.port);
  line.signer.close();
  await once(line.port, 'close');
  assert.equal(cold.ask(query, client, NOW_MS, nobody), false);
});
