import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSessions, type SessionLimits } from '../../src/dns-transport/sessions.ts';
import type { Connection } from '../../src/io/stream.ts';
import {
  COUNT_CLOSED_FOR_OTHERS,
  COUNT_CLOSED_HANDSHAKE,
  COUNT_CLOSED_IDLE,
  COUNT_CONNECTIONS,
  COUNT_CONNECTIONS_REFUSED,
  COUNT_STREAM_LIMITED,
} from '../../src/nameserver/counters.ts';

const limits: SessionLimits = {
  connectionsMax: 4,
  perClientMax: 2,
  idleTimeoutMs: 1000,
  queriesPerSecond: 10,
  connectionsPerSecond: 0,
};

let ids = 0;

function connectionFrom(remoteAddress: string) {
  const said: string[] = [];
  const connection: Connection = {
    id: ++ids,
    remoteAddress,
    remotePort: 1,
    localAddress: '127.0.0.1',
    localPort: 53,
    write: () => true,
    end: () => void said.push('end'),
    destroy: () => void said.push('destroy'),
    reset: () => void said.push('reset'),
    pause: () => {},
    resume: () => {},
    taken: () => 0,
    roundTripMs: () => 0,
  };
  return { connection, said };
}

test('a client has so many connections, and all clients together', () => {
  const sessions = createSessions(limits);
  const open = (from: string) => sessions.open(connectionFrom(from).connection, 0);
  const first = open('192.0.2.1')!;
  assert.ok(open('192.0.2.1'));
  const third = connectionFrom('192.0.2.1');
  assert.equal(sessions.open(third.connection, 0), undefined);
  assert.deepEqual(third.said, ['destroy']);
  sessions.forget(first);
  sessions.forget(first);
  assert.ok(open('192.0.2.1'), 'forgetting twice frees one place');
  assert.equal(open('192.0.2.1'), undefined);
  const places = createSessions({ ...limits, perClientMax: 9 });
  for (let index = 0; index < limits.connectionsMax; index += 1) {
    assert.ok(places.open(connectionFrom('192.0.2.2').connection, 0));
  }
});

test('when all places are taken, the one that was of no use for longest makes room', () => {
  const counted: number[] = [];
  const sessions = createSessions(limits, (slot) => void counted.push(slot));
  const all = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((from, index) => {
    const { connection, said } = connectionFrom(from);
    return { session: sessions.open(connection, index)!, said };
  });
  const guest = connectionFrom('192.0.2.4');
  sessions.greet(guest.connection, 3);
  sessions.touch(all[0]!.session, 4);
  let gone = 0;
  all[1]!.session.gone = () => {
    gone += 1;
  };
  const open = (from: string): void => {
    assert.ok(sessions.open(connectionFrom(from).connection, 5));
  };
  open('192.0.2.5');
  assert.deepEqual([all[0]!.said, all[1]!.said, all[2]!.said, gone], [[], ['destroy'], [], 1]);
  open('192.0.2.6');
  assert.deepEqual([all[2]!.said, guest.said], [['destroy'], []]);
  open('192.0.2.7');
  assert.deepEqual([guest.said, all[0]!.said], [['destroy'], []]);
  open('192.0.2.8');
  assert.deepEqual(all[0]!.said, ['destroy']);
  assert.equal(counted.filter((slot) => slot === COUNT_CLOSED_FOR_OTHERS).length, 4);
});

test('a connection without a name is idle like others, and forgotten with its name', () => {
  const sessions = createSessions(limits);
  const [one, two] = [connectionFrom('192.0.2.1'), connectionFrom('192.0.2.1')];
  sessions.greet(one.connection, 0);
  sessions.greet(two.connection, 0);
  sessions.dismiss(two.connection);
  sessions.sweep(1001);
  assert.deepEqual([one.said, two.said], [['destroy'], []]);
});

test('a new connection brings a client no new credit', () => {
  const sessions = createSessions(limits);
  const again = () => sessions.open(connectionFrom('192.0.2.1').connection, 0)!;
  const first = again();
  for (let query = 0; query < 10; query += 1) assert.ok(sessions.spend(first, 0));
  sessions.forget(first);
  const second = again();
  assert.ok(!sessions.spend(second, 0));
  sessions.forget(second);
  sessions.sweep(500);
  assert.ok(!sessions.spend(again(), 0), 'half of it is not all');
  sessions.sweep(5000);
  const later = sessions.open(connectionFrom('192.0.2.1').connection, 5000)!;
  assert.ok(sessions.spend(later, 5000));
});

test('queries over many connections, one after the other, are limited as over one', () => {
  const sessions = createSessions(limits);
  let asked = 0;
  for (let round = 0; round < 100; round += 1) {
    const session = sessions.open(connectionFrom('192.0.2.1').connection, 0)!;
    for (let query = 0; query < 3; query += 1) asked += sessions.spend(session, 0) ? 1 : 0;
    sessions.forget(session);
  }
  assert.equal(asked, limits.queriesPerSecond);
});

