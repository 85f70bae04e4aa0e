import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesOf } from '../../src/http/ascii.ts';
import { viaNames } from '../../src/http/via.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Via of RFC 9110 section 7.6.3: who wrote a member is found, and nobody by what stands beside it. */

const names = (value: string, name: string): boolean =>
  viaNames(bytesOf(value), 0, value.length, name);

const receiver = fc.constantFrom('lb-1', 'lb-10', 'b-1', 'LB-1', 'lb-1:80', '[2001:db8::1]:80');
/** Whatever a comment may hold, also what looks like a member. */
const piece = fc.constantFrom('1.1 lb-1', 'lb-10', ', ', ' ', '\\(', '\\)', '\\\\', '\\,', '"', '');
const { comment } = fc.letrec<{ comment: string; part: string }>((tie) => ({
  part: fc.oneof({ maxDepth: 3 }, piece, tie('comment')),
  comment: fc.array(tie('part'), { maxLength: 4 }).map((parts) => `(${parts.join('')})`),
}));
const member = fc.record({
  protocol: fc.constantFrom('1.1', '1.0', 'HTTP/1.1', 'lb-1'),
  receiver,
  comment: fc.option(comment, { nil: '' }),
  blank: fc.constantFrom(' ', '\t', '  '),
});

test('a name is found exactly where a member has it as its receiver', () => {
  fc.assert(
    fc.property(fc.array(member, { maxLength: 5 }), receiver, (members, name) => {
      const value = members
        .map((each) => `${each.protocol}${each.blank}${each.receiver}${each.blank}${each.comment}`)
        .join(',');
      const expected = members.some((each) => each.receiver === name);
      assert.equal(names(value, name), expected, value);
    }),
    { numRuns: fuzzRuns(2000), seed: fuzzSeed(9110) },
  );
});

test('a member that is added behind anything is found', () => {
  const any = fc.string({ unit: fc.constantFrom(...' \t,()\\a1.'), maxLength: 40 });
  fc.assert(
    fc.property(any, (before) => {
      assert.ok(names(`${before}, 1.1 lb-1`, 'lb-1'), before);
    }),
    { numRuns: fuzzRuns(2000), seed: fuzzSeed(763) },
  );
});
