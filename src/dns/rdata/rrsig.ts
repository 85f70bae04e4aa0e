import { defineType } from '../define-type.ts';
import { ALGORITHMS } from '../dnssec-numbers.ts';
import { base64Field, nameField, numberField } from '../rdata-fields.ts';
import { timeField, typeField } from '../type-fields.ts';

/** RFC 4034 3. The signer's name is never compressed, and lower case when it is signed. */
export const rrsig = defineType({
  kind: 'RRSIG',
  summary: 'signature of the records of one type',
  fields: [
    typeField('type covered'),
    numberField('algorithm', 1, ALGORITHMS),
    numberField('labels', 1),
    numberField('original TTL', 4),
    timeField('expiration'),
    timeField('inception'),
    numberField('key tag', 2),
    nameField('signer', false),
    base64Field('signature'),
  ],
  lowersNames: true,
});
