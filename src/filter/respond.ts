import { z } from 'zod';
import { fieldName, fieldValue } from './field-schema.ts';
import type { FilterKind } from './filter.ts';

const BODY_LENGTH_MAX = 64 * 1024;
const FIELDS_MAX = 32;

/** Answers every request of the route itself; no server hears of it. */
export const respond: FilterKind<RespondOptions> = {
  kind: 'respond',
  summary: 'Answers with a fixed status, headers and body.',
  options: z.strictObject({
    status: z.int().min(200).max(599).default(200).describe('Status of the answer.'),
    headers: z
      .record(fieldName, fieldValue)
      .refine((all) => Object.keys(all).length <= FIELDS_MAX, `more than ${FIELDS_MAX} headers`)
      .default({})
      .describe('Its headers, for instance `Content-Type`, `Retry-After`.'),
    body: z.string().max(BODY_LENGTH_MAX).default('').describe('Its body, as text in UTF-8.'),
  }),
  compile: ({ body, headers, status }) => {
    const reply = { status, fields: Object.entries(headers), body };
    return (exchange) => exchange.answer(reply);
  },
};

export type RespondOptions = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};
