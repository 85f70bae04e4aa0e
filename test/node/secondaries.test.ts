import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config, PrimaryServerConfig } from '../../src/config/config.ts';
import type { ZoneOverlay } from '../../src/config/overlay.ts';
import { formatName } from '../../src/dns/name.ts';
import { writeNotify } from '../../src/dns/notify.ts';
import { COPIED_RECORDS_MAX, type CopyParts } from '../../src/node/copied-zone.ts';
import { factsOfCopy } from '../../src/node/copy-alterations.ts';
import type { KeptCopy } from '../../src/node/copy-files.ts';
import type { LookAnswer } from '../../src/node/primary-look.ts';
import {
  createSecondaries,
  LOOKS_AT_ONCE_MAX,
  LOOKS_AT_SERVER_MAX,
} from '../../src/node/secondaries.ts';
import { copyOf } from '../../src/secondary/zone-copy.ts';
import type { ZoneContent } from '../../src/zone/zone-content.ts';
import { createMovedClock, settle } from '../monitoring/moved-clock.ts';
import { createConfig } from '../nameserver/fixture.ts';
import { APEX, a, NS, record } from '../secondary/primary-stream.ts';

const [REFRESH, RETRY, EXPIRE] = [3600, 600, 86_400];
const START_MS = 1_780_000_000_000;
const ONE: PrimaryServerConfig = { address: '192.0.2.1', port: 53 };
const TWO: PrimaryServerConfig = { address: '192.0.2.2', port: 53 };
type Look = { readonly address: string; readonly zone: string; readonly serial?: number };
type Say = (look: Look) => LookAnswer | Promise<LookAnswer>;

function contentOf(serial: number): ZoneContent {
  const soa = record('@', 'SOA', `ns host ${serial} ${REFRESH} ${RETRY} ${EXPIRE} 60`);
  const copy = copyOf(APEX, soa, [NS, a('www', serial % 256)]);
  assert.ok(copy.ok);
  return copy.content;
}
const gives =
  (serial: number): Say =>
  () => ({ kind: 'copied', content: contentOf(serial), way: 'AXFR' });
const fails: Say = () => ({ kind: 'failed', reason: 'nothing listens there' });
const confirms: Say = () => ({ kind: 'current' });

/** A node with copied zones whose primaries say what a test wants. */
function open(say: Say, kept?: KeptCopy) {
  const clock = createMovedClock(START_MS);
  const looks: string[] = [];
  const events: string[] = [];
  const overlays = new Map<string, ZoneOverlay>();
  const keeps: KeptCopy[] = [];
  const world = { say, problems: [] as readonly string[] };
  const note = (kind: string, message: string): void => void events.push(`${kind}: ${message}`);
  const parts: CopyParts = {
    clock,
    wallSeconds: () => Math.floor(clock.nowMs() / 1000),
    draw: () => 0,
    async look({ address }, apex, copy) {
      const zone = formatName(apex);
      const serial = copy?.serial;
      looks.push(`${(clock.nowMs() - START_MS) / 1000} ${zone} ${address} ${serial ?? '-'}`);
      return world.say({ address, zone, ...(serial === undefined ? {} : { serial }) });
    },
    factsOf: async (config, zone, content) => factsOfCopy(config, zone, content),
    check: async () => world.problems,
    files: {
      read: async () => kept,
      async keep(copy) {
        keeps.push(copy);
        return undefined;
      },
    },
    overlays: {
      set(_, zone, overlay) {
        if (overlay === undefined) overlays.delete(zone);
        else overlays.set(zone, overlay);
      },
    },
    events: { record: (kind, _, message) => note(kind, message) },
    log: { warn: note },
  };
  const secondaries = createSecondaries(parts);
  const configOf = (servers: readonly PrimaryServerConfig[], names = ['example']): Config => {
    const zone = createConfig().zones['second.test']!;
    const primary = { servers, whenExpired: 'servfail' } as const;
    const copied = { ...zone, rrsets: [], primary };
    return createConfig({ zones: Object.fromEntries(names.map((name) => [name, copied])) });
  };
  const follow = async (config: Config): Promise<void> => {
    secondaries.follow(config, { tsigKeys: [], udpSizeMax: 1232 });
    await settle();
  };
  const kinds = (): string => events.map((event) => event.split(':')[0]!.slice(5)).join(' ');
  /** The reply's RCODE. */
  const notify = async (from: readonly number[]): Promise<number | undefined> => {
    const query = writeNotify(7, APEX, contentOf(1).soa);
    const address = Uint8Array.from(from);
    const nowMs = clock.nowMs();
    const reply = secondaries.notified({ query, family: 4, address, isStream: false, nowMs });
    await settle();
    return reply && reply[3]! & 15;
  };
  return {
    clock,
    configOf,
    events,
    follow,
    keeps,
    kinds,
    looks,
    notify,
    overlays,
    secondaries,
    world,
  };
}

