import { z } from 'zod';
import { configFileSchema } from './schema.ts';

/**
 * The file's schema as JSON Schema (draft 2020-12), for editors: completion, descriptions on hover and
 * red lines while typing. It describes what is written (`500ms`), not what comes out (500).
 * config/meridian.schema.json is this, as text; a test fails when it is stale.
 */
export function configJsonSchema(): object {
  const schema = inputSchema(configFileSchema, (json) => {
    delete json['what'];
    delete json['hint'];
    delete json['secret'];
  });
  const { $schema, ...rest } = schema;
  return {
    $schema,
    title: 'Meridian configuration',
    description: 'See docs/CONFIG.md. `meridian check FILE` finds more than a schema can.',
    ...rest,
  };
}

/** Text of config/meridian.schema.json. */
export function configJsonSchemaText(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}

/** The JSON Schema of what is written, with the words of values.ts (`what`, `hint`) still in it. */
export function inputSchema(
  schema: z.ZodType,
  edit: (json: Record<string, unknown>) => void = () => {},
): Record<string, unknown> {
  return z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-2020-12',
    override: ({ jsonSchema }) => {
      const json = jsonSchema as Record<string, unknown>;
      // Limits that only say "a whole number" would hide those that say something.
      if (json['maximum'] === Number.MAX_SAFE_INTEGER) delete json['maximum'];
      if (json['minimum'] === Number.MIN_SAFE_INTEGER) delete json['minimum'];
      edit(json);
    },
  });
}
