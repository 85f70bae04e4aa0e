import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  AUTH_QUERY,
  encodeOrigin,
  eventBytes,
  messageBytes,
  writeEvent,
} from '../../src/dnstap/message.ts';
import { createRing, NO_ROOM, openRingWriter } from '../../src/dnstap/ring.ts';
import { type CollectorPlace, FINISH_MS, openSender } from '../../src/dnstap/sender.ts';
import { createClient, TRANSPORT_UDP } from '../../src/nameserver/client.ts';
import { until } from '../node/until.ts';
import { ACCEPT, control, openCollector } from './collector.ts';

const DEADLINE_MS = 20_000;
const [ACCEPTED, STARTED, STOPPED] = [[4], [4, 2], [4, 2, 3]];

for (const kind of ['unix', 'tcp'] as const) {
  test(`events reach a collector over ${kind}, between START and STOP`, async (t) => {
    const collector = await openCollector(t, kind);
    const rig = open(t, collector.to);
    rig.note(0, 1);
    rig.note(1, 2);
    await rig.until(() => rig.written === 2, 'two events');
    rig.note(1, 3);
    await rig.stop();
    const [visit] = collector.visits;
    const { controls, events, rest } = visit!.frames();
    assert.deepEqual(
      controls.map(({ type }) => type),
      STOPPED,
    );
    assert.deepEqual(controls[0]!.octets, control(4, 'protobuf:dnstap.Dnstap').subarray(12));
    assert.deepEqual(controls[1]!.octets, controls[0]!.octets);
    assert.deepEqual(controls[2]!.octets, Buffer.alloc(0));
    assert.equal(rest.length, 0);
    const ids = events.map(({ queryMessage }) => queryMessage!.readUInt16BE(0)).sort();
    assert.deepEqual(ids, [1, 2, 3]);
    assert.deepEqual(rig.told, ['connected']);
    assert.equal(rig.lost, 0);
  });
}

test('a collector that comes late, goes and comes back is found again', async (t) => {
  const collector = await openCollector(t, 'unix');
  await collector.close();
  const rig = open(t, collector.to);
  rig.note(0, 1);
  await rig.until(() => rig.told.length === 1, 'the first attempt has failed');
  assert.match(rig.told[0]!, /^away E/);
  await collector.open();
  await rig.until(() => rig.written === 1, 'what was noted meanwhile is sent');
  collector.cut();
  await rig.until(() => rig.told.at(-1)?.startsWith('away'), 'told');
  rig.note(0, 2);
  await rig.until(() => rig.written === 2, 'and what came after');
  const ids = collector.visits.map((visit) => visit.frames().events.length);
  assert.deepEqual(ids, [1, 1]);
  assert.deepEqual(
    rig.told.map((each) => each.split(' ')[0]),
    ['away', 'connected', 'away', 'connected'],
  );
});

test('attempts come less and less often, and it is told once that they fail', async (t) => {
  const collector = await openCollector(t, 'unix');
  await collector.close();
  const rig = open(t, collector.to);
  // Pauses of 100, 200, … 10,000 ms, the last again and again.
  await rig.until(() => rig.timers.longestMs() >= 10_000, 'the longest pause');
  await rig.until(() => rig.timers.setTimes(10_000) >= 3, 'three of them');
  assert.equal(rig.timers.longestMs(), 10_000);
  assert.equal(rig.told.length, 1);
});

test('a collector that never reads holds one piece: the ring fills, memory does not grow', async (t) => {
  for (const kind of ['unix', 'tcp'] as const) {
    const collector = await openCollector(t, kind, { reads: false });
    const rig = open(t, collector.to);
    await rig.until(() => rig.told.at(-1) === 'connected', 'connected');
    const before = process.memoryUsage().arrayBuffers;
    let dropped = 0;
    let taken = 0;
    // Ten times what fits anywhere; a driven clock, but not so far that the collector is given up.
    for (let round = 0; round < 400; round += 1) {
      for (let index = 0; index < 200; index += 1) {
        if (rig.note(0, index, 1000)) taken += 1;
        else dropped += 1;
      }
      await rig.turn(10);
    }
    assert.ok(dropped > taken, `${dropped} dropped, ${taken} taken`);
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 8 * 2 ** 20, `${grown} octets more`);
    // It is given up in the end, and looked for again; what was on its way is counted.
    await rig.until(() => collector.visits.length > 1, 'a second visit');
    assert.ok(rig.lost > 0);
    await rig.end();
  }
});

test('what a collector that never reads has not taken at the end is counted as lost', async (t) => {
  const collector = await openCollector(t, 'unix', { reads: false });
  const rig = open(t, collector.to);
  await rig.until(() => rig.told.at(-1) === 'connected', 'connected');
  for (let round = 0; round < 100; round += 1) {
    for (let index = 0; index < 200; index += 1) rig.note(0, index, 1000);
    await rig.turn(10);
  }
  assert.equal(rig.lost, 0);
  const stopped = rig.stopped();
  rig.timers.pass(FINISH_MS);
  await stopped;
  assert.ok(rig.lost > 0);
});

