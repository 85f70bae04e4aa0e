import { defineType } from '../define-type.ts';
import { nameField } from '../rdata-fields.ts';
import { typeBitmapField } from '../type-fields.ts';

/** RFC 4034 4; its name keeps its case when it is signed (RFC 6840 5.1). */
export const nsec = defineType({
  kind: 'NSEC',
  summary: 'the next name of the zone, and the types of this one',
  fields: [nameField('next name', false), typeBitmapField('types')],
});
