import { defineType } from '../define-type.ts';
import { addressField } from '../rdata-fields.ts';

/** RFC 3596 2.2. */
export const aaaa = defineType({
  kind: 'AAAA',
  summary: 'IPv6 address of a host',
  fields: [addressField(6)],
});
