import { defineType } from '../define-type.ts';
import { nameField } from '../rdata-fields.ts';

/** RFC 1183 2.2. */
export const rp = defineType({
  kind: 'RP',
  summary: 'person who is responsible: mail address and a TXT name',
  fields: [nameField('mailbox', false), nameField('TXT name', false)],
  lowersNames: true,
});
