import { defineType } from '../define-type.ts';
import { nameField } from '../rdata-fields.ts';

/** RFC 1035 3.3.1. */
export const cname = defineType({
  kind: 'CNAME',
  summary: 'the name that an alias stands for',
  fields: [nameField('target', true)],
  lowersNames: true,
});
