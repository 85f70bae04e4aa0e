import { defineType } from '../define-type.ts';
import { ALGORITHMS, checkDigest } from '../dnssec-numbers.ts';
import { hexField, numberField } from '../rdata-fields.ts';

const fields = [
  numberField('key tag', 2),
  numberField('algorithm', 1, ALGORITHMS),
  numberField('digest type', 1, { 'SHA-1': 1, 'SHA-256': 2, 'SHA-384': 4 }),
  hexField('digest'),
];

/** RFC 4034 5: the digest of a child zone's key, in its parent. */
export const ds = defineType({
  kind: 'DS',
  summary: 'digest of the key that a delegated zone signs with',
  fields,
  check: checkDigest,
});

/** RFC 7344 3.1: the DS records that the child wants its parent to have; `0 0 0 00` = none. */
export const cds = defineType({
  kind: 'CDS',
  summary: 'DS records that this zone wants its parent to have',
  fields,
});
