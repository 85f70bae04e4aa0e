import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Health,
  type Judgement,
  judge,
  judgeNear,
  type Previous,
  STALE_HOLD_MS,
  tally,
  type Vote,
} from '../../src/health/quorum.ts';

const NOW_MS = 1_000_000;

/** `eu:down` or `eu/1:down silent failing`, separated by commas. */
function votes(text: string): Vote[] {
  if (text === '') return [];
  return text.split(',').map((each, index) => {
    const [head = '', ...marks] = each.trim().split(' ');
    const [place = '', verdict = ''] = head.split(':');
    const atMs = marks.includes('silent') ? NOW_MS - 3001 : NOW_MS - 100;
    return {
      vantage: `${place}#${index}`,
      group: place,
      verdict: verdict as Vote['verdict'],
      reason: verdict === 'down' ? 'connection refused' : '200 OK',
      atMs,
      leaseMs: 3000,
      secondsToChange: verdict === 'down' ? 2 : 10,
      failing: marks.includes('failing'),
      slow: marks.includes('slow'),
      trusted: !marks.includes('distrusted'),
    };
  });
}

type Options = { previous?: Health; quorumMin?: number; downShare?: number };

function judged(text: string, options: Options = {}): Judgement {
  const { downShare, previous, quorumMin = 1 } = options;
  const before: Previous | undefined =
    previous === undefined ? undefined : { health: previous, decidedAtMs: NOW_MS - 5000 };
  return judge(
    tally(votes(text), { quorumMin, downShare, targetRegion: 'home' }, NOW_MS),
    before,
    NOW_MS,
  );
}

test('judge() needs a majority of the groups that take part', () => {
  const cases: readonly (readonly [string, Health, Health, string])[] = [
    // votes, previous, expected, why
    ['eu:down', 'up', 'down', 'a single vantage point decides'],
    ['eu:up', 'down', 'up', 'a single vantage point decides, also upwards'],
    ['eu:down, us:up', 'up', 'up', 'a tie keeps up'],
    ['eu:down, us:up', 'down', 'down', 'a tie keeps down'],
    ['eu:down, us:up', 'unknown', 'unknown', 'a tie keeps unknown'],
    ['eu:down, us:down', 'up', 'down', 'both'],
    ['eu:down, us:down, as:up', 'up', 'down', 'two of three'],
    ['eu:up, us:up, as:down', 'down', 'up', 'two of three, upwards'],
    ['eu:down, us:down, as:up, sa:up', 'up', 'up', 'two of four are a tie'],
    ['eu:down, us:down, as:down, sa:up', 'up', 'down', 'three of four'],
    ['eu:down, us:down silent', 'up', 'down', 'silence abstains'],
    ['eu:down, us:up silent, as:up silent', 'up', 'down', 'and does not count as up either'],
    ['eu:down silent', 'up', 'up', 'nobody takes part: previous'],
    ['', 'down', 'down', 'nobody at all: previous'],
    ['eu:down, us:unknown', 'up', 'up', 'unknown is not down'],
    ['eu:up, us:unknown', 'down', 'down', 'nor up: a restarted vantage point does not lift it'],
    ['eu:unknown', 'down', 'down', 'a vantage point that just started says nothing'],
  ];
  for (const [text, previous, expected, why] of cases) {
    assert.equal(judged(text, { previous }).health, expected, why);
  }
});

test('judge() counts a failure domain once, however many vantage points it has', () => {
  assert.equal(judged('eu:down, eu:down, eu:down, us:up', { previous: 'up' }).health, 'up');
  assert.equal(judged('eu:down, eu:up, us:down', { previous: 'up' }).health, 'up', 'eu is split');
  assert.equal(judged('eu:down, eu:down, eu:up, us:down', { previous: 'up' }).health, 'down');
});

test("judge() takes the target's own region as a veto, not as a vote", () => {
  const cases: readonly (readonly [string, Health, Health, string])[] = [
    ['home:up, eu:down', 'up', 'down', 'its own region cannot know who reaches it'],
    ['home:up, eu:down, us:down', 'up', 'down', 'likewise'],
    ['home:up, eu:down, us:up', 'up', 'up', 'and does not break a tie'],
    ['home:down, eu:up, us:up', 'up', 'down', 'local down is down'],
    ['home:down silent, eu:up, us:up', 'down', 'up', 'a silent region has no veto'],
    ['home:unknown, eu:up', 'down', 'up', 'unknown is no veto'],
    ['home:down', 'up', 'down', 'alone it decides'],
    ['home:up', 'down', 'up', 'alone it decides, also upwards'],
    ['home:up, eu:down silent', 'down', 'up', 'alone, since the others are silent'],
  ];
  for (const [text, previous, expected, why] of cases) {
    assert.equal(judged(text, { previous }).health, expected, why);
  }
  assert.match(judged('home:down, eu:up').reason, /own region sees it down: connection refused/);
});

