import { defineType } from '../define-type.ts';
import { nameField } from '../rdata-fields.ts';

/** RFC 1035 3.3.11. */
export const ns = defineType({
  kind: 'NS',
  summary: 'nameserver of a zone',
  fields: [nameField('nameserver', true)],
  lowersNames: true,
});
