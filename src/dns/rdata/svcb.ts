import { defineType } from '../define-type.ts';
import { nameField, numberField } from '../rdata-fields.ts';
import { checkParameters, parametersField } from '../service-parameters.ts';

const fields = [numberField('priority', 2), nameField('target', false), parametersField];

/** RFC 9460 2: where and how a service is reached; priority 0 is an alias of the target. */
export const svcb = defineType({
  kind: 'SVCB',
  summary: 'where and how a service is reached',
  fields,
  check: checkParameters,
});

/** RFC 9460 9: SVCB for https. */
export const https = defineType({
  kind: 'HTTPS',
  summary: 'where and how a web site is reached',
  fields,
  check: checkParameters,
});
