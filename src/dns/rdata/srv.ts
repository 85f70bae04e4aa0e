import { defineType } from '../define-type.ts';
import { nameField, numberField } from '../rdata-fields.ts';

/** RFC 2782. The target is never compressed ("name compression is not to be used for this field"). */
export const srv = defineType({
  kind: 'SRV',
  summary: 'host and port of a service',
  fields: [
    numberField('priority', 2),
    numberField('weight', 2),
    numberField('port', 2),
    nameField('target', false),
  ],
  lowersNames: true,
});
