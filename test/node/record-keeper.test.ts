import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ZoneOverlay } from '../../src/config/overlay.ts';
import type { AddedRecord, ZoneAdditions } from '../../src/nameserver/added-records.ts';
import { changed, NO_ADDITIONS, packAdditions } from '../../src/nameserver/added-records.ts';
import { type AdditionsVault, openAdditionsVault } from '../../src/node/additions-vault.ts';
import { createRecordKeeper } from '../../src/node/record-keeper.ts';
import { createRecordStamps, waitUntilVisible } from '../../src/node/record-stamps.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { scratchDirectory } from './scratch.ts';

/** Records that come to zones and go again, over vaults of the test's own. */
const ZONE = 'gslb.example';
const record = (data: string, expiresAtMs?: number): AddedRecord => ({
  owner: 'a.gslb.example.',
  type: 'TXT',
  ttl: 60,
  data,
  ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
});

/** One value per zone that several nodes have, each change after the other; it may be away. */
function sharedVaults() {
  const values = new Map<string, Uint8Array>();
  const ears = new Set<(zone: string, bytes: Uint8Array) => void>();
  const state = { isAway: false, writes: 0 };
  const vault: AdditionsVault = {
    isShared: true,
    zones: () => [...values.keys()],
    get: (zone) => values.get(zone),
    async change(zone, change) {
      if (state.isAway) return 'the store does not answer';
      const next = change(values.get(zone));
      if (next === undefined) return undefined;
      state.writes += 1;
      values.set(zone, next);
      for (const hear of ears) hear(zone, next);
      return undefined;
    },
    watch(hear) {
      ears.add(hear);
      return () => ears.delete(hear);
    },
  };
  const tell = (zone: string, bytes: Uint8Array): void => {
    for (const hear of ears) hear(zone, bytes);
  };
  return { vault, state, values, tell };
}

let rigs = 0;

function openRig(vault: AdditionsVault, clock = createMovedClock()) {
  const overlays = new Map<string, ZoneOverlay>();
  const served: ZoneOverlay[] = [];
  let configured = 7;
  let isTimeKnown = true;
  let reasons: readonly string[] = [];
  const keeper = createRecordKeeper({
    vault,
    overlays: { set: (_source, zone, overlay) => void overlays.set(zone, overlay!) },
    clock,
    isTimeKnown: () => isTimeKnown,
    draw: () => 0,
    writer: `rig ${rigs++}`,
    configuredSerial: (zone) => (zone === ZONE ? configured : undefined),
  });
  keeper.begin(async () => {
    served.push(overlays.get(ZONE)!);
    return reasons;
  });
  return {
    keeper,
    clock,
    served,
    add: (...records: readonly AddedRecord[]) =>
      keeper.change(ZONE, (there) => ({ records: [...there, ...records] })),
    now: () => overlays.get(ZONE)?.rrsets.flatMap(({ data }) => data) ?? [],
    serial: () => overlays.get(ZONE)?.serial,
    configure(serial: number) {
      configured = serial;
      keeper.followSerials();
    },
    doubtTime(isDoubted: boolean) {
      isTimeKnown = !isDoubted;
    },
    refuse(next: readonly string[]) {
      reasons = next;
    },
  };
}

test('a change is kept, then served, then answered; nothing to do is no change', async () => {
  const { vault, state } = sharedVaults();
  const rig = openRig(vault);
  const done = await rig.add(record('"1"'));
  assert.ok(done.ok && done.isChanged && done.state.serial === 8);
  assert.deepEqual(rig.served.at(-1)?.rrsets[0]?.data, ['"1"']);
  assert.equal(rig.keeper.served().get(ZONE), done.state);
  const writes = state.writes;
  const again = await rig.keeper.change(ZONE, (there) => ({ records: there }));
  assert.ok(again.ok && !again.isChanged);
  assert.equal(state.writes, writes);
  const refused = await rig.keeper.change(ZONE, () => ({ refusal: { why: 'no' } }));
  assert.deepEqual(refused, { ok: false, refusal: { why: 'no' } });
});

test('a vault that is away changes nothing, and what is served stays', async () => {
  const { vault, state } = sharedVaults();
  const rig = openRig(vault);
  await rig.add(record('"1"'));
  state.isAway = true;
  const away = await rig.add(record('"2"'));
  assert.ok(!away.ok && 'reason' in away && /does not answer/.test(away.reason));
  assert.deepEqual(rig.now(), ['"1"']);
  state.isAway = false;
  assert.ok((await rig.add(record('"3"'))).ok);
  assert.deepEqual(rig.now(), ['"1"', '"3"']);
});

test('much that goes at once stays gone, here and elsewhere', async () => {
  const { vault } = sharedVaults();
  const [one, two] = [openRig(vault), openRig(vault)];
  await one.add(...Array.from({ length: 3000 }, (_, index) => record(`"${index}"`)));
  assert.equal(two.now().length, 3000);
  const done = await one.keeper.change(ZONE, () => ({ records: [] }));
  assert.ok(done.ok);
  assert.deepEqual([one.now(), two.now()], [[], []]);
});

