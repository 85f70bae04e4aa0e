import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAnnouncer } from '../../src/cluster/announcer.ts';
import {
  createLedger,
  LEASE_MAX_MS,
  type Ledger,
  STATEMENTS_MAX,
  VANTAGES_MAX,
} from '../../src/cluster/ledger.ts';
import { FORMER_HOLD_MS, OWNER_HOLD_MS } from '../../src/cluster/life.ts';
import type {
  NeedRecord,
  ReportRecord,
  StatementRecord,
  VantageRecord,
  WireRecord,
} from '../../src/cluster/wire.ts';
import { STALE_HOLD_MS } from '../../src/health/quorum.ts';
import type { AgentReport, Statement, VantageWord } from '../../src/health/statement.ts';
import { statement } from './exchange-rig.ts';
import { seededDraw } from './virtual-network.ts';

const NOW = 1_000_000;

const WORD: VantageWord = {
  vantage: 'v',
  group: 'g',
  node: 'n',
  heardAtMs: 0,
  trusted: true,
  reason: '',
};

/** A ledger with what it told, and a vantage point `v` of node `n` that speaks to it. */
function world(incarnation = 1) {
  const statements = new Map<string, Statement>();
  const words: VantageWord[] = [];
  const reports: AgentReport[] = [];
  const conflicts: string[] = [];
  let withdrawn = 0;
  const ledger = createLedger({
    onStatement: (each) => statements.set(`${each.vantage} ${each.key}`, each),
    onWithdrawn(vantage, key) {
      withdrawn += 1;
      statements.delete(`${vantage} ${key}`);
    },
    onVantage: (word) => words.push(word),
    onReport: (report) => reports.push(report),
    onOwnHeard: (vantage, node) => conflicts.push(`own ${vantage} ${node}`),
    onConflict: (vantage, nodes) => conflicts.push(`${vantage} ${nodes.join(' ')}`),
  });
  const voice = speaker(incarnation);
  return {
    ledger,
    statements,
    words,
    reports,
    conflicts,
    voice,
    withdrawals: () => withdrawn,
    verdicts: () => [...statements].map(([id, { verdict }]) => `${id} ${verdict}`).toSorted(),
  };
}

function speaker(incarnation: number, vantage = 'v') {
  const announcer = createAnnouncer(incarnation);
  announcer.setVantage({ ...WORD, vantage });
  return announcer;
}

/** Tells the ledger; returns what it answers. */
function tell(
  ledger: Ledger,
  records: readonly WireRecord[],
  nowMs = NOW,
  node = 'n',
): readonly WireRecord[] {
  return records.flatMap((record) => {
    if (record.kind === 'statement') ledger.hearStatement(record, node, nowMs);
    if (record.kind === 'bucket') ledger.hearBucket(record, node, nowMs);
    if (record.kind === 'report') ledger.hearReport(record, node, nowMs);
    if (record.kind !== 'vantage') return [];
    return ledger.hearVantage(record, node, nowMs) ?? [];
  });
}

const needOf = (records: readonly WireRecord[]): NeedRecord => {
  const need = records.find((record) => record.kind === 'need');
  assert.ok(need, 'something is asked for');
  return need;
};

test('hearStatement() ends with the same, whatever the order and the number of copies', () => {
  const draw = seededDraw(5);
  for (let run = 0; run < 200; run += 1) {
    const { ledger, verdicts, voice } = world();
    const said: WireRecord[] = [];
    for (let step = 0; step < 30; step += 1) {
      const key = `k${Math.floor(draw() * 6)}`;
      if (draw() < 0.2) voice.withdraw('v', key, NOW);
      else voice.put(statement('v', key, { verdict: draw() < 0.5 ? 'up' : 'down' }), NOW);
      said.push(...voice.takeNews(NOW));
    }
    const shuffled = [...said, ...said.slice(0, 10)].map((record) => ({ record, at: draw() }));
    shuffled.sort((a, b) => a.at - b.at);
    tell(
      ledger,
      shuffled.map(({ record }) => record),
    );
    const expected = voice
      .all('v', NOW)
      .filter(({ kind }) => kind === 'statement')
      .flatMap((record) =>
        (record as StatementRecord).withdrawn ? [] : [record as StatementRecord],
      )
      .map(({ key, verdict }) => `v ${key} ${verdict}`);
    assert.deepEqual(verdicts(), expected.toSorted(), `run ${run}`);
    assert.deepEqual(tell(ledger, voice.signs()), [], 'and nothing is missing');
  }
});