test('the first look is at once, later ones when the SOA says; every one of them is kept', async () => {
  const { clock, configOf, follow, keeps, kinds, looks, overlays, secondaries, world } = open(
    gives(7),
  );
  await follow(configOf([ONE]));
  assert.deepEqual(looks, ['0 example. 192.0.2.1 -']);
  assert.equal(overlays.get('example')?.soa?.serial, 7);
  world.say = confirms;
  await clock.advance(2 * REFRESH * 1000);
  assert.deepEqual(looks.slice(1), ['3600 example. 192.0.2.1 7', '7200 example. 192.0.2.1 7']);
  assert.deepEqual(
    keeps.map(({ confirmedMs, content, primary }) => [
      confirmedMs - START_MS,
      content.serial,
      primary,
    ]),
    [0, 3600, 7200].map((seconds) => [seconds * 1000, 7, '192.0.2.1:53']),
  );
  assert.deepEqual(secondaries.status('example'), {
    standing: 'current',
    serial: 7,
    rrsets: 3,
    primary: '192.0.2.1:53',
    confirmedAtMs: START_MS + 7_200_000,
    nextLookAtMs: START_MS + 10_800_000,
    expiresAtMs: START_MS + 7_200_000 + EXPIRE * 1000,
    problem: undefined,
  });
  assert.equal(kinds(), 'transferred');
});

test('after a failure each `retry`; expired after `expire` without a word; then whatever there is', async () => {
  const { clock, configOf, events, follow, kinds, looks, overlays, secondaries, world } = open(
    gives(7),
  );
  await follow(configOf([ONE]));
  world.say = fails;
  await clock.advance((REFRESH + 2 * RETRY) * 1000);
  assert.deepEqual(
    looks.slice(1).map((look) => Number(look.split(' ')[0])),
    [REFRESH, REFRESH + RETRY, REFRESH + 2 * RETRY],
  );
  assert.equal(secondaries.status('example')?.problem, '192.0.2.1:53: nothing listens there');
  await clock.advance((EXPIRE - REFRESH - 2 * RETRY) * 1000 - 1);
  assert.equal(overlays.get('example')?.isExpired, false);
  await clock.advance(1);
  assert.equal(overlays.get('example')?.isExpired, true);
  assert.equal(secondaries.status('example')?.standing, 'expired');
  assert.equal(kinds(), 'transferred refresh-failed expired');
  assert.match(
    events[1]!,
    /the copy is good until 2026-05-29T\S+: 192\.0\.2\.1:53: nothing listens/,
  );
  // An older serial, of a backup: what has expired is not compared with.
  world.say = gives(3);
  await clock.advance(RETRY * 1000);
  assert.match(looks.at(-1)!, / -$/);
  assert.equal(overlays.get('example')?.isExpired, false);
  assert.equal(overlays.get('example')?.soa?.serial, 3);
  assert.equal(kinds(), 'transferred refresh-failed expired transferred refreshed');
});

test('several primaries are asked in turn, until one has an answer', async () => {
  const { configOf, events, follow, looks, secondaries, world } = open((look) =>
    look.address === ONE.address ? fails(look) : gives(7)(look),
  );
  await follow(configOf([ONE, TWO]));
  assert.deepEqual(looks, ['0 example. 192.0.2.1 -', '0 example. 192.0.2.2 -']);
  assert.equal(secondaries.status('example')?.primary, '192.0.2.2:53');
  world.say = fails;
  await secondaries.refresh('example');
  assert.match(events.at(-1)!, /192\.0\.2\.1:53: nothing .*; 192\.0\.2\.2:53: nothing/);
  assert.equal(await secondaries.refresh('other.example'), false);
});

test('a primary that has nothing newer is not the last word, and who says that it has is asked first', async () => {
  const { clock, configOf, follow, looks, notify, secondaries, world } = open(gives(7));
  await follow(configOf([ONE, TWO]));
  // The first has not heard of it yet.
  world.say = (look) => (look.address === ONE.address ? confirms(look) : gives(8)(look));
  await clock.advance(60_000);
  await secondaries.refresh('example');
  assert.deepEqual(looks.slice(1), ['60 example. 192.0.2.1 7', '60 example. 192.0.2.2 7']);
  assert.equal(secondaries.status('example')?.serial, 8);
  world.say = gives(9);
  await clock.advance(60_000);
  await notify([192, 0, 2, 2]);
  assert.deepEqual(looks.slice(3), ['120 example. 192.0.2.2 8']);
  world.say = confirms;
  await secondaries.refresh('example');
  assert.deepEqual(looks.slice(4), ['120 example. 192.0.2.1 9', '120 example. 192.0.2.2 9']);
  assert.equal(secondaries.status('example')?.primary, '192.0.2.1:53');
});