test('a node that was away while much came and went brings nothing back', async () => {
  const { values, vault } = sharedVaults();
  const away = openRig(vault);
  await away.add(record('"old"'));
  away.keeper.close();
  const old = values.get(ZONE)!;
  const rig = openRig(vault);
  await rig.keeper.change(ZONE, () => ({ records: [] }));
  for (let index = 0; index < 1100; index += 1) {
    await rig.keeper.change(ZONE, () => ({ records: [record(`"${index}"`)] }));
  }
  const back = openRig({ ...vault, get: () => old });
  await back.add(record('"new"'));
  assert.deepEqual(back.now().toSorted(), ['"1099"', '"new"']);
  assert.deepEqual(rig.now().toSorted(), ['"1099"', '"new"']);
});

test('what comes back from the vault as it was written is not read again', async () => {
  const { tell, values, vault } = sharedVaults();
  const rig = openRig(vault);
  const done = await rig.add(record('"1"'));
  assert.ok(done.ok);
  const served = rig.served.length;
  tell(ZONE, new Uint8Array(values.get(ZONE)!));
  await rig.clock.advance(0);
  assert.equal(rig.keeper.additions(ZONE), done.state);
  assert.equal(rig.served.length, served);
});

test('what is kept and cannot be read here is not written over', async () => {
  const { values, vault } = sharedVaults();
  const later = Buffer.from('of a later version');
  values.set(ZONE, later);
  const done = await openRig(vault).add(record('"1"'));
  assert.ok(!done.ok && 'reason' in done && /cannot be read here/.test(done.reason));
  assert.equal(values.get(ZONE), later);
});

test('what cannot be served is undone, but not what others did meanwhile', async () => {
  const { vault } = sharedVaults();
  const [rig, other] = [openRig(vault), openRig(vault)];
  await rig.add(record('"1"'), record('"2"'));
  rig.refuse(['it does not fit.']);
  const change = rig.keeper.change(ZONE, () => ({ records: [record('"1"'), record('"3"')] }));
  const meanwhile = other.add(record('"4"'));
  assert.ok(!(await change).ok);
  assert.ok((await meanwhile).ok);
  rig.refuse([]);
  assert.deepEqual(rig.now().toSorted(), ['"1"', '"2"', '"4"']);
  assert.deepEqual(other.now().toSorted(), ['"1"', '"2"', '"4"']);
});

test('what cannot be served is said', async () => {
  const rig = openRig(sharedVaults().vault);
  rig.refuse(['it does not fit.']);
  const done = await rig.add(record('"1"'));
  assert.ok(!done.ok && 'reason' in done && done.reason === 'it does not fit.');
});

test('two nodes see each other’s changes, and lose none of those they make at one moment', async () => {
  const { vault } = sharedVaults();
  const clock = createMovedClock();
  const [one, two] = [openRig(vault, clock), openRig(vault, clock)];
  await Promise.all(
    ['1', '2', '3', '4'].flatMap((data) => [one.add(record(`"a${data}"`)), two.add(record(data))]),
  );
  await clock.advance(0);
  assert.deepEqual(one.now().toSorted(), two.now().toSorted());
  assert.equal(one.now().length, 8);
  assert.equal(one.serial(), two.serial());
  one.keeper.close();
  await two.add(record('"late"'));
  assert.equal(one.now().length, 8, 'closed hears nothing');
});

test('a word of before another change takes nothing back', async () => {
  const { tell, values, vault } = sharedVaults();
  const rig = openRig(vault);
  await rig.add(record('"1"'));
  const old = values.get(ZONE)!;
  await rig.add(record('"2"'));
  tell(ZONE, old);
  await rig.clock.advance(0);
  assert.deepEqual(rig.now(), ['"1"', '"2"']);
  const apart = packAdditions(changed(NO_ADDITIONS, [record('"elsewhere"')], 50, 'elsewhere'));
  tell(ZONE, apart);
  await rig.clock.advance(0);
  assert.deepEqual(rig.now().toSorted(), ['"1"', '"2"', '"elsewhere"']);
  assert.ok(rig.serial()! > 51);
  tell(ZONE, Buffer.from('nonsense'));
  assert.equal(rig.now().length, 3);
});

test('records go when their time is over, in one write, also when the vault is away for a while', async () => {
  const { state, vault } = sharedVaults();
  const rig = openRig(vault);
  const startMs = rig.clock.nowMs();
  await rig.add(record('"short"', startMs + 1000), record('"long"', startMs + 60_000));
  const serial = rig.serial()!;
  await rig.clock.advance(999);
  assert.equal(rig.now().length, 2);
  await rig.clock.advance(2);
  assert.deepEqual(rig.now(), ['"long"']);
  assert.equal(rig.serial(), serial + 1);
  state.isAway = true;
  await rig.clock.advance(60_000);
  assert.deepEqual(rig.now(), ['"long"']);
  state.isAway = false;
  await rig.clock.advance(31_000);
  assert.deepEqual(rig.now(), []);
  assert.equal(rig.serial(), serial + 2);
});

