import { z } from 'zod';

/**
 * What every noun's schemas share: the registry that gives them their names in the OpenAPI document,
 * and the small schemas that are not a noun of their own. The registry is this room's, not zod's
 * global one, so that other rooms' schemas never leak into the document.
 */
export const apiSchemas = z.registry<{ id?: string | undefined }>();

/**
 * A read-only array. `z.array(..).readonly()` would mark every list `readOnly` in the document,
 * which OpenAPI reads as "never send this"; the value is an array either way, hence the cast.
 */
export function list<Schema extends z.ZodType>(
  schema: Schema,
): z.ZodType<readonly z.output<Schema>[], readonly z.input<Schema>[]> {
  return z.array(schema) as unknown as z.ZodType<
    readonly z.output<Schema>[],
    readonly z.input<Schema>[]
  >;
}

/** Milliseconds since 1970, UTC. */
export const timestampMs = z.number().describe('Milliseconds since 1970-01-01T00:00:00Z');

/** 0..1. */
export const share = z.number().min(0).max(1.000001).describe('A fraction, 0 to 1');

/** The longest override or drill name, region name, host name that a request may carry. */
export const NAME_LENGTH_MAX = 255;
/** The longest reason that a request may carry. */
export const REASON_LENGTH_MAX = 500;

export const requestName = z.string().min(1).max(NAME_LENGTH_MAX);
/** Shown in tables and logs: a line break or an escape sequence would forge them. */
export const requestReason = z
  .string()
  .max(REASON_LENGTH_MAX)
  .regex(/^\P{Cc}*$/u, 'has control characters')
  .default('')
  .describe('Why; shown to whoever looks at the override later');

/** Whether a word has got beyond the node that it was said to. */
export const sharingSchema = z
  .object({
    shared: z.boolean(),
    detail: z.string().describe('Who has it, or why nobody is known to'),
  })
  .register(apiSchemas, { id: 'Sharing' });

export const locationSchema = z
  .object({
    latitude: z.number().optional(),
    longitude: z.number().optional(),
    continent: z.string().optional(),
    country: z.string().optional(),
    subdivision: z.string().optional(),
    city: z.string().optional(),
  })
  .register(apiSchemas, { id: 'Location' });

/** A zone in a path, where the root cannot be a dot: URL parsers take that for a step within the path. */
export const zoneInPath = requestName.describe('The zone’s name; `@` is the root');
export const nameInPath = requestName.describe('In full; `@` is the root');

/** The name that such a part of a path means. */
export const fromPath = (part: string): string => (part === '@' ? '.' : part);
