import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  COOKIE_SECRET_LIFE_MS,
  COOKIE_SECRET_NOTICE_MS,
  type CookiePlan,
  cookieSecretsAt,
  formatCookiePlan,
  nextCookiePlan,
  parseCookiePlan,
} from '../../src/nameserver/cookie-secrets.ts';

const HOUR_MS = 3600_000;

/** Secrets by number. */
function drawer() {
  let drawn = 0;
  return (octets: number): Uint8Array => new Uint8Array(octets).fill(++drawn);
}

const numbersOf = (plan: CookiePlan, nowMs: number): number[] => {
  const { current, others } = cookieSecretsAt(plan, nowMs)!;
  return [current[0]!, ...others.map(([first]) => first!).toSorted()];
};

test('a secret is known before it is used, and after it, as long as its cookies are good', () => {
  const draw = drawer();
  let plan = nextCookiePlan([], 0, draw);
  assert.deepEqual(numbersOf(plan, 0), [1]);
  const due = COOKIE_SECRET_LIFE_MS;
  assert.equal(nextCookiePlan(plan, due - COOKIE_SECRET_NOTICE_MS - 1, draw), plan);
  plan = nextCookiePlan(plan, due - COOKIE_SECRET_NOTICE_MS, draw);
  assert.deepEqual(numbersOf(plan, due - 1), [1, 2], 'understood, and not yet used');
  assert.deepEqual(numbersOf(plan, due), [2, 1]);
  assert.equal(nextCookiePlan(plan, due + HOUR_MS, draw), plan);
  plan = nextCookiePlan(plan, 2 * due - COOKIE_SECRET_NOTICE_MS, draw);
  assert.deepEqual(numbersOf(plan, 2 * due), [3, 2], 'the first is forgotten');
});

test('after a long pause the next secret still has its notice', () => {
  const draw = drawer();
  const late = 10 * COOKIE_SECRET_LIFE_MS;
  const plan = nextCookiePlan(nextCookiePlan([], 0, draw), late, draw);
  assert.deepEqual(numbersOf(plan, late), [1, 2]);
  assert.deepEqual(numbersOf(plan, late + COOKIE_SECRET_NOTICE_MS), [2, 1]);
});

test('what a wrong clock has planned holds nothing up, and is kept', () => {
  const draw = drawer();
  const year = 365 * COOKIE_SECRET_LIFE_MS;
  const first = nextCookiePlan([], 0, draw);
  // A node whose clock is a year ahead sees that one is due.
  const ahead = nextCookiePlan(first, year, draw);
  assert.deepEqual(numbersOf(ahead, 0), [1, 2]);
  assert.equal(nextCookiePlan(ahead, HOUR_MS, draw), ahead);
  const due = nextCookiePlan(ahead, COOKIE_SECRET_LIFE_MS, draw);
  const from = COOKIE_SECRET_LIFE_MS + COOKIE_SECRET_NOTICE_MS;
  assert.deepEqual(numbersOf(due, from), [3, 1, 2], 'the others go on');
  assert.equal(nextCookiePlan(due, year + HOUR_MS, draw), due, 'and so does that one');
  // One whose clock is a year behind knows nobody, and takes nothing away.
  const behind = nextCookiePlan(due, -year, draw);
  assert.deepEqual(numbersOf(behind, -year), [4, 2, 3]);
  assert.deepEqual(numbersOf(behind, from)[0], 3);
});

test('a plan is read back, and nothing else is taken for one', () => {
  const draw = drawer();
  const plan = nextCookiePlan(nextCookiePlan([], 5, draw), COOKIE_SECRET_LIFE_MS, draw);
  assert.deepEqual(parseCookiePlan(formatCookiePlan(plan)), plan);
  for (const text of ['', '[]', '{}', '[[1]]', '[[1,"00"]]', '[["1","00"]]', 'null', '[null]']) {
    assert.equal(parseCookiePlan(text), undefined, text);
  }
});