test('nothing ends while nobody knows what time it is', async () => {
  const rig = openRig(sharedVaults().vault);
  rig.doubtTime(true);
  await rig.add(record('"short"', rig.clock.nowMs() + 1000));
  const served = rig.served.length;
  await rig.clock.advance(7_200_000);
  assert.deepEqual(rig.now(), ['"short"']);
  assert.equal(rig.served.length, served, 'and nothing is served anew for it');
  await rig.add(record('"other"'));
  assert.deepEqual(rig.now(), ['"short"', '"other"'], 'nor does another change end it');
  rig.doubtTime(false);
  await rig.clock.advance(1001);
  assert.deepEqual(rig.now(), ['"other"']);
});

test('the serial follows the configuration’s, and is one later when that says less', async () => {
  const rig = openRig(sharedVaults().vault);
  await rig.add(record('"1"'));
  await rig.add(record('"2"'));
  assert.equal(rig.serial(), 9);
  rig.configure(8);
  await rig.clock.advance(0);
  assert.equal(rig.serial(), 10, 'other content under a known serial');
  rig.configure(100);
  await rig.clock.advance(0);
  await rig.add(record('"3"'));
  assert.equal(rig.serial(), 101);
});

test('a node alone keeps its records in a file, which only it can read', async () => {
  const directory = scratchDirectory('additions');
  const complaints: string[] = [];
  const open = () =>
    openAdditionsVault(
      { secrets: undefined as never, settled: undefined as never },
      false,
      directory,
      (problem) => complaints.push(problem),
    );
  const first = openRig(open());
  const done = await first.add(record('"kept"'));
  assert.ok(done.ok);
  const file = join(directory, 'zone-records.json');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const second = openRig(open());
  assert.deepEqual(second.now(), ['"kept"']);
  assert.equal(second.serial(), 8);
  await second.keeper.change(ZONE, () => ({ records: [] }));
  assert.equal(openRig(open()).serial(), 9, 'also when nothing is left');
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 20));
  assert.deepEqual(openRig(open()).now(), [], 'a damaged file is none');
  assert.match(complaints.join(), /zone-records\.json, .* it is now .*\.damaged$/);
  assert.ok(statSync(`${file}.damaged`).size > 0);
});

test('a stamp tells whether a node serves a change, in few octets', async () => {
  const zones = Array.from({ length: 30 }, (_, index) => `z${index}.example`);
  const stateOf = (...data: readonly string[]): ZoneAdditions =>
    data.reduce(
      (state, each) => changed(state, [...state.records, record(each)], 1, 'w'),
      NO_ADDITIONS,
    );
  const here = new Map(zones.map((zone) => [zone, stateOf('1')]));
  const there = new Map(here);
  const stamps = createRecordStamps(() => here, true);
  const others = createRecordStamps(() => there, true);
  assert.ok(stamps.text().length <= 256, stamps.text());
  assert.ok(stamps.isServed(others.text(), 'z3.example', here.get('z3.example')!));
  here.set('z3.example', stateOf('1', '2'));
  const state = here.get('z3.example')!;
  assert.ok(!stamps.isServed(others.text(), 'z3.example', state));
  assert.ok(!stamps.isServed('', 'z3.example', state));
  assert.ok(!stamps.isServed('nonsense : ::', 'z3.example', state));
  there.set('z3.example', state);
  assert.ok(stamps.isServed(others.text(), 'z3.example', state));
  // It may have gone on: where a store orders changes, later is enough.
  there.set('z3.example', stateOf('1', '2', '3'));
  assert.ok(stamps.isServed(others.text(), 'z3.example', state));
  assert.ok(!createRecordStamps(() => here, false).isServed(others.text(), 'z3.example', state));
});

test('whoever waits for the others is told who did not say so in time', async () => {
  const clock = createMovedClock();
  const state = changed(NO_ADDITIONS, [record('1')], 1, 'w');
  const served = new Map([[ZONE, state]]);
  const stamps = createRecordStamps(() => served, true);
  const node = (name: string, more: object = {}) => ({
    name,
    isSelf: false,
    state: 'here' as const,
    roles: ['nameserver'],
    records: '',
    ...more,
  });
  const nodes = [
    node('one', { isSelf: true, records: stamps.text() }),
    node('two'),
    node('slow'),
    node('gone', { state: 'silent' }),
    node('balancer', { roles: ['balancer'] }),
  ];
  const parts = { stamps, clock, nodes: () => nodes as never };
  const waiting = waitUntilVisible(parts, ZONE, state, 1000);
  await clock.advance(100);
  nodes[1] = node('two', { records: stamps.text() });
  await clock.advance(1000);
  assert.deepEqual(await waiting, {
    visible: false,
    confirmed: ['one', 'two'],
    pending: ['slow'],
    silent: ['gone'],
  });
  nodes[2] = node('slow', { records: stamps.text() });
  assert.equal((await waitUntilVisible(parts, ZONE, state, 1000)).visible, true);
});