test('a statement is not passed on before it is known in which group it counts', () => {
  const { ledger, statements, voice } = world();
  voice.put(statement('v', 'k'), NOW);
  const [said, sign] = voice.takeNews(NOW);
  tell(ledger, [said!]);
  assert.equal(statements.size, 0);
  tell(ledger, [sign!]);
  assert.equal(statements.size, 1);
});

test('a sign of life that comes late by another way renews nothing and takes nothing back', () => {
  const { ledger, voice, words } = world();
  const [early] = voice.signs();
  const late: WireRecord = { ...early!, trusted: false, reason: 'then' };
  tell(ledger, voice.signs());
  tell(ledger, [late], NOW + 5000);
  assert.equal(words.length, 1);
  assert.equal(words[0]?.trusted, true);
  assert.equal(ledger.vantages()[0]?.heardAtMs, NOW);
});

test('what was lost is asked for after the second sign of life, and only that comes again', () => {
  const { ledger, statements, voice } = world();
  for (let key = 0; key < 100; key += 1) voice.put(statement('v', `k${key}`), NOW);
  tell(ledger, voice.takeNews(NOW));
  voice.put(statement('v', 'k7', { verdict: 'down' }), NOW);
  voice.withdraw('v', 'k8', NOW);
  const lost = voice.takeNews(NOW);
  assert.equal(lost.length, 3);
  assert.deepEqual(tell(ledger, voice.signs()), [], 'it may have overtaken them');
  const need = needOf(tell(ledger, voice.signs(), NOW + 500));
  assert.equal(need.since, 100);
  const answer = voice.answer(need, NOW);
  assert.equal(answer.filter(({ kind }) => kind === 'statement').length, 2);
  tell(ledger, answer, NOW + 500);
  assert.equal(statements.get('v k7')?.verdict, 'down');
  assert.equal(statements.has('v k8'), false);
  assert.deepEqual(tell(ledger, voice.signs(), NOW + 1000), []);
});

test('an answer of which a part is lost takes nothing away', () => {
  const { ledger, verdicts, voice, withdrawals } = world();
  for (let key = 0; key < 300; key += 1) voice.put(statement('v', `k${key}`), NOW);
  tell(ledger, voice.takeNews(NOW));
  const draw = seededDraw(3);
  // Everything is said anew, by another life with the same targets; a third of it is lost each time.
  const again = speaker(2);
  for (let key = 0; key < 300; key += 1)
    again.put(statement('v', `k${key}`, { verdict: 'down' }), NOW);
  again.takeNews(NOW);
  for (let round = 1; round <= 40; round += 1) {
    const nowMs = NOW + round * 500;
    for (const need of tell(ledger, again.signs(), nowMs)) {
      const answer = again.answer(need as NeedRecord, nowMs).filter(() => draw() > 0.3);
      tell(ledger, answer, nowMs);
      assert.equal(verdicts().length, 300, `round ${round}`);
    }
  }
  assert.equal(withdrawals(), 0);
  assert.ok(verdicts().every((line) => line.endsWith('down')));
  assert.deepEqual(tell(ledger, again.signs(), NOW + 60_000), []);
});

test('a withdrawal that nobody remembers any more is found by its bucket', () => {
  const { ledger, statements, voice } = world();
  for (let key = 0; key < 2500; key += 1) voice.put(statement('v', `k${key}`), NOW);
  tell(ledger, voice.takeNews(NOW));
  for (let key = 0; key < 2490; key += 1) voice.withdraw('v', `k${key}`, NOW);
  voice.takeNews(NOW);
  for (let round = 1; round <= 20; round += 1) {
    const nowMs = NOW + round * 500;
    for (const need of tell(ledger, voice.signs(), nowMs)) {
      tell(ledger, voice.answer(need as NeedRecord, nowMs), nowMs);
    }
  }
  assert.equal(statements.size, 10);
  assert.equal(ledger.size(), 10);
});

