import { defineType } from '../define-type.ts';
import { nameField, numberField } from '../rdata-fields.ts';

/** RFC 1035 3.3.9; `0 .` says that there is no mail here (RFC 7505). */
export const mx = defineType({
  kind: 'MX',
  summary: 'host that takes mail for a domain',
  fields: [numberField('preference', 2), nameField('mail host', true)],
  lowersNames: true,
});
