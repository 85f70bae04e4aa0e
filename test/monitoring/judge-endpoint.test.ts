import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Health, Judgement } from '../../src/health/quorum.ts';
import type { Statement, VantageWord } from '../../src/health/statement.ts';
import {
  type JudgedEndpoint,
  judgeEndpoint,
  judgementId,
} from '../../src/monitoring/judge-endpoint.ts';
import { createVoteBook, type VoteBook } from '../../src/monitoring/vote-book.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { endpointAt, statement } from './statements.ts';

const parameters = { seed: fuzzSeed(20_261_127), numRuns: fuzzRuns(300) };
const T = 1_000_000;
const KEY = '127.0.0.1';
const GROUPS = ['home', 'us', 'eu', 'ap', 'sa'] as const;
const REGIONS = new Map(GROUPS.map((name, index) => [name as string, index]));

type Said = {
  readonly vantage: string;
  readonly group: string;
  readonly verdict: Statement['verdict'];
  readonly trusted: boolean;
  readonly ageMs: number;
  readonly secondsToChange: number;
  readonly failing: boolean;
};

const AT_HOME = { kind: 'target', key: KEY, home: 'home' } as const;

function tell(book: VoteBook, { group, trusted, vantage, ...said }: Said): void {
  const word: VantageWord = { vantage, group, node: 'n', heardAtMs: 0, trusted, reason: '' };
  book.hear(word);
  const { ageMs, failing, secondsToChange, verdict } = said;
  book.put(statement(vantage, KEY, verdict, T - ageMs, { failing, secondsToChange }), T);
}

function judgeAll(
  said: readonly Said[],
  quorumMin: number,
  previous: Health = 'unknown',
): JudgedEndpoint {
  const book = createVoteBook();
  for (const each of said) tell(book, each);
  return judgeEndpoint(
    endpointAt('home', KEY, { quorumMin, targets: [{ address: KEY, check: AT_HOME }] }),
    { book, previous: past(previous), regions: REGIONS },
    T,
  );
}

function past(health: Health): ReadonlyMap<string, Judgement> {
  const reason = '';
  const judgement = {
    health,
    reason,
    decidedAtMs: T - 1,
    ttlSeconds: 0,
    slow: false,
    isHeld: true,
  };
  return new Map([[judgementId('web/home', KEY), judgement]]);
}

/** `us:down eu:up`, one vantage point each. */
function voices(text: string): Said[] {
  return text.split(' ').map((each, index) => {
    const [group = '', verdict] = each.split(':');
    const quiet = { trusted: true, ageMs: 0, secondsToChange: 10, failing: false };
    return { vantage: `${group}-${index}`, group, verdict: verdict as Said['verdict'], ...quiet };
  });
}

const worlds = fc.uniqueArray(
  fc.record({
    vantage: fc.constantFrom(...'abcdefghi'),
    group: fc.constantFrom(...GROUPS),
    verdict: fc.constantFrom<Said['verdict']>('up', 'down', 'down', 'unknown'),
    trusted: fc.constantFrom(true, true, true, false),
    ageMs: fc.constantFrom(0, 500, 3000, 3001),
    secondsToChange: fc.integer({ min: 0, max: 30 }),
    failing: fc.boolean(),
  }),
  { selector: ({ vantage }) => vantage, maxLength: 9 },
);
const healths = fc.constantFrom<Health>('up', 'down', 'unknown');
const quorums = fc.integer({ min: 1, max: 4 });

test('judgeEndpoint() comes to the same whatever the order, repetition and lateness of what is said', () => {
  fc.assert(
    fc.property(
      worlds,
      quorums,
      healths,
      fc.infiniteStream(fc.nat()),
      (list, min, before, draws) => {
        const expected = judgeAll(list, min, before);
        const deliveries = [...list, ...list, ...list]
          .map((each) => ({ each, at: draws.next().value ?? 0 }))
          .toSorted((a, b) => a.at - b.at)
          .map(({ each }) => each);
        const actual = judgeAll(deliveries, min, before);
        assert.deepEqual(
          [actual.world.judged, actual.world.ttlSeconds, near(actual)],
          [expected.world.judged, expected.world.ttlSeconds, near(expected)],
        );
      },
    ),
    parameters,
  );
});

test('judgeEndpoint() is never down from fewer groups than are asked for', () => {
  fc.assert(
    fc.property(worlds, quorums, healths, (list, min, before) => {
      const { world } = judgeAll(list, min, before);
      if (world.judged !== 'down' || before === 'down') return;
      const lives = list.filter(({ ageMs, trusted }) => trusted && ageMs <= 3000);
      const groups = new Set(lives.map(({ group }) => group));
      const others = [...groups].filter((group) => group !== 'home');
      const says = (group: string): boolean => {
        const members = lives.filter((each) => each.group === group);
        const downs = members.filter(({ verdict }) => verdict === 'down');
        return downs.length * 2 > members.length;
      };
      const agreeing = (others.length > 0 ? others : [...groups]).filter(says);
      const isVeto = others.length > 0 && says('home');
      const taking = others.length > 0 ? others.length : groups.size;
      assert.ok(isVeto || (agreeing.length >= min && agreeing.length * 2 > taking));
    }),
    parameters,
  );
});