test('judge() lets a minority keep up what it reaches, when it is told to', () => {
  const cases: readonly (readonly [string, number, Health])[] = [
    ['a:down, b:down, c:down, d:down, e:up', 0.5, 'down'],
    ['a:down, b:down, c:down, d:down, e:up', 0.8, 'down'],
    ['a:down, b:down, c:down, d:down, e:up', 0.82, 'up'],
    ['a:down, b:down, c:down, d:down, e:down', 0.82, 'down'],
    ['a:down, b:down, c:down, d:down, e:down, f:up', 0.82, 'down'],
    ['a:down, b:up', 0.82, 'up'],
    ['a:down', 1, 'down'],
  ];
  for (const [text, downShare, health] of cases) {
    const said = `${text} with ${downShare}`;
    for (const previous of ['up', 'down', 'unknown'] as const) {
      assert.equal(
        judged(text, { downShare, previous }).health,
        health,
        `${said} after ${previous}`,
      );
    }
  }
  const torn = { downShare: 0.82, previous: 'down' } as const;
  assert.equal(
    judged('a:down, b:unknown', torn).health,
    'down',
    'who does not know decides nothing',
  );
});

test('judge() keeps the previous state when fewer than quorumMin groups agree', () => {
  assert.equal(judged('eu:down', { previous: 'up', quorumMin: 2 }).health, 'up');
  assert.equal(judged('eu:up', { previous: 'down', quorumMin: 2 }).health, 'down');
  assert.equal(judged('eu:down, us:up, as:down', { previous: 'up', quorumMin: 3 }).health, 'up');
  assert.equal(judged('eu:down, us:down', { previous: 'up', quorumMin: 2 }).health, 'down');
  const outvoted = judged('eu:up, us:up, as:down', { previous: 'down', quorumMin: 3 });
  assert.equal(outvoted.health, 'up', 'a majority brings it back, whatever quorumMin');
  const alone = judged('eu:up, us:up', { previous: 'down', quorumMin: 3 });
  assert.equal(alone.health, 'down', 'unless too few take part');
  assert.equal(judged('eu:down', { quorumMin: 2 }).health, 'unknown', 'nothing before');
  assert.match(
    judged('eu:down', { previous: 'up', quorumMin: 2 }).reason,
    /only 1 of the 2 voices/,
  );
});

test('judge() lets a state outlive its votes for STALE_HOLD_MS, then it is unknown', () => {
  const rules = { quorumMin: 1, targetRegion: undefined };
  const previous = { health: 'down', decidedAtMs: NOW_MS } as const;
  const held = judge(tally([], rules, NOW_MS + STALE_HOLD_MS), previous, NOW_MS + STALE_HOLD_MS);
  assert.equal(held.health, 'down');
  assert.equal(held.decidedAtMs, NOW_MS, 'holding does not renew it');
  const stale = judge(
    tally([], rules, NOW_MS + STALE_HOLD_MS + 1),
    held,
    NOW_MS + STALE_HOLD_MS + 1,
  );
  assert.equal(stale.health, 'unknown');
  assert.match(stale.reason, /was down, undecided for 10 minutes/);
});

test('judge() says who and why', () => {
  assert.equal(judged('eu:down, us:down').reason, '2 of 2 vantage points: connection refused');
  assert.equal(
    judged('eu:down, eu:down, us:down').reason,
    '2 of 2 vantage groups: connection refused',
  );
  assert.equal(judged('eu:up').reason, '1 of 1 vantage points: 200 OK');
  assert.match(judged('eu:down, us:up', { previous: 'up' }).reason, /kept up: 1 of 2 .* say down/);
  assert.match(judged('').reason, /no vantage point/);
});

