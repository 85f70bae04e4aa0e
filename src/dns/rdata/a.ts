import { defineType } from '../define-type.ts';
import { addressField } from '../rdata-fields.ts';

/** RFC 1035 3.4.1. */
export const a = defineType({
  kind: 'A',
  summary: 'IPv4 address of a host',
  fields: [addressField(4)],
});