test('of a new life the old statements stay until it has had time to speak, and go then', () => {
  const { ledger, statements, verdicts, voice, withdrawals } = world();
  for (const key of ['a', 'b', 'c']) voice.put(statement('v', key), NOW);
  tell(ledger, voice.takeNews(NOW));
  const again = speaker(2);
  const later = NOW + 1000;
  tell(ledger, again.signs(), later);
  assert.equal(statements.size, 3, 'it has not said anything yet');
  again.put(statement('v', 'a', { verdict: 'down' }), later);
  tell(ledger, again.takeNews(later), later + 100);
  assert.deepEqual(verdicts(), ['v a down', 'v b up', 'v c up']);
  tell(ledger, again.signs(), later + FORMER_HOLD_MS);
  assert.deepEqual(verdicts(), ['v a down']);
  assert.equal(withdrawals(), 2);
});

test('what an earlier life said with eyes that it distrusted is gone with it', () => {
  const { ledger, statements, voice, withdrawals } = world();
  for (const key of ['a', 'b']) voice.put(statement('v', key, { verdict: 'down' }), NOW);
  tell(ledger, voice.takeNews(NOW));
  voice.setVantage({ ...WORD, trusted: false, reason: 'all fails' });
  tell(ledger, voice.signs(), NOW + 100);
  assert.equal(statements.size, 2, 'it abstains, and may take back what it said');
  tell(ledger, speaker(2).signs(), NOW + 1000);
  assert.equal(statements.size, 0);
  assert.equal(withdrawals(), 2);
});

test('an earlier life is not heard but told of the later one, and outlives it', () => {
  const { ledger, statements } = world();
  const later = speaker(200);
  later.put(statement('v', 'k', { verdict: 'up' }), NOW);
  tell(ledger, later.takeNews(NOW));
  // It restarts, and its clock went back meanwhile.
  const earlier = speaker(100);
  earlier.put(statement('v', 'k', { verdict: 'down' }), NOW);
  const answers = tell(ledger, earlier.takeNews(NOW + 5000), NOW + 5000);
  assert.equal(statements.get('v k')?.verdict, 'up');
  assert.deepEqual(answers, [{ kind: 'outlive', vantage: 'v', incarnation: 200 }]);
  earlier.outlive('v', 200);
  const need = needOf(tell(ledger, earlier.signs(), NOW + 5100));
  tell(ledger, earlier.answer(need, NOW), NOW + 5200);
  assert.equal(statements.get('v k')?.verdict, 'down');
});

test('what does not come together is asked for less and less often', () => {
  const { ledger, voice } = world();
  voice.put(statement('v', 'k'), NOW);
  voice.takeNews(NOW);
  let asked = 0;
  for (let ms = 0; ms < 600_000; ms += 500) asked += tell(ledger, voice.signs(), NOW + ms).length;
  assert.ok(asked >= 20 && asked < 40, `${asked} times in ten minutes`);
});

test('two nodes with one vantage point: every ledger sides with the same one', () => {
  const [one, two] = [world(), world()];
  const [first, second] = [speaker(1), speaker(999)];
  first.put(statement('v', 'k', { verdict: 'up' }), NOW);
  second.put(statement('v', 'k', { verdict: 'down' }), NOW);
  const [ofFirst, ofSecond] = [first.takeNews(NOW), second.takeNews(NOW)];
  tell(one.ledger, ofFirst, NOW, 'a');
  tell(one.ledger, ofSecond, NOW, 'b');
  tell(two.ledger, ofSecond, NOW, 'b');
  tell(two.ledger, ofFirst, NOW, 'a');
  for (const { conflicts, verdicts, words } of [one, two]) {
    assert.deepEqual(verdicts(), ['v k up']);
    assert.equal(words.at(-1)?.node, 'a');
    assert.ok(conflicts.every((line) => line === 'v a b') && conflicts.length > 0);
  }
  // The first one is gone: the second one may speak, and its higher number is no reason to wait.
  tell(one.ledger, second.signs(), NOW + OWNER_HOLD_MS + 1, 'b');
  assert.equal(one.ledger.vantages()[0]?.node, 'b');
});