test('a zone that cannot be served is refused, and the copy of before stays', async () => {
  const { configOf, events, follow, overlays, secondaries, world } = open(gives(7));
  await follow(configOf([ONE]));
  world.say = gives(8);
  world.problems = ['www.example. has a CNAME beside other data'];
  await secondaries.refresh('example');
  assert.equal(overlays.get('example')?.soa?.serial, 7);
  assert.match(
    events.at(-1)!,
    /refresh-failed: .*its zone cannot be served: www\.example\. has a CNAME/,
  );
  assert.equal(secondaries.status('example')?.serial, 7);
});

test('a NOTIFY of a primary is a reason to look, once a second; of others it is none', async () => {
  const { clock, configOf, follow, looks, notify, world } = open(gives(7));
  assert.equal(await notify([192, 0, 2, 1]), undefined);
  await follow(configOf([ONE]));
  world.say = confirms;
  await clock.advance(60_000);
  assert.equal(await notify([192, 0, 2, 9]), 5);
  assert.equal(looks.length, 1);
  assert.equal(await notify([192, 0, 2, 1]), 0);
  for (let count = 0; count < 5; count += 1) await notify([192, 0, 2, 1]);
  await clock.advance(5000);
  assert.deepEqual(
    looks.slice(1).map((look) => look.split(' ')[0]),
    ['60', '61'],
  );
});

test('a NOTIFY while a look is under way makes another one', async () => {
  let end = (_: LookAnswer): void => {};
  const { configOf, clock, follow, looks, notify, world } = open(
    () => new Promise((resolve) => (end = resolve)),
  );
  await follow(configOf([ONE]));
  await notify([192, 0, 2, 1]);
  await clock.advance(10_000);
  assert.equal(looks.length, 1);
  world.say = gives(8);
  end({ kind: 'copied', content: contentOf(7), way: 'AXFR' });
  await clock.advance(0);
  assert.deepEqual(looks, ['0 example. 192.0.2.1 -', '10 example. 192.0.2.1 7']);
});

test('a copy on disk is served at once, with its age', async () => {
  const kept = { content: contentOf(7), confirmedMs: START_MS - 1000, primary: '192.0.2.1:53' };
  const young = open(fails, kept);
  await young.secondaries.adopt(young.configOf([ONE]));
  assert.equal(young.overlays.get('example')?.isExpired, false);
  await young.follow(young.configOf([ONE]));
  assert.deepEqual(young.looks, ['0 example. 192.0.2.1 7']);
  await young.clock.advance((EXPIRE - 1) * 1000);
  assert.equal(young.overlays.get('example')?.isExpired, true);

  const old = open(fails, { ...kept, confirmedMs: START_MS - EXPIRE * 1000 });
  await old.secondaries.adopt(old.configOf([ONE]));
  assert.equal(old.overlays.get('example')?.isExpired, true);
  assert.equal(old.secondaries.disown(), true);
  assert.equal(old.overlays.size, 0);
  assert.equal(old.secondaries.status('example')?.standing, 'missing');
});

test('without a copy it looks ever more seldom, and says so once', async () => {
  const { clock, configOf, follow, kinds, looks } = open(fails);
  await follow(configOf([ONE]));
  await clock.advance(30_000);
  assert.deepEqual(
    looks.map((look) => look.split(' ')[0]),
    ['0', '2', '6', '14', '30'],
  );
  assert.equal(kinds(), 'refresh-failed');
});

test('another primary is asked at once; a zone that has none any more is let go of', async () => {
  const { clock, configOf, follow, looks, overlays, secondaries } = open(gives(7));
  await follow(configOf([ONE]));
  await follow(configOf([ONE]));
  assert.equal(looks.length, 1);
  await follow(configOf([TWO]));
  assert.equal(looks.at(-1), '0 example. 192.0.2.2 7');
  await follow(createConfig());
  assert.equal(overlays.size, 0);
  assert.equal(secondaries.status('example'), undefined);
  await clock.advance(REFRESH * 2000);
  assert.equal(looks.length, 2);
  assert.equal(clock.pending(), 0);
});