test('collectors that break the protocol are left, and asked again later', async (t) => {
  const hostile: readonly (readonly [RegExp, Buffer])[] = [
    [/does not take/, control(1, 'protobuf:other')],
    [/out of turn/, control(5)],
    [/out of turn/, Buffer.concat([ACCEPT, ACCEPT])],
    [/data/, Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    [/octets/, Buffer.from([0, 0, 0, 0, 255, 255, 255, 255])],
    [/data/, Buffer.concat([ACCEPT, Buffer.alloc(2 ** 20, 1)])],
  ];
  for (const [why, welcome] of hostile) {
    const collector = await openCollector(t, 'unix', { welcome });
    const rig = open(t, collector.to);
    await rig.until(() => collector.visits.length > 1, `a second visit: ${why}`);
    assert.match(rig.told.find((each) => each.startsWith('away'))!, why);
    await rig.end();
  }
});

test('a collector that does not answer is not waited for', async (t) => {
  const collector = await openCollector(t, 'tcp', { welcome: Buffer.alloc(0) });
  const rig = open(t, collector.to);
  await rig.until(() => collector.visits.length > 1, 'a second visit');
  assert.match(rig.told[0]!, /did not answer/);
  assert.deepEqual(
    collector.visits[0]!.frames().controls.map(({ type }) => type),
    ACCEPTED,
  );
});

test('stop() ends although the collector does not take leave, or is not there', async (t) => {
  const silent = await openCollector(t, 'unix', { finishes: false });
  const rig = open(t, silent.to);
  rig.note(0, 1);
  await rig.until(() => rig.written === 1, 'sent');
  assert.deepEqual(
    silent.visits[0]!.frames().controls.map(({ type }) => type),
    STARTED,
  );
  await rig.stop();
  await rig.until(() => silent.visits[0]!.isOver, 'closed');
  assert.deepEqual(
    silent.visits[0]!.frames().controls.map(({ type }) => type),
    STOPPED,
  );
  const gone = await openCollector(t, 'unix');
  await gone.close();
  const second = open(t, gone.to);
  await second.until(() => second.told.length === 1, 'the first attempt has failed');
  await second.stop();
});

/** Two rings, a sender, and timers that the test moves. */
function open(t: TestContext, to: CollectorPlace) {
  const rings = [createRing(2 ** 20), createRing(2 ** 20)];
  const writers = rings.map(openRingWriter);
  const timers = createTimers();
  const told: string[] = [];
  const rig = {
    written: 0,
    lost: 0,
    told,
    timers,
    /** False when there was no room. */
    note(ring: number, id: number, length = 12): boolean {
      const message = Buffer.alloc(length);
      message.writeUInt16BE(id);
      const origin = encodeOrigin('test', undefined);
      const client = createClient(TRANSPORT_UDP);
      const event = { type: AUTH_QUERY, timesMs: Float64Array.of(1, 0) };
      const inner = messageBytes(event, client, length);
      const writer = writers[ring]!;
      const at = writer.reserve(eventBytes(origin, inner));
      if (at === NO_ROOM) return false;
      writeEvent(writer.bytes, at, origin, inner, event, client, message, length);
      writer.commit();
      return true;
    },
    /** Lets time pass, and sockets be heard. */
    async turn(ms: number): Promise<void> {
      timers.pass(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
    until(condition: () => unknown, what: string) {
      return until(
        () => {
          timers.pass(100);
          return condition();
        },
        DEADLINE_MS,
        () => `${what}; told: ${told.join(', ')}`,
      );
    },
    stopped: () => sender.stop(),
    async stop(): Promise<void> {
      let isOver = false;
      void sender.stop().then(() => {
        isOver = true;
      });
      await rig.until(() => isOver, 'the sender has ended');
    },
    async end(): Promise<void> {
      void sender.stop();
      // Longer than it waits for anything.
      await rig.turn(60_000);
      await rig.turn(60_000);
    },
  };
  const sender = openSender({
    to,
    rings,
    setTimer: timers.set,
    count(result, events) {
      rig[result] += events;
    },
    told: (isConnected, why) => told.push(isConnected ? 'connected' : `away ${why}`),
  });
  t.after(rig.end);
  return rig;
}

function createTimers() {
  type Timer = { readonly dueMs: number; readonly act: () => void };
  const waiting = new Set<Timer>();
  const set: number[] = [];
  let nowMs = 0;
  return {
    set(ms: number, act: () => void): () => void {
      const timer = { dueMs: nowMs + ms, act };
      waiting.add(timer);
      set.push(ms);
      return () => waiting.delete(timer);
    },
    pass(ms: number): void {
      nowMs += ms;
      for (const timer of [...waiting]) {
        if (timer.dueMs > nowMs || !waiting.delete(timer)) continue;
        timer.act();
      }
    },
    longestMs: () => Math.max(...set),
    setTimes: (ms: number) => set.filter((each) => each === ms).length,
  };
}
