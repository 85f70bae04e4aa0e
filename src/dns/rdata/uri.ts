import { defineType } from '../define-type.ts';
import { numberField, textField } from '../rdata-fields.ts';

/** RFC 7553 4. */
export const uri = defineType({
  kind: 'URI',
  summary: 'URI of a service',
  fields: [numberField('priority', 2), numberField('weight', 2), textField('target')],
});