test('a server that takes its time with its zones does not keep those of others from theirs', async () => {
  const { configOf, follow, looks } = open((look) =>
    look.address === ONE.address ? new Promise(() => {}) : gives(7)(look),
  );
  const slow = Array.from({ length: LOOKS_AT_ONCE_MAX + 3 }, (_, index) => `z${index}.example`);
  const all = configOf([ONE], [...slow, 'example']);
  const primary = { servers: [TWO], whenExpired: 'servfail' } as const;
  await follow({ ...all, zones: { ...all.zones, example: { ...all.zones['example']!, primary } } });
  assert.equal(looks.length, LOOKS_AT_SERVER_MAX + 1);
  assert.equal(looks.at(-1), '0 example. 192.0.2.2 -');
});

test('of many zones only so many are looked at at once', async () => {
  const ends: (() => void)[] = [];
  const { configOf, follow, looks, secondaries } = open(
    (look) => new Promise((resolve) => ends.push(() => resolve(fails(look)))),
  );
  const names = Array.from({ length: LOOKS_AT_ONCE_MAX + 3 }, (_, index) => `z${index}.example`);
  const all = configOf([ONE], names);
  const zones = Object.entries(all.zones).map(([name, zone], index) => {
    const servers = [{ address: `192.0.2.${1 + index}`, port: 53 }];
    return [name, { ...zone, primary: { servers, whenExpired: 'servfail' } }] as const;
  });
  await follow({ ...all, zones: Object.fromEntries(zones) });
  assert.equal(looks.length, LOOKS_AT_ONCE_MAX);
  ends.shift()!();
  await settle();
  assert.equal(looks.length, LOOKS_AT_ONCE_MAX + 1);
  await secondaries.close();
  for (const end of ends.splice(0)) end();
  await settle();
  assert.equal(looks.length, LOOKS_AT_ONCE_MAX + 1);
});

test('what is steered here and not of the primary is told, once', async () => {
  const { configOf, events, follow, secondaries, world } = open(gives(7));
  const config = configOf([ONE]);
  const steered = createConfig().zones['gslb.example']!.steered[0]!;
  const zone = { ...config.zones['example']!, steered: [{ ...steered, owner: 'www.example.' }] };
  await follow({ ...config, zones: { example: zone } });
  world.say = gives(8);
  await secondaries.refresh('example');
  const told = events.filter((event) => event.startsWith('zone.altered'));
  assert.equal(told.length, 1);
  assert.match(told[0]!, /steered here are www\.example\. A/);
});

test('a copy of a copy expires when that one does, and is good again when it is', async () => {
  const { clock, configOf, follow, kinds, overlays, secondaries, world } = open(gives(7));
  await follow(configOf([ONE]));
  world.say = () => ({ kind: 'current', expireSeconds: 0 });
  await clock.advance(REFRESH * 1000);
  // It was confirmed an hour ago, which is later than that.
  assert.equal(secondaries.status('example')?.confirmedAtMs, START_MS);
  await clock.advance((EXPIRE - REFRESH) * 1000);
  assert.equal(overlays.get('example')?.isExpired, true);
  assert.equal(kinds(), 'transferred expired');
  world.say = () => ({ kind: 'current', expireSeconds: 0 });
  await clock.advance(REFRESH * 1000);
  assert.equal(overlays.get('example')?.isExpired, true);
  world.say = () => ({ ...gives(7)({ address: '', zone: '' }), expireSeconds: 500 }) as LookAnswer;
  await clock.advance(REFRESH * 1000);
  assert.equal(overlays.get('example')?.isExpired, false);
  assert.equal(secondaries.status('example')?.standing, 'current');
});

test('what one primary sends takes no memory from the copies of others', async () => {
  const { configOf, events, follow } = open((look) => {
    const content = { ...contentOf(7), count: COPIED_RECORDS_MAX / 2 + 1 };
    return look.zone === 'b.example.' || look.zone === 'a.example.'
      ? { kind: 'copied', content, way: 'AXFR' }
      : fails(look);
  });
  await follow(configOf([ONE], ['a.example', 'b.example']));
  assert.match(events.join(), /b\.example cannot be refreshed.*all copies would have more than/);
});

test('a person may have all of a zone copied, whatever its serial', async () => {
  const { configOf, follow, looks, secondaries, world } = open(gives(7));
  await follow(configOf([ONE]));
  world.say = fails;
  await secondaries.refresh('example', true);
  world.say = gives(3);
  await secondaries.refresh('example');
  world.say = confirms;
  await secondaries.refresh('example');
  assert.deepEqual(
    looks.map((look) => look.split(' ').at(-1)),
    ['-', '-', '-', '3'],
  );
  assert.equal(secondaries.status('example')?.serial, 3);
});
