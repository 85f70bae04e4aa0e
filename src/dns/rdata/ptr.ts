import { defineType } from '../define-type.ts';
import { nameField } from '../rdata-fields.ts';

/** RFC 1035 3.3.12. */
export const ptr = defineType({
  kind: 'PTR',
  summary: 'the name that an address belongs to',
  fields: [nameField('target', true)],
  lowersNames: true,
});
