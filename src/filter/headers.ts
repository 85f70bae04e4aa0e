import { z } from 'zod';
import { fieldName, fieldValue } from './field-schema.ts';
import type { EditableFields, FilterKind } from './filter.ts';

/** Sets, adds and removes fields of requests and responses; removing comes first, then setting. */
export const headers: FilterKind<HeadersOptions> = {
  kind: 'headers',
  summary: 'Sets, adds and removes request and response headers.',
  options: z.strictObject({
    request: editsSchema().describe('What to do to the request before the upstream sees it.'),
    response: editsSchema().describe('What to do to the response before the client sees it.'),
  }),
  compile: (options) => {
    const touchesResponse = !isEmpty(options.response);
    return (exchange, next) => {
      apply(exchange.request.fields, options.request);
      if (touchesResponse) {
        exchange.onResponse((response) => apply(response.fields, options.response));
      }
      next();
    };
  },
};

export type HeaderEdits = {
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
};
export type HeadersOptions = { readonly request: HeaderEdits; readonly response: HeaderEdits };

function apply(fields: EditableFields, edits: HeaderEdits): void {
  for (const name of edits.remove) fields.remove(name);
  for (const [name, value] of Object.entries(edits.set)) fields.set(name, value);
  for (const [name, value] of Object.entries(edits.add)) fields.add(name, value);
}

const isEmpty = (edits: HeaderEdits): boolean =>
  edits.remove.length === 0 &&
  Object.keys(edits.set).length === 0 &&
  Object.keys(edits.add).length === 0;

function editsSchema() {
  return z
    .strictObject({
      set: z
        .record(fieldName, fieldValue)
        .default({})
        .describe('Fields to set, replacing those there.'),
      add: z.record(fieldName, fieldValue).default({}).describe('Fields to add.'),
      remove: z.array(fieldName).default([]).describe('Fields to remove.'),
    })
    .default({ set: {}, add: {}, remove: [] });
}
