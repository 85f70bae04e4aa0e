import { defineType } from '../define-type.ts';
import { numberField } from '../rdata-fields.ts';
import { typeBitmapField } from '../type-fields.ts';

/** RFC 7477 2. */
export const csync = defineType({
  kind: 'CSYNC',
  summary: 'records that this zone wants its parent to copy',
  fields: [numberField('serial', 4), numberField('flags', 2), typeBitmapField('types')],
});
