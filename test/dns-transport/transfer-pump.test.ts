import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseQuery } from '../../src/dns/message.ts';
import type { Desk } from '../../src/dns-transport/desk.ts';
import type { ClientAccount } from '../../src/dns-transport/sessions.ts';
import {
  createTransferPump,
  TRANSFER_JUDGED_AFTER_MS,
  TRANSFER_SPEED_MIN,
  TRANSFERS_MAX,
  TRANSFERS_PER_CLIENT_MAX,
} from '../../src/dns-transport/transfer-pump.ts';
import { setSourceAddress } from '../../src/ip/source.ts';
import { createClient, TRANSPORT_TCP } from '../../src/nameserver/client.ts';
import {
  APEX_RECORDS,
  compiled,
  createConfig,
  NO_STOPWATCH,
  NOW_MS,
  queryBytes,
  rrset,
  startWorker,
} from '../nameserver/fixture.ts';

/** A zone of some megabytes, which anybody may copy. */
function servedZone() {
  const config = createConfig();
  const zone = config.zones['gslb.example']!;
  const many = Array.from({ length: 500 }, (_, index) =>
    rrset(`h${index}.gslb.example.`, 'TXT', Array(40).fill(`"${'x'.repeat(200)}"`)),
  );
  const transfer = { networks: ['0.0.0.0/0'], keys: [], steered: 'omit', notify: [] } as const;
  const rrsets = [
    ...APEX_RECORDS,
    ...many.map((each) => ({ ...each, data: [each.data.join(' ')] })),
  ];
  const zones = { 'gslb.example': { ...zone, steered: [], rrsets, transfer } };
  return startWorker(compiled({ ...config, zones }));
}

/** Who copies the zone: takes so many messages, and then none until it is told to. */
function open() {
  const worker = servedZone();
  let nowMs = NOW_MS;
  const desk: Desk = {
    worker,
    nowMs: () => nowMs,
    tap: () => undefined,
    stopwatch: NO_STOPWATCH,
    defer: () => false,
    sign: () => false,
  };
  const query = queryBytes('gslb.example', 'AXFR');
  const pumps: { readonly end: () => void }[] = [];
  const account = (name: string): ClientAccount => ({
    ...{ name, connections: 1, transfers: 0 },
    queries: { left: 0, sinceMs: 0 },
    beginnings: { left: 0, sinceMs: 0 },
  });
  const begin = (from: ClientAccount, messages: number) => {
    let left = messages;
    const state = { isClosed: false, isTaken: false, goOn: (_: number): void => {} };
    const pump = createTransferPump(
      desk,
      from,
      () => {
        left -= 1;
      },
      () => left > 0,
      () => {
        state.isClosed = true;
        pump.end();
      },
    );
    pumps.push(pump);
    parseQuery(worker.query, query, query.length);
    const client = createClient(TRANSPORT_TCP);
    setSourceAddress(client, '192.0.2.1', false);
    state.isTaken = pump.begin(client, query);
    state.goOn = (count) => {
      left += count;
      pump.goOn();
    };
    return state;
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  const end = (): void => {
    for (const pump of pumps) pump.end();
  };
  return { account, begin, end, pass };
}

test('one client has so many transfers at once, all together so many', () => {
  const { account, begin, end } = open();
  const one = account('one');
  const own = Array.from({ length: TRANSFERS_PER_CLIENT_MAX + 1 }, () => begin(one, 1).isTaken);
  assert.deepEqual(own, [...Array(TRANSFERS_PER_CLIENT_MAX).fill(true), false]);
  const others = Array.from({ length: TRANSFERS_MAX }, (_, index) => begin(account(`${index}`), 1));
  assert.equal(
    others.filter(({ isTaken }) => isTaken).length,
    TRANSFERS_MAX - TRANSFERS_PER_CLIENT_MAX,
  );
  end();
  assert.equal(one.transfers, 0);
});

test('when there is no room, who takes a zone too slowly makes some; who is quick or new does not', () => {
  const { account, begin, end, pass } = open();
  const slow = begin(account('slow'), 1);
  const slower = begin(account('slower'), 1);
  slow.goOn(1);
  const quick = Array.from({ length: TRANSFERS_MAX - 2 }, (_, index) =>
    begin(account(`quick ${index}`), 1),
  );
  pass(TRANSFER_JUDGED_AFTER_MS - 1);
  assert.equal(begin(account('early'), 1).isTaken, false);
  pass(1);
  const enough = Math.ceil((TRANSFER_SPEED_MIN * TRANSFER_JUDGED_AFTER_MS) / 1000 / 8000) + 1;
  for (const each of quick) each.goOn(enough);
  assert.equal(begin(account('next'), 1).isTaken, true);
  assert.deepEqual([slow.isClosed, slower.isClosed], [false, true]);
  assert.equal(begin(account('next but one'), 1).isTaken, true);
  assert.equal(slow.isClosed, true);
  assert.equal(begin(account('one too many'), 1).isTaken, false);
  assert.ok(quick.every(({ isClosed }) => !isClosed));
  end();
});
