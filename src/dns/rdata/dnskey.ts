import { defineType } from '../define-type.ts';
import { ALGORITHMS } from '../dnssec-numbers.ts';
import { base64Field, numberField } from '../rdata-fields.ts';

const fields = [
  numberField('flags', 2),
  numberField('protocol', 1),
  numberField('algorithm', 1, ALGORITHMS),
  base64Field('public key'),
];

/** RFC 4034 2. */
export const dnskey = defineType({
  kind: 'DNSKEY',
  summary: 'public key that this zone signs with',
  fields,
});

/** RFC 7344 3.2: the DNSKEY records that the parent is to make DS records of; `0 3 0 AA==` = none. */
export const cdnskey = defineType({
  kind: 'CDNSKEY',
  summary: 'keys of which this zone wants its parent to have DS records',
  fields,
});
