import { defineType } from '../define-type.ts';
import { hexField, numberField } from '../rdata-fields.ts';

/** A digest shorter than this is none (RFC 8976 2.2.4). */
const DIGEST_OCTETS_MIN = 12;

/** RFC 8976 2. */
export const zonemd = defineType({
  kind: 'ZONEMD',
  summary: 'digest of the whole zone',
  fields: [
    numberField('serial', 4),
    numberField('scheme', 1),
    numberField('hash algorithm', 1),
    hexField('digest', DIGEST_OCTETS_MIN),
  ],
});
