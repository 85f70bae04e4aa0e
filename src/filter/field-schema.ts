import { z } from 'zod';
import { isReservedFieldName } from '../http/fields.ts';

/** Names and values of fields that a configuration may put into requests and responses. */
export const fieldName = z
  .string()
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'is not a header name')
  .refine((text) => !isReservedFieldName(text.toLowerCase()), {
    message: 'belongs to the connection or the framing, which the balancer decides',
  });

// A control octet here would let configuration split a response in two.
export const fieldValue = z
  .string()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
  .regex(/^[^\x00-\x08\x0a-\x1f\x7f]*$/, 'holds a control character');
