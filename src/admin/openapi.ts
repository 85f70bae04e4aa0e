import swagger from '@fastify/swagger';
import {
  createJsonSchemaTransform,
  createJsonSchemaTransformObject,
} from 'fastify-type-provider-zod';
import { z } from 'zod';
import { apiSchemas } from './schema.ts';
import type { AdminServer } from './server.ts';

/** `/openapi.json`: the description of every route, made from the schemas that check it. */
export async function addOpenApi(
  server: AdminServer,
  options: { readonly version: string; readonly tokenRequired: boolean },
): Promise<void> {
  const complete = createJsonSchemaTransformObject({ schemaRegistry: apiSchemas });
  // The plug-in's types of a document are too wide (Swagger 2 too) to be changed without a cast.
  const finish = (document: ReturnType<typeof complete>) =>
    withNamedWildcards(withoutUnusedSchemas(document as OpenApiDocument)) as typeof document;
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Meridian admin API',
        description: 'Everything that the CLI and the page do, they do through this API.',
        version: options.version,
      },
      tags: TAGS.map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'One of admin.tokens' },
        },
      },
      security: options.tokenRequired ? [{ token: [] }] : [],
    },
    transform: createJsonSchemaTransform({ schemaRegistry: apiSchemas }),
    transformObject: (document) => finish(complete(document)),
  });
  server.get(
    '/openapi.json',
    {
      schema: {
        tags: ['health'],
        summary: 'This document',
        security: [],
        response: { 200: z.unknown().describe('OpenAPI 3.1') },
      },
    },
    async () => server.swagger(),
  );
}

/** The part of the document that is touched here; the rest passes through. */
type OpenApiDocument = {
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> };
  readonly paths?: Readonly<Record<string, unknown>>;
};

/** A wildcard at a route's end (a name that may contain slashes) is an ordinary parameter to readers. */
function withNamedWildcards(document: OpenApiDocument): OpenApiDocument {
  const paths = Object.entries(document.paths ?? {}).map(([path, item]) => [
    path.replace('{*}', '{name}'),
    JSON.parse(JSON.stringify(item), (key, value) =>
      key === 'name' && value === '*' ? 'name' : value,
    ),
  ]);
  return { ...document, paths: Object.fromEntries(paths) };
}

/** Every schema is offered in an input and an output form; those that no route reaches are noise. */
function withoutUnusedSchemas(document: OpenApiDocument): OpenApiDocument {
  const { schemas = {}, ...components } = document.components ?? {};
  const used = new Map<string, unknown>();
  const visit = (value: unknown): void => {
    const references = JSON.stringify(value ?? {}).matchAll(/"#\/components\/schemas\/([^"]+)"/g);
    for (const [, id] of references) {
      if (id === undefined || used.has(id)) continue;
      used.set(id, schemas[id]);
      visit(schemas[id]);
    }
  };
  visit(document.paths);
  return { ...document, components: { ...components, schemas: Object.fromEntries(used) } };
}

const TAGS: readonly (readonly [name: string, description: string])[] = [
  ['health', 'Is the node alive, ready, well?'],
  ['regions', 'What DNS steers to, and what operators do to it'],
  ['capacity', 'What regions have by plan, and what others know of their load'],
  ['nodes', 'The other nodes, the store, the time they agree on'],
  ['pools', 'The endpoints that a name chooses among'],
  ['zones', 'What the nameserver is authoritative for'],
  ['balancers', "The local balancer's upstreams"],
  ['explain', 'Why a client gets its answer'],
  ['overrides', "An operator's word over health"],
  ['drills', 'Rehearsed failures'],
  ['events', 'What changed and when'],
  ['config', 'The configuration in force'],
];
