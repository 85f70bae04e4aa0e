import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openAdmin } from './admin-harness.ts';

type Operation = {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> };
  readonly responses: Record<string, { readonly content?: Record<string, unknown> }>;
};
type Document = {
  readonly openapi: string;
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
};

const SOURCES = new URL('../../src/admin/', import.meta.url);

/** `METHOD /path` of every route that the sources declare, so that a hidden one would show. */
function declaredRoutes(): string[] {
  const routes: string[] = [];
  for (const file of readdirSync(SOURCES)) {
    const text = readFileSync(new URL(file, SOURCES), 'utf8');
    for (const [, method, path] of text.matchAll(
      /server\.(get|post|patch|delete|put)\(\s*'([^']+)'/g,
    )) {
      routes.push(`${method} ${path!.replace('*', '{name}').replaceAll(/:(\w+)/g, '{$1}')}`);
    }
  }
  return [...routes, 'get /healthz', 'get /livez'].sort();
}

async function readDocument(t: Parameters<typeof openAdmin>[0]): Promise<Document> {
  const { call } = await openAdmin(t);
  return (await call('GET', '/openapi.json')).json<Document>();
}

test('the document lists every route, and no other', async (t) => {
  const document = await readDocument(t);
  const listed = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method} ${path}`),
  );
  assert.ok(listed.length > 20);
  assert.deepEqual(listed.sort(), declaredRoutes());
});

test('every operation says what it is, what it takes and what it answers', async (t) => {
  const document = await readDocument(t);
  assert.match(document.openapi, /^3\.1/);
  const tags = new Set(document.tags.map(({ name }) => name));
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const where = `${method} ${path}`;
      assert.ok(operation.summary, where);
      assert.ok(
        operation.tags?.every((tag) => tags.has(tag)),
        where,
      );
      if (method === 'post') assert.ok(operation.requestBody?.content['application/json'], where);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const parameters = (operation.parameters ?? []).filter(
        (parameter) => parameter.in === 'path',
      );
      assert.deepEqual(
        parameters.map(({ name }) => name),
        inPath,
        where,
      );
      if (path === '/openapi.json') continue;
      assert.ok(operation.responses['default']?.content?.['application/problem+json'], where);
    }
  }
});

test('every reference resolves, and every schema is used', async (t) => {
  const document = await readDocument(t);
  const references = new Set(
    [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference!),
  );
  assert.ok(references.size > 10);
  const known = Object.keys(document.components.schemas).map((id) => `#/components/schemas/${id}`);
  assert.deepEqual([...references].sort(), known.sort());
});

test('the document asks for a token exactly when the API does', async (t) => {
  const open = await openAdmin(t);
  const guarded = await openAdmin(t, { tokens: ['a-token-of-some-length'] });
  const securityOf = async ({ call }: typeof open) =>
    (await call('GET', '/openapi.json')).json<{ security: unknown[] }>().security;
  assert.deepEqual(await securityOf(open), []);
  assert.deepEqual(await securityOf(guarded), [{ token: [] }]);
});
