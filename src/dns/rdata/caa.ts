import { defineType } from '../define-type.ts';
import { numberField, textField, wordField } from '../rdata-fields.ts';

/** RFC 8659 4: which certificate authorities may issue for a name. */
export const caa = defineType({
  kind: 'CAA',
  summary: 'certificate authority that may issue for a name',
  fields: [
    numberField('flags', 1),
    wordField('tag', /^[A-Za-z0-9]{1,255}$/, 'letters and digits, for instance issue, issuewild'),
    textField('value'),
  ],
});
