import { defineType } from '../define-type.ts';
import { nameField } from '../rdata-fields.ts';

/** RFC 6672 2.1: all that is below the owner is below the target. Never compressed. */
export const dname = defineType({
  kind: 'DNAME',
  summary: 'another place for all names below this one',
  fields: [nameField('target', false)],
  lowersNames: true,
});
