import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf } from '../../src/http/ascii.ts';
import { allowsSharedStorage, needsSetCookie } from '../../src/sessions/cookie-reply.ts';
import { cookieServerIndex, createServerIds, serverIdOf } from '../../src/sessions/server-id.ts';
import {
  CLOCK_SLACK_SECONDS,
  COOKIE_ABSENT,
  COOKIE_AGEING,
  COOKIE_BAD,
  COOKIE_GOOD,
  COOKIES_TRIED_MAX,
  type CookieClaim,
  type CookiePolicy,
  cookieAttributes,
  cookieKeyOf,
  createCookieClaim,
  makeSessionCookie,
  readSessionCookie,
} from '../../src/sessions/session-cookie.ts';

const NOW = 1_800_000_000;
const DAY = 86_400;
const policy: CookiePolicy = {
  name: bytesOf('MERIDIAN'),
  key: cookieKeyOf('a secret', 'shop'),
  formerKey: undefined,
  maxAgeSeconds: DAY,
  maxLifeSeconds: 0,
  attributes: cookieAttributes({
    path: '/',
    maxAgeSeconds: DAY,
    secure: true,
    httpOnly: true,
    sameSite: 'Lax',
  }),
};
const id = serverIdOf('shop', 'web1');

/** `NAME=value` of a Set-Cookie field. */
const pairOf = (by: CookiePolicy = policy, now = NOW): string =>
  makeSessionCookie(by, id, now).split(';')[0]!;

function read(text: string, by: CookiePolicy = policy, now = NOW): CookieClaim {
  const claim = createCookieClaim();
  const bytes = bytesOf(`xx${text}yy`);
  readSessionCookie(bytes, 2, bytes.length - 2, by, now, claim);
  return claim;
}

test('a cookie is what is documented, with all its attributes', () => {
  const cookie = makeSessionCookie(policy, id, NOW);
  assert.match(
    cookie,
    /^MERIDIAN=v1\.[\w-]{11}\.1800086400\.[\w-]{11}; Path=\/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax$/,
  );
  const octets = Buffer.from(cookie.split('.')[1]!, 'base64url');
  assert.deepEqual([octets.readUInt32BE(0), octets.readUInt32BE(4)], [id.high, id.low]);
  assert.equal(
    cookieAttributes({
      path: '/app',
      maxAgeSeconds: 0,
      secure: false,
      httpOnly: false,
      sameSite: 'None',
    }),
    '; Path=/app; SameSite=None',
  );
});

test('it is read back, wherever it stands in the field', () => {
  const own = pairOf();
  const value = own.slice('MERIDIAN='.length);
  const places = [own, `a=1; ${own}`, `${own}; a=1`, `a=1;${own};b=2`, `\t MERIDIAN = ${value} ;x`];
  for (const text of places) {
    assert.deepEqual(read(text), {
      word: COOKIE_GOOD,
      ...id,
      expiresSeconds: NOW + DAY,
      endSeconds: 0,
    });
  }
  for (const text of [
    '',
    'a=1',
    `x${own}`,
    `MERIDIANE=${value}`,
    'MERIDIAN',
    ` meridian=${value}`,
  ]) {
    assert.equal(read(text).word, COOKIE_ABSENT, text);
  }
});

test('no octet of it can be changed, added or left out', () => {
  const own = pairOf();
  const start = 'MERIDIAN='.length;
  for (let at = start; at < own.length; at++) {
    for (const other of ['A', 'Q', '0', '.', '=', '"', '\xff']) {
      if (other === own[at]) continue;
      const text = own.slice(0, at) + other + own.slice(at + 1);
      assert.equal(read(text).word, COOKIE_BAD, text);
    }
    assert.equal(read(own.slice(0, at)).word, COOKIE_BAD);
    assert.equal(read(own.slice(0, at) + own.slice(at + 1)).word, COOKIE_BAD);
    assert.equal(read(`${own.slice(0, at)}0${own.slice(at)}`).word, COOKIE_BAD);
  }
  assert.equal(read(`${own.replace('=', '="')}"`).word, COOKIE_BAD);
});

test('it is of one upstream and one secret', () => {
  const own = pairOf();
  for (const key of [cookieKeyOf('a secret', 'api'), cookieKeyOf('b secret', 'shop')]) {
    assert.equal(read(own, { ...policy, key }).word, COOKIE_BAD);
  }
});

test('the former key is believed, and the cookie made anew', () => {
  const next = { ...policy, key: cookieKeyOf('next', 'shop'), formerKey: policy.key };
  const old = read(pairOf(), next);
  assert.equal(old.word, COOKIE_AGEING);
  assert.ok(needsSetCookie(old, id));
  const made = read(pairOf(next), next);
  assert.equal(made.word, COOKIE_GOOD);
  assert.equal(needsSetCookie(made, id), false);
});

test('it ages, ends, and is not believed from too far ahead', () => {
  const own = pairOf();
  const wordAt = (now: number): number => read(own, policy, now).word;
  assert.equal(wordAt(NOW + DAY / 2), COOKIE_GOOD);
  assert.equal(wordAt(NOW + DAY / 2 + 1), COOKIE_AGEING);
  assert.equal(wordAt(NOW + DAY - 1), COOKIE_AGEING);
  assert.equal(wordAt(NOW + DAY), COOKIE_BAD);
  assert.equal(wordAt(NOW - CLOCK_SLACK_SECONDS), COOKIE_GOOD);
  assert.equal(wordAt(NOW - CLOCK_SLACK_SECONDS - 1), COOKIE_BAD);
});