test('a client may begin so many connections in a second, one after the other too', () => {
  const counted: number[] = [];
  const sessions = createSessions({ ...limits, connectionsPerSecond: 5 }, (slot) => {
    counted.push(slot);
  });
  const churn = (from: string, nowMs: number): number => {
    let taken = 0;
    for (let round = 0; round < 20; round += 1) {
      const session = sessions.open(connectionFrom(from).connection, nowMs);
      if (session === undefined) continue;
      taken += 1;
      sessions.forget(session);
    }
    return taken;
  };
  assert.equal(churn('192.0.2.1', 0), 5);
  assert.equal(churn('192.0.2.2', 0), 5);
  sessions.sweep(400);
  assert.equal(churn('192.0.2.1', 400), 2);
  assert.equal(counted.filter((slot) => slot === COUNT_CONNECTIONS_REFUSED).length, 48);
});

test('a clock that is set back keeps nobody longer', () => {
  const sessions = createSessions(limits);
  const [idle, guest] = [connectionFrom('192.0.2.1'), connectionFrom('192.0.2.2')];
  sessions.open(idle.connection, 3_600_000);
  sessions.greet(guest.connection, 3_600_000);
  sessions.sweep(0);
  sessions.sweep(limits.idleTimeoutMs + 1);
  assert.deepEqual([idle.said, guest.said], [['destroy'], ['destroy']]);
});

test('a connection that ends in the middle of a handshake is counted', () => {
  const counted: number[] = [];
  const sessions = createSessions(limits, (slot) => void counted.push(slot));
  const [half, whole] = ['192.0.2.1', '192.0.2.2'].map(
    (from) => sessions.open(connectionFrom(from).connection, 0)!,
  );
  whole!.isBegun = true;
  for (const session of [half!, whole!, half!]) sessions.leave(session);
  assert.equal(counted.filter((slot) => slot === COUNT_CLOSED_HANDSHAKE).length, 1);
});

test('an IPv6 client is a /64: one host has all of its addresses', () => {
  const sessions = createSessions(limits);
  const open = (from: string) => sessions.open(connectionFrom(from).connection, 0);
  const first = open('2001:db8::1')!;
  assert.ok(open('2001:db8::ffff:0:0:1'));
  assert.equal(open('2001:db8:0:0:1::9'), undefined);
  assert.ok(open('2001:db8:0:1::1'), 'the next one');
  sessions.forget(first);
  assert.ok(open('fe80::1%eth0'));
  assert.ok(open('2001:db8::7'), 'its place is free again');
});

test('what becomes of connections is counted', () => {
  const counted = new Map<number, number>();
  const sessions = createSessions(limits, (slot) => {
    counted.set(slot, (counted.get(slot) ?? 0) + 1);
  });
  const open = (from: string) => sessions.open(connectionFrom(from).connection, 0);
  const session = open('192.0.2.1')!;
  for (const from of ['192.0.2.1', '192.0.2.1', '192.0.2.2']) open(from);
  for (let query = 0; query < 12; query += 1) sessions.spend(session, 0);
  sessions.sweep(limits.idleTimeoutMs + 1);
  assert.deepEqual(
    [COUNT_CONNECTIONS, COUNT_CONNECTIONS_REFUSED, COUNT_STREAM_LIMITED, COUNT_CLOSED_IDLE].map(
      (slot) => counted.get(slot),
    ),
    [3, 1, 2, 3],
  );
});

test('all connections of a client share its queries, which come back with time', () => {
  const sessions = createSessions(limits);
  const one = sessions.open(connectionFrom('192.0.2.1').connection, 0)!;
  const two = sessions.open(connectionFrom('192.0.2.1').connection, 0)!;
  const other = sessions.open(connectionFrom('192.0.2.2').connection, 0)!;
  const spent = Array.from({ length: 12 }, (_, index) => sessions.spend(index % 2 ? one : two, 0));
  assert.equal(spent.filter(Boolean).length, 10);
  assert.ok(sessions.spend(other, 0));
  assert.ok(!sessions.spend(one, 99));
  assert.ok(sessions.spend(one, 100));
  assert.ok(!sessions.spend(two, 100));
  assert.ok(!sessions.spend(two, 50), 'a clock that is set back gives nothing');
});

test('who is idle is closed; who waits for credit is woken', () => {
  const sessions = createSessions(limits);
  const [idle, busy] = [connectionFrom('192.0.2.1'), connectionFrom('192.0.2.2')];
  sessions.open(idle.connection, 0);
  const session = sessions.open(busy.connection, 0)!;
  let woken = 0;
  session.wake = () => {
    woken += 1;
  };
  sessions.touch(session, 600);
  sessions.sweep(1001);
  assert.deepEqual([idle.said, busy.said, woken], [['destroy'], [], 1]);
  sessions.endAll();
  assert.deepEqual(busy.said, ['end']);
});

test('0 is no limit of queries', () => {
  const sessions = createSessions({ ...limits, queriesPerSecond: 0 });
  const session = sessions.open(connectionFrom('192.0.2.1').connection, 0)!;
  assert.ok(Array.from({ length: 5000 }, () => sessions.spend(session, 0)).every(Boolean));
});
