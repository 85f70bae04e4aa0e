import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesOf, textOf } from '../../src/http/ascii.ts';
import { findCookie, stripCookie } from '../../src/sessions/cookie-field.ts';
import { allowsSharedStorage } from '../../src/sessions/cookie-reply.ts';
import {
  COOKIE_GOOD,
  type CookiePolicy,
  cookieKeyOf,
  createCookieClaim,
  makeSessionCookie,
  readSessionCookie,
} from '../../src/sessions/session-cookie.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Whatever a client sends: no cookie is believed that was not made, and no other cookie is changed. */
const parameters = { seed: fuzzSeed(20_261_122), numRuns: fuzzRuns(3000) };
const NOW = 1_800_000_000;
const policy: CookiePolicy = {
  name: bytesOf('S'),
  key: cookieKeyOf('secret', 'shop'),
  formerKey: undefined,
  maxAgeSeconds: 3600,
  maxLifeSeconds: 0,
  attributes: '',
};
const words = fc.nat(0xffff_ffff);
const pieces = fc.constantFrom(
  'S=',
  'S',
  '=',
  ';',
  '; ',
  ' ',
  '\t',
  'v1.',
  '.',
  '"',
  'a=1',
  '\xff',
);
const noise = fc
  .array(fc.oneof(pieces, fc.string({ unit: 'binary-ascii', maxLength: 4 })), { maxLength: 12 })
  .map((list) => list.join(''));

/** The same by plain means: split, compare, join. */
function stripped(text: string): string {
  const all = text.split(';');
  const isOwn = (piece: string): boolean => /^[ \t]*S[ \t]*=/.test(piece);
  const kept = all.filter((piece) => !isOwn(piece));
  if (kept.every((piece) => /^[ \t]*$/.test(piece))) return '';
  if (isOwn(all[0]!)) kept[0] = kept[0]!.replace(/^[ \t]+/, '');
  return kept.join(';');
}

test('what is stripped is what a plain reading strips, and no cookie of the name is left', () => {
  fc.assert(
    fc.property(noise, (text) => {
      const bytes = bytesOf(text);
      const out = new Uint8Array(bytes.length);
      const length = stripCookie(bytes, 0, bytes.length, policy.name, out, 0);
      assert.equal(textOf(out, 0, length), stripped(text));
      assert.equal(findCookie(out, 0, length, policy.name, { start: 0, end: 0 }), -1);
    }),
    parameters,
  );
});

test('a cookie that was made is read in any company; a changed one never is', () => {
  fc.assert(
    fc.property(words, words, noise, noise, fc.nat(), fc.nat(255), fc.boolean(), (...drawn) => {
      const [high, low, before, after, place, octet, isLimited] = drawn;
      const maxLifeSeconds = isLimited ? 7200 : 0;
      const by = { ...policy, maxLifeSeconds };
      const made = makeSessionCookie(by, { high, low }, NOW);
      const company = before.replaceAll('S', 'T');
      const whole = bytesOf(`${company};${made};${after}`);
      const claim = createCookieClaim();
      readSessionCookie(whole, 0, whole.length, by, NOW, claim);
      const times = { expiresSeconds: NOW + 3600, endSeconds: isLimited ? NOW + 7200 : 0 };
      assert.deepEqual(claim, { word: COOKIE_GOOD, high, low, ...times });
      const changed = bytesOf(made);
      const at = 2 + (place % (made.length - 2));
      if (changed[at] === octet) return;
      changed[at] = octet;
      const none = createCookieClaim();
      readSessionCookie(changed, 0, changed.length, by, NOW, none);
      assert.ok(none.word < COOKIE_GOOD, textOf(changed, 0, changed.length));
    }),
    parameters,
  );
});

test('noise is never believed', () => {
  fc.assert(
    fc.property(noise, (text) => {
      const bytes = bytesOf(`S=${text}`);
      const claim = createCookieClaim();
      readSessionCookie(bytes, 0, bytes.length, policy, NOW, claim);
      assert.ok(claim.word < COOKIE_GOOD);
      assert.deepEqual([claim.high, claim.low], [0, 0]);
    }),
    parameters,
  );
});

test('Cache-Control is read alike with and without case and blanks', () => {
  const parts = fc.constantFrom('private', 'no-store', ',', ' ', '"', '\\', '=', 'max-age=1', 'x');
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 10 }), (list) => {
      const verdicts = [list.join(''), list.join('').toUpperCase(), ` ${list.join('')} `];
      const [first, ...others] = verdicts.map((text) => {
        const bytes = bytesOf(text);
        return allowsSharedStorage(bytes, 0, bytes.length);
      });
      for (const other of others) assert.equal(other, first);
      if (first === true) assert.notEqual(list.join(''), 'private');
    }),
    parameters,
  );
});
