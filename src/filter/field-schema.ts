import { z } from 'zod';
import { isReservedFieldName } from '../http/fields.ts';

/** Names and values of fields that a configuration may put into requests and responses. */
export const fieldName = z
  .string()
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'is not a header name')
  .refine((text) => !isReservedFieldName(text.toLowerCase()), {
    message: 'belongs to the connection or the framing, which the balancer decides',
  });

// A control octet would let configuration split a response in two; what is no octet at all would be sent as `?`.
export const fieldValue = z
  .string()
  .regex(/^[\t -~\u0080-\u00ff]*$/, 'holds a control character, or one that is not of Latin-1');