test('judgeEndpoint() keeps what was when the voices are tied', () => {
  for (const before of ['up', 'down'] as const) {
    assert.equal(judgeAll(voices('us:up eu:down'), 1, before).world.judged, before);
    assert.equal(judgeAll(voices('us:up eu:down ap:up sa:down'), 2, before).world.judged, before);
    assert.equal(judgeAll(voices('us:down'), 2, before).world.judged, before, 'too few');
  }
});

test('judgeEndpoint() has a word for the clients near a group that sees it otherwise', () => {
  const seen = judgeAll(voices('us:up eu:down ap:up'), 1, 'up');
  assert.equal(seen.world.judged, 'up');
  assert.deepEqual(near(seen), { eu: 'down' });
  const whole = judgeAll(voices('us:down eu:up ap:down'), 1, 'up');
  assert.equal(whole.world.judged, 'down');
  assert.deepEqual(near(whole), { eu: 'up' });
});

test('judgeEndpoint() lets the own region and its balancer stand above everybody', () => {
  const vetoed = judgeAll(voices('home:down us:up eu:up ap:up'), 1, 'up');
  assert.deepEqual([vetoed.world.judged, near(vetoed)], ['down', {}]);
  const cut = judgeAll(voices('home:up us:down eu:down'), 1, 'up');
  assert.deepEqual([cut.world.judged, near(cut)], ['down', {}], 'its own "up" counts for nobody');
});

test('judgeEndpoint() lets no veto turn an inverted monitor into a reason to be up', () => {
  // A standby at home that waits for the primary, which is at an address in the region us.
  const primary = { kind: 'target', key: KEY, home: 'us' } as const;
  const wait = { check: primary, required: true, inverted: true, weight: 1 } as const;
  const check = { kind: 'composite', name: 'standby', members: [wait], need: 1 } as const;
  const endpoint = endpointAt('home', KEY, { targets: [{ address: KEY, check }] });
  const judgeWith = (text: string, ready: boolean) => {
    const book = createVoteBook();
    for (const each of voices(text)) tell(book, each);
    book.report({ ...REPORT, ready }, T);
    return judgeEndpoint(endpoint, { book, previous: past('up'), regions: REGIONS }, T).world;
  };
  const oneWay = judgeWith('home:down us:up eu:up ap:up', true);
  assert.equal(oneWay.judged, 'down', 'home alone does not reach the primary, which is up');
  assert.equal(judgeWith('home:down us:down eu:down ap:down', true).judged, 'up');
  const notReady = judgeWith('home:down us:down eu:down ap:down', false);
  assert.deepEqual([notReady.judged, notReady.ttlSeconds], ['down', 0]);
  assert.match(notReady.reason, /its own balancer says so: leaving/);
  assert.equal(judgeWith('home:up us:up eu:up ap:up', false).judged, 'down');
});

test('judgeEndpoint() believes the balancer of an endpoint that nobody probes', () => {
  const endpoint = endpointAt('home', KEY, { targets: [] });
  const judgeWith = (ready: boolean | undefined) => {
    const book = createVoteBook();
    if (ready !== undefined) book.report({ ...REPORT, ready }, T);
    return judgeEndpoint(endpoint, { book, previous: new Map(), regions: REGIONS }, T);
  };
  for (const ready of [undefined, true]) {
    assert.equal(judgeWith(ready).world.judged, 'up');
    assert.equal(judgeWith(ready).world.reason, 'not monitored');
  }
  const { near, targets, world } = judgeWith(false);
  assert.deepEqual([world.judged, world.ttlSeconds], ['down', 0]);
  assert.match(world.reason, /its own balancer says so: leaving/);
  assert.equal(near.size + targets.size, 0);
});

const REPORT = {
  node: 'n',
  region: 'home',
  address: KEY,
  port: 80,
  reason: 'leaving',
  serversUsable: 1,
  serversTotal: 1,
  requestsPerSecond: 0,
  active: 0,
  heardAtMs: T,
  leaseMs: 3000,
};

test('judgeEndpoint() judges each target once, however many checks ask for it', () => {
  const book = createVoteBook();
  let asked = 0;
  for (const each of voices('us:up eu:down')) tell(book, each);
  const counting = {
    ...book,
    votes: (key: string) => {
      asked += 1;
      return book.votes(key);
    },
  };
  const leaf = {
    check: { kind: 'target', key: KEY },
    required: false,
    inverted: false,
    weight: 1,
  } as const;
  const check = { kind: 'composite', name: 'g', members: [leaf, leaf, leaf], need: 1 } as const;
  const endpoint = endpointAt('home', KEY, {
    targets: [
      { address: KEY, check },
      { address: '127.0.0.2', check },
    ],
  });
  const { targets } = judgeEndpoint(
    endpoint,
    { book: counting, previous: new Map(), regions: REGIONS },
    T,
  );
  assert.equal(targets.size, 1);
  assert.ok(asked <= 3, String(asked));
});

function near({ near: by }: JudgedEndpoint): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...by].map(([region, { judged }]) => [GROUPS[region]!, judged] as const).sort(),
  );
}
