import { defineType } from '../define-type.ts';
import { base64Field } from '../rdata-fields.ts';

/** RFC 7929 2. */
export const openpgpkey = defineType({
  kind: 'OPENPGPKEY',
  summary: 'OpenPGP key of a mail address',
  fields: [base64Field('key')],
});
