import { defineType } from '../define-type.ts';
import { stringsField } from '../rdata-fields.ts';

/** RFC 1035 3.3.14: one or more character-strings of at most 255 octets. */
export const txt = defineType({
  kind: 'TXT',
  summary: 'text, in strings of at most 255 octets',
  fields: [stringsField('text')],
});
