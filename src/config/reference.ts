import { rdataTypes } from '../dns/rdata/registry.ts';
import { WITHOUT_MEANING } from './allowed-records.ts';
import { type Extension, extensions } from './extensions.ts';
import { inputSchema } from './json-schema.ts';
import { configFileSchema } from './schema.ts';

/**
 * The reference part of docs/CONFIG.md, made from the schema and the registries, so that the manual
 * cannot forget a key or a kind. What people need to know beyond it stands above the marker, by hand.
 */

/** Everything below this line in docs/CONFIG.md is generated. */
export const REFERENCE_MARKER =
  '<!-- Generated from the schema: edit src/config/schema.ts and the registries. -->';

/** The document with its reference part replaced; `current` may still be without one. */
export function withReference(current: string): string {
  const [written = ''] = current.split(REFERENCE_MARKER);
  return `${written.trimEnd()}\n\n${REFERENCE_MARKER}\n\n${configReference()}`;
}

/** Markdown: a table per section, then a section per kind of extension. */
export function configReference(): string {
  const root = inputSchema(configFileSchema) as Json;
  const sections = Object.entries(root.properties ?? {}).map(([key, schema]) => {
    const table = rows(schema, key);
    return `## \`${key}\`\n\n${schema.description}\n\n${tableOf(table)}`;
  });
  return `${[...sections, ...extensionSections(), recordSection()].join('\n\n')}\n`;
}

/** The part of JSON Schema that zod writes. */
type Json = {
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string;
  readonly what?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Json>>;
  readonly additionalProperties?: Json | false;
  readonly items?: Json;
  readonly anyOf?: readonly Json[];
  readonly oneOf?: readonly Json[];
};
type Row = {
  readonly key: string;
  readonly value: string;
  readonly fallback: string;
  readonly meaning: string;
};

/** The rows below a key: of its fields, of the entries of a map or list, of the map form of a union. */
function rows(schema: Json, path: string): readonly Row[] {
  if (schema.anyOf) return schema.anyOf.flatMap((branch) => rows(branch, path));
  if (schema.oneOf) return rows(commonFields(schema.oneOf), path);
  if (schema.items) return rows(schema.items, `${path}[]`);
  if (schema.additionalProperties) {
    return rows(schema.additionalProperties, `${path}.${placeholderBelow(path)}`);
  }
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const below = `${path}.${key}`;
    const required = schema.required?.includes(key) ?? false;
    return [rowOf(below, field, required), ...rows(field, below)];
  });
}

/** What the keys of a map stand for. */
function placeholderBelow(path: string): string {
  if (path === 'zones') return '<zone>';
  if (path.endsWith('.records') || path.endsWith('.steered')) return '<owner>';
  return path.endsWith('.<owner>') ? '<type>' : '<name>';
}

function rowOf(key: string, schema: Json, required: boolean): Row {
  const fallback = required ? '**required**' : showDefault(schema.default);
  return { key, value: describeValue(schema), fallback, meaning: schema.description ?? '' };
}

/** An empty map or list as a default says nothing that "optional" does not. */
function showDefault(value: unknown): string {
  const text = JSON.stringify(value);
  if (value === undefined || text === '{}' || text === '[]') return '';
  return `\`${typeof value === 'string' ? value : text}\``;
}

function describeValue(schema: Json): string {
  if (schema.enum) return schema.enum.map((word) => `\`${String(word)}\``).join(', ');
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.anyOf) return [...new Set(schema.anyOf.map(describeValue))].join(' or ');
  if (schema.oneOf) return 'a map';
  if (schema.items) return `a list (${describeValue(schema.items)})`;
  if (schema.what !== undefined && schema.type !== 'object') return schema.what;
  switch (schema.type) {
    case 'integer':
      return `a whole number${range(schema)}`;
    case 'number':
      return `a number${range(schema)}`;
    case 'boolean':
      return 'true or false';
    case 'object':
      return 'a map';
    default:
      return 'text';
  }
}

function range({ minimum, maximum }: Json): string {
  if (minimum !== undefined && maximum !== undefined) return `, ${minimum} to ${maximum}`;
  return minimum === undefined ? '' : `, at least ${minimum}`;
}

/** What every kind of an extension has; the kinds' own options have sections of their own. */
function commonFields(members: readonly Json[]): Json {
  const [first = {}] = members;
  const shared = Object.entries(first.properties ?? {}).filter(
    ([key, field]) =>
      field.const === undefined &&
      members.every((member) => member.properties?.[key] !== undefined),
  );
  const [discriminator] = Object.entries(first.properties ?? {}).find(
    ([, field]) => field.const !== undefined,
  ) ?? ['kind'];
  const kinds: Json = {
    enum: members.map((member) => member.properties?.[discriminator]?.const),
    description: 'The kind; each has options of its own, see below.',
  };
  const required = [discriminator, ...(first.required ?? [])];
  return {
    type: 'object',
    properties: { [discriminator]: kinds, ...Object.fromEntries(shared) },
    required,
  };
}

function extensionSections(): readonly string[] {
  const sections: readonly (readonly [string, string, readonly Extension[]])[] = [
    ['Steering steps', 'Written in `policies.<name>.chain`, as `step`.', extensions.steps],
    ['Monitor kinds', 'Written in `monitors.<name>`, as `kind`.', extensions.probes],
    [
      'Balancing algorithms',
      'Written in `balancer.upstreams.<name>.algorithm`, as `kind`.',
      extensions.algorithms,
    ],
    [
      'Filters',
      'Written in `balancer.listeners[].routes[].filters`, as `kind`.',
      extensions.filters,
    ],
    ['Stores', 'Written in `store`, as `kind`.', extensions.stores],
  ];
  return sections.map(([title, where, registry]) => {
    const kinds = registry.map((extension) => {
      const table = rows(inputSchema(extension.options) as Json, '').map((row) => ({
        ...row,
        key: row.key.slice(1),
      }));
      return `### \`${extension.kind}\`\n\n${sentence(extension.summary)}\n\n${tableOf(table)}`;
    });
    return `## ${title}\n\n${where}\n\n${kinds.join('\n\n')}`;
  });
}

function recordSection(): string {
  const lines = rdataTypes
    .filter(({ kind, type }) => kind !== 'SOA' && !WITHOUT_MEANING.has(type))
    .map(
      ({ kind, syntax, summary }) =>
        `| \`${kind}\` | \`${cell(syntax)}\` | ${cell(sentence(summary))} |`,
    );
  const head = '| Type | Data | Meaning |\n|---|---|---|';
  const other =
    'Any other type is written as `TYPE65280` with data in the form of RFC 3597: `\\# 3 abcdef`.';
  return `## Record types\n\nWritten in \`zones.<zone>.records.<owner>\`.\n\n${head}\n${lines.join('\n')}\n\n${other}`;
}

function tableOf(table: readonly Row[]): string {
  if (table.length === 0) return 'No options.';
  const head = '| Key | Value | Default | Meaning |\n|---|---|---|---|';
  const lines = table.map(
    ({ key, value, fallback, meaning }) =>
      `| \`${key}\` | ${cell(value)} | ${cell(fallback)} | ${cell(meaning)} |`,
  );
  return `${head}\n${lines.join('\n')}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** Summaries are written by many hands: a capital and a full stop. */
function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return capital.endsWith('.') ? capital : `${capital}.`;
}
