import { defineType } from '../define-type.ts';
import { nameField, numberField, stringField } from '../rdata-fields.ts';

/** RFC 3403 4. */
export const naptr = defineType({
  kind: 'NAPTR',
  summary: 'rule that rewrites a name, for instance to a SIP service',
  fields: [
    numberField('order', 2),
    numberField('preference', 2),
    stringField('flags'),
    stringField('services'),
    stringField('regexp'),
    nameField('replacement', false),
  ],
  lowersNames: true,
});
