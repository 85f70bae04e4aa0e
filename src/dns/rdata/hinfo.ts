import { defineType } from '../define-type.ts';
import { stringField } from '../rdata-fields.ts';

/** RFC 1035 3.3.2; also the minimal answer to ANY (RFC 8482 4.2). */
export const hinfo = defineType({
  kind: 'HINFO',
  summary: 'hardware and system of a host',
  fields: [stringField('CPU'), stringField('OS')],
});
