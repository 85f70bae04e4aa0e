import { defineType } from '../define-type.ts';
import { nameField, numberField } from '../rdata-fields.ts';
import { secondsField } from '../type-fields.ts';

/** RFC 1035 3.3.13; minimum is the negative TTL (RFC 2308 4). */
export const soa = defineType({
  kind: 'SOA',
  summary: 'start of a zone: its primary, contact, serial and timers',
  fields: [
    nameField('mname', true),
    nameField('rname', true),
    numberField('serial', 4),
    secondsField('refresh'),
    secondsField('retry'),
    secondsField('expire'),
    secondsField('minimum'),
  ],
  lowersNames: true,
});
