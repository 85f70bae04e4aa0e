import { defineType } from '../define-type.ts';
import { hexField, numberField } from '../rdata-fields.ts';

/** RFC 4255 3.1. */
export const sshfp = defineType({
  kind: 'SSHFP',
  summary: 'fingerprint of an SSH host key',
  fields: [numberField('algorithm', 1), numberField('type', 1), hexField('fingerprint')],
});
