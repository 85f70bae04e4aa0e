import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NotifyConfig, ZoneConfig } from '../../src/config/config.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { findTsig } from '../../src/dns/tsig.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import type { Peer } from '../../src/node/datagrams.ts';
import { createNotifier, NOTIFY_AT_ONCE_MAX } from '../../src/node/notifier.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { compiled, createConfig, rrset } from '../nameserver/fixture.ts';

type Sent = { readonly peer: Peer; readonly bytes: Uint8Array };
type Wire = Sent & { hear(bytes: Uint8Array): void; isOpen: boolean };

function open(notify: readonly NotifyConfig[] = [{ address: '192.0.2.7', port: 53 }]) {
  const clock = createMovedClock();
  const wires: Wire[] = [];
  const events: string[] = [];
  let id = 100;
  const notifier = createNotifier({
    clock,
    wallSeconds: () => 1_780_000_000,
    drawId: () => {
      id += 1;
      return id;
    },
    events: { record: (kind, _, message) => void events.push(`${kind}: ${message}`) },
    open(peer, hear) {
      const place: { isOpen: boolean } = { isOpen: true };
      return {
        send: (bytes) => void wires.push(Object.assign(place, { peer, bytes, hear })),
        close() {
          place.isOpen = false;
        },
      };
    },
  });
  const config = createConfig();
  const zone = config.zones['gslb.example']!;
  const key = { algorithm: 'hmac-sha512', secret: Buffer.alloc(64, 1).toString('base64') } as const;
  const serve = (serial: number, more: Partial<ZoneConfig> = {}): Snapshot => {
    const transfer = { networks: [], keys: [], notify, steered: 'default' } as const;
    const changed = { ...zone, soa: { ...zone.soa, serial }, transfer, ...more };
    const dns = { ...config.dns, keys: { 'key.': key } };
    const next = { ...config, dns, zones: { 'gslb.example': changed } };
    const snapshot = compiled(next);
    notifier.serve(next, snapshot);
    return snapshot;
  };
  const answer = ({ bytes, hear }: Sent & Pick<Wire, 'hear'>, rcode = 0): void => {
    const reply = bytes.slice();
    reply[2] = reply[2]! | 0x80;
    reply[3] = rcode;
    hear(reply);
  };
  return { answer, clock, events, notifier, serve, wires, zone };
}

test('secondaries are told at start and of every new serial, once', async () => {
  const { answer, clock, events, serve, wires } = open();
  serve(7);
  assert.equal(wires.length, 1);
  const decoded = decodeMessage(wires[0]!.bytes);
  assert.ok(decoded.ok);
  assert.match(decoded.message.answer[0]!.text, / 7 /);
  answer(wires[0]!);
  serve(7);
  await clock.advance(600_000);
  assert.equal(wires.length, 1);
  assert.equal(wires[0]!.isOpen, false);
  serve(8);
  assert.equal(wires.length, 2);
  answer(wires[1]!);
  await clock.advance(600_000);
  assert.equal(wires.length, 2);
  assert.deepEqual(events, []);
  assert.equal(clock.pending(), 0);
});

test('who does not answer is told five times more, ever more seldom, and that is said once', async () => {
  const { answer, clock, events, serve, wires } = open();
  serve(7);
  const times: number[] = [];
  for (let second = 0; second < 70; second += 1) {
    if (wires.length > times.length) times.push(second);
    await clock.advance(1000);
  }
  assert.deepEqual(times, [0, 1, 3, 7, 15, 31]);
  const text =
    'The secondary 192.0.2.7:53 of gslb.example was told of serial 7: it does not answer.';
  assert.deepEqual(events, [`zone.notify-failed: ${text}`]);
  serve(8);
  await clock.advance(100_000);
  assert.equal(events.length, 1);
  serve(9);
  answer(wires.at(-1)!);
  assert.deepEqual(events.slice(1), [
    'zone.notify-answered: The secondary 192.0.2.7:53 of gslb.example takes notice again.',
  ]);
  assert.equal(clock.pending(), 0);
});

test('a newer serial takes the place of the one that is being told', async () => {
  const { clock, serve, wires } = open();
  serve(7);
  serve(8);
  assert.equal(wires.length, 2);
  assert.equal(wires[0]!.isOpen, false);
  await clock.advance(1000);
  assert.equal(wires.length, 3);
  assert.notDeepEqual(wires[2]!.bytes, wires[0]!.bytes);
});

test('a refusal ends it; what is no reply does not', async () => {
  const { answer, clock, events, serve, wires } = open();
  serve(7);
  wires[0]!.hear(Uint8Array.of(1, 2, 3));
  wires[0]!.hear(wires[0]!.bytes);
  assert.deepEqual(events, []);
  answer(wires[0]!, 5);
  assert.match(events[0]!, /^zone.notify-failed: .* it answers REFUSED\.$/);
  await clock.advance(600_000);
  assert.equal(wires.length, 1);
});

test('each has its key and its source; with a new one it is told again', () => {
  const { serve, wires, zone } = open([
    { address: '192.0.2.7', port: 53 },
    { address: '192.0.2.8', port: 5353, key: 'key.', source: '192.0.2.1' },
  ]);
  serve(7);
  assert.deepEqual(
    wires.map(({ bytes, peer }) => [peer.address, peer.source, findTsig(bytes) !== undefined]),
    [
      ['192.0.2.7', undefined, false],
      ['192.0.2.8', '192.0.2.1', true],
    ],
  );
  const notify = [{ address: '192.0.2.7', port: 53, key: 'key.' }];
  serve(7, { ...zone, transfer: { networks: [], keys: [], notify, steered: 'omit' } });
  assert.equal(wires.length, 3);
  assert.ok(findTsig(wires[2]!.bytes) !== undefined);
  assert.deepEqual(
    wires.slice(0, 2).map(({ isOpen }) => isOpen),
    [false, false],
  );
});

test('many are told after each other', () => {
  const notify = Array.from({ length: NOTIFY_AT_ONCE_MAX + 3 }, (_, index) => ({
    address: '192.0.2.7',
    port: 1000 + index,
  }));
  const { answer, notifier, serve, wires } = open(notify);
  serve(7);
  assert.equal(wires.length, NOTIFY_AT_ONCE_MAX);
  answer(wires[0]!);
  assert.equal(wires.length, NOTIFY_AT_ONCE_MAX + 1);
  notifier.close();
  assert.ok(wires.every(({ isOpen }) => !isOpen));
});

test('a change without a new serial is said, for secondaries do not fetch it', () => {
  const { events, serve, zone } = open();
  serve(7);
  serve(7);
  assert.deepEqual(events, []);
  serve(7, { rrsets: [...zone.rrsets, rrset('new.gslb.example.', 'A', ['192.0.2.99'])] });
  assert.match(
    events[0]!,
    /^zone.silent-change: gslb\.example has changed, but its serial is still 7/,
  );
  serve(8, { rrsets: zone.rrsets });
  assert.equal(events.length, 1);
});