test('nobody else speaks for our own vantage points', () => {
  const { conflicts, ledger, statements, voice } = world();
  ledger.setOwn(new Set(['v']));
  voice.put(statement('v', 'k'), NOW);
  tell(ledger, voice.takeNews(NOW));
  assert.equal(statements.size, 0);
  assert.deepEqual(conflicts, ['own v n', 'own v n']);
});

test('an observation of an unchanged statement is added once, whichever way it comes', () => {
  const { ledger, statements, voice } = world();
  const recent = (atMs: number) => [{ atMs, ok: true, rttMs: 10, reason: 'ok' }];
  voice.put(statement('v', 'k', { recent: recent(NOW) }), NOW);
  tell(ledger, voice.takeNews(NOW), NOW + 5);
  voice.put(statement('v', 'k', { recent: recent(NOW + 20_000) }), NOW + 20_000);
  const refresh = voice.refresh(NOW + 20_000);
  assert.equal(refresh.length, 1);
  tell(ledger, refresh, NOW + 20_003);
  tell(ledger, refresh, NOW + 20_040);
  assert.equal(statements.get('v k')?.recent.length, 2);
  assert.deepEqual(tell(ledger, voice.signs(), NOW + 20_100), []);
});

test('sweep() forgets a vantage point after long silence, with what it said', () => {
  const { ledger, statements, voice } = world();
  voice.put(statement('v', 'k'), NOW);
  tell(ledger, voice.takeNews(NOW));
  ledger.sweep(NOW + STALE_HOLD_MS);
  assert.equal(statements.size, 1);
  ledger.sweep(NOW + STALE_HOLD_MS + 1);
  assert.equal(statements.size + ledger.vantages().length + ledger.size(), 0);
});

test('hearReport() takes the latest word of a node on its own listeners', () => {
  const { ledger, reports } = world();
  const report: ReportRecord = {
    kind: 'report',
    node: 'n',
    incarnation: 5,
    beat: 10,
    region: 'r',
    address: '192.0.2.1',
    port: 80,
    ready: false,
    reason: 'leaving',
    serversUsable: 0,
    serversTotal: 2,
    requestsPerSecond: 0,
    active: 0,
    leaseMs: 1e15,
  };
  tell(ledger, [report, { ...report, beat: 9, ready: true }]);
  tell(ledger, [{ ...report, beat: 11, ready: true }], NOW, 'somebody else');
  assert.deepEqual(
    reports.map(({ ready }) => ready),
    [false],
  );
  assert.equal(reports[0]?.leaseMs, LEASE_MAX_MS);
  tell(ledger, [{ ...report, incarnation: 6, beat: 1, ready: true, leaseMs: 3000 }]);
  // A life that numbers lower, after the last one's word has lapsed.
  tell(ledger, [{ ...report, incarnation: 2, beat: 1, leaseMs: 3000 }], NOW + 2000);
  tell(ledger, [{ ...report, incarnation: 2, beat: 2, leaseMs: 3000 }], NOW + 4000);
  assert.deepEqual(
    reports.map(({ ready }) => ready),
    [false, true, false],
  );
});

test('a node that says too much is heard up to the limits', () => {
  const { ledger } = world();
  const [sign] = speaker(1).signs();
  for (let count = 0; count < VANTAGES_MAX + 10; count += 1) {
    tell(ledger, [{ ...sign!, vantage: `v${count}` } as VantageRecord]);
  }
  assert.equal(ledger.vantages().length, VANTAGES_MAX);
  const { ledger: other } = world();
  const voice = speaker(1);
  voice.put(statement('v', 'k'), NOW);
  const [said] = voice.takeNews(NOW) as readonly StatementRecord[];
  for (let count = 1; count <= STATEMENTS_MAX + 10; count += 1) {
    other.hearStatement({ ...said!, key: `k${count}`, seq: count }, 'n', NOW);
  }
  assert.equal(other.size(), STATEMENTS_MAX);
});