test('judge() gives the time of the earliest possible change as TTL', () => {
  // Every up vote could change in 10 s, every down vote in 2 s.
  const cases: readonly (readonly [string, Health, number, string])[] = [
    ['eu:up', 'up', 10, 'when the only one changes'],
    ['eu:up, us:up, as:up', 'up', 10, 'when the second of three changes'],
    ['eu:down, us:up, as:up', 'up', 10, 'one is there already, the second takes 10 s'],
    ['eu:up failing', 'up', 0, 'a change is under way'],
    ['eu:up failing, us:up, as:up', 'up', 10, 'one failing of three changes nothing alone'],
    ['eu:up failing, us:up failing, as:up', 'up', 0, 'two do'],
    ['eu:down, us:up failing, as:up', 'up', 0, 'and so does one that joins one'],
    ['home:up failing, eu:up', 'up', 0, 'the veto is near'],
    ['eu:down', 'up', 2, 'down: the earliest return'],
    ['eu:down, us:down, as:up', 'up', 2, 'down: the second of three'],
    ['home:down, eu:up, us:up', 'up', 2, 'down: until the veto falls'],
    ['eu:down silent', 'up', 0, 'a held state promises nothing'],
    ['', 'unknown', 0, 'unknown promises nothing'],
  ];
  for (const [text, previous, ttlSeconds, why] of cases) {
    assert.equal(judged(text, { previous }).ttlSeconds, ttlSeconds, why);
  }
});

test('judge() does not count who distrusts itself', () => {
  assert.equal(judged('eu:down distrusted, us:up', { previous: 'up' }).health, 'up');
  assert.equal(judged('eu:down, us:up distrusted', { previous: 'up' }).health, 'down');
  assert.equal(judged('eu:down distrusted', { previous: 'up' }).isHeld, true, 'nobody is left');
  assert.equal(judged('home:down distrusted, eu:up', { previous: 'up' }).health, 'up', 'no veto');
});

test('judge() calls up slow when most groups find it so', () => {
  assert.equal(judged('eu:up slow, us:up slow, as:up').slow, true);
  assert.match(judged('eu:up slow, us:up slow, as:up').reason, /200 OK, but slow or degraded$/);
  assert.equal(judged('eu:up slow, us:up, as:up').slow, false);
  assert.equal(judged('eu:down slow, us:down slow').slow, false, 'down is not slow');
});

test('judgeNear() lets what a region sees count for its clients alone', () => {
  const cases: readonly (readonly [string, Health, Health, number, string])[] = [
    // votes, world, as seen from eu, ttl, why
    ['eu:down, us:up, as:up', 'up', 'down', 2, 'cut off from eu only'],
    ['eu:up, us:down, as:down', 'down', 'up', 0, 'reached from eu only: one failure ends it'],
    ['eu:up failing, us:down, as:down', 'down', 'down', 0, 'which must then be sure of itself'],
    ['eu:up, us:up, as:up', 'up', 'up', 10, 'all agree'],
    ['eu:up failing, us:up, as:up', 'up', 'up', 0, 'it may soon be otherwise for eu'],
    ['eu:unknown, us:up, as:up', 'up', 'up', 10, 'nothing is seen from eu'],
    ['eu:down silent, us:up, as:up', 'up', 'up', 10, 'nor by the silent'],
    ['eu:down distrusted, us:up, as:up', 'up', 'up', 10, 'nor by who distrusts itself'],
    ['us:up, as:up', 'up', 'up', 10, 'nobody looks from eu'],
    ['home:down, eu:up, us:up', 'down', 'down', 2, 'the veto is for everybody'],
    ['home:up, eu:down, us:up, as:up', 'up', 'down', 2, 'and no veto is no help'],
    ['eu:down', 'down', 'down', 2, 'a single voice is the world'],
  ];
  for (const [text, world, expected, ttlSeconds, why] of cases) {
    const seen = judged(text, { previous: world });
    assert.equal(seen.health, world, `${why}: the world`);
    const rules = { quorumMin: 1, targetRegion: 'home' };
    const near = judgeNear('eu', tally(votes(text), rules, NOW_MS), seen);
    assert.equal(near.health, expected, why);
    assert.equal(near.ttlSeconds, ttlSeconds, `${why}: TTL`);
  }
});

test("judgeNear() gives the region's own clients the view of the others", () => {
  const text = 'home:up, eu:down, us:down';
  const world = judged(text, { previous: 'up' });
  const rules = { quorumMin: 1, targetRegion: 'home' };
  assert.equal(judgeNear('home', tally(votes(text), rules, NOW_MS), world), world);
  const reason = judgeNear(
    'eu',
    tally(votes('eu:down, us:up, as:up'), rules, NOW_MS),
    judged('us:up'),
  );
  assert.equal(reason.reason, 'seen from eu: connection refused');
});

test('judgeNear() steers by slowness too', () => {
  const text = 'eu:up slow, us:up, as:up';
  const rules = { quorumMin: 1, targetRegion: 'home' };
  const world = judged(text);
  assert.equal(world.slow, false);
  assert.equal(judgeNear('eu', tally(votes(text), rules, NOW_MS), world).slow, true);
});
