import { defineType } from '../define-type.ts';
import { base32Field, numberField, saltField } from '../rdata-fields.ts';
import { typeBitmapField } from '../type-fields.ts';

const parameters = [
  numberField('hash algorithm', 1),
  numberField('flags', 1),
  numberField('iterations', 2),
  saltField('salt'),
];

/** RFC 5155 3. */
export const nsec3 = defineType({
  kind: 'NSEC3',
  summary: 'the next hashed name of the zone, and the types of this one',
  fields: [...parameters, base32Field('next hashed name'), typeBitmapField('types')],
});

/** RFC 5155 4. */
export const nsec3param = defineType({
  kind: 'NSEC3PARAM',
  summary: 'how names are hashed for NSEC3',
  fields: parameters,
});