test('without a maximum age it has no date; when that changes, it is made anew', () => {
  const session = { ...policy, maxAgeSeconds: 0 };
  const own = pairOf(session);
  assert.match(own, /^MERIDIAN=v1\.[\w-]{11}\.0\.[\w-]{11}$/);
  assert.equal(read(own, session, NOW + 1000 * DAY).word, COOKIE_GOOD);
  assert.equal(read(own, policy).word, COOKIE_AGEING);
  assert.equal(read(pairOf(), session).word, COOKIE_AGEING);
  assert.equal(read(pairOf(), session, NOW + DAY).word, COOKIE_BAD);
});

test('of several the first good one counts, and only a few are tried', () => {
  const bad = 'MERIDIAN=v1.x';
  assert.equal(read(`${bad}; ${pairOf()}`).word, COOKIE_GOOD);
  assert.equal(read(`${pairOf()}; ${bad}`).word, COOKIE_GOOD);
  const many = Array.from({ length: COOKIES_TRIED_MAX }, () => bad).join('; ');
  assert.equal(read(`${many}; ${pairOf()}`).word, COOKIE_BAD);
});

test('a cookie is needed unless a good one names the server that answered', () => {
  const other = serverIdOf('shop', 'web2');
  assert.ok(needsSetCookie(read(''), id));
  assert.ok(needsSetCookie(read('MERIDIAN=1'), id));
  assert.ok(needsSetCookie(read(pairOf()), other));
  assert.equal(needsSetCookie(read(pairOf()), id), false);
});

test('ids lead back to servers, in any order, and nowhere when the server is gone', () => {
  const names = ['web1', 'web2', 'web3'];
  for (const order of [names, [...names].reverse()]) {
    const ids = createServerIds('shop', order);
    for (const name of names) {
      const found = cookieServerIndex(ids, serverIdOf('shop', name));
      assert.equal(order[found], name);
    }
    assert.equal(cookieServerIndex(ids, serverIdOf('api', 'web1')), -1);
    assert.equal(cookieServerIndex(ids, { high: id.high, low: id.low ^ 1 }), -1);
  }
});

test('Cache-Control: private is needed unless the server has said it, or no-store', () => {
  const allows = (text: string): boolean => {
    const bytes = bytesOf(text);
    return allowsSharedStorage(bytes, 0, bytes.length);
  };
  for (const text of [
    'private',
    'Private, max-age=60',
    'max-age=60 ,no-store',
    'a="x,y", PRIVATE \t',
    'no-cache="a\\"b", private',
  ]) {
    assert.equal(allows(text), false, text);
  }
  for (const text of [
    '',
    'public, max-age=60',
    'no-cache',
    'private="Set-Cookie"',
    'x="a, private"',
    'x="a\\", no-store"',
    'privately',
    'no-stor',
  ]) {
    assert.ok(allows(text), text);
  }
});

test('a client keeps its server no longer than maxLife, however often its cookie is made anew', () => {
  const limited = { ...policy, maxLifeSeconds: 2 * DAY };
  const end = NOW + 2 * DAY;
  let cookie = pairOf(limited);
  assert.match(
    cookie,
    new RegExp(`^MERIDIAN=v1\\.[\\w-]{11}\\.${NOW + DAY}\\.${end}\\.[\\w-]{11}$`),
  );
  let made = 1;
  for (let now = NOW; now < end; now += 3600) {
    const claim = read(cookie, limited, now);
    assert.ok(claim.word >= COOKIE_GOOD, `${now - NOW} s later`);
    assert.equal(claim.endSeconds, end);
    if (claim.word === COOKIE_GOOD) continue;
    cookie = makeSessionCookie(limited, id, now, claim).split(';')[0]!;
    made += 1;
  }
  assert.equal(made, 3, 'what cannot last longer is not made anew');
  assert.equal(read(cookie, limited, end).word, COOKIE_BAD);
});

test('another server begins another life, and so does a cookie from before maxLife was set', () => {
  const limited = { ...policy, maxLifeSeconds: 2 * DAY };
  const later = NOW + 3600;
  const claim = read(pairOf(limited), limited, later);
  const elsewhere = makeSessionCookie(limited, serverIdOf('shop', 'web2'), later, claim);
  assert.equal(read(elsewhere.split(';')[0]!, limited, later).endSeconds, later + 2 * DAY);

  const old = read(pairOf(policy), limited, later);
  assert.equal(old.word, COOKIE_AGEING);
  const renewed = makeSessionCookie(limited, id, later, old).split(';')[0]!;
  assert.equal(read(renewed, limited, later).endSeconds, later + 2 * DAY);
  assert.equal(read(renewed, policy, later).word, COOKIE_AGEING, 'and back');
  assert.equal(read(pairOf({ ...policy, maxLifeSeconds: 30 * DAY }), limited).word, COOKIE_BAD);
});

test('an end is spelt in one way only', () => {
  const limited = { ...policy, maxLifeSeconds: 2 * DAY };
  const [head, tag] = [`MERIDIAN=v1.${'A'.repeat(11)}`, 'A'.repeat(11)];
  for (const times of ['1.', '.1', '1.0', '1.01', '1.1.1', '1.x', '12345678901.1', '1.12345678901'])
    assert.equal(read(`${head}.${times}.${tag}`, limited).word, COOKIE_BAD, times);
});
