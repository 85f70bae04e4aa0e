import { defineType } from '../define-type.ts';
import { hexField, numberField } from '../rdata-fields.ts';

const fields = [
  numberField('usage', 1),
  numberField('selector', 1),
  numberField('matching type', 1),
  hexField('certificate association data'),
];

/** RFC 6698 2.1. */
export const tlsa = defineType({
  kind: 'TLSA',
  summary: 'certificate that a TLS server has',
  fields,
});

/** RFC 8162 2: as TLSA, for mail. */
export const smimea = defineType({
  kind: 'SMIMEA',
  summary: 'certificate that somebody signs mail with',
  fields,
});
