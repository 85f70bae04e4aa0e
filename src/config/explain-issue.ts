import type { z } from 'zod';
import { type ConfigPath, type Finding, finding } from './issue.ts';
import { didYouMean, nearestWord } from './spelling.ts';

/**
 * Turns zod's issues into sentences for the person who wrote the file. A schema knows its keys, its
 * words and its hint only while zod makes an issue (`errorMap` sees the schema, a finished issue does
 * not), so what is learnt there travels in the message, as JSON, and is read back here.
 */

const VALUE_LENGTH_SHOWN_MAX = 40;

type Learnt = {
  readonly message?: string;
  readonly hint?: string;
  /** The value is of another form altogether: this branch of a union was not meant. */
  readonly misfit?: boolean;
  /** Known keys of an object, for misspelt ones. */
  readonly keys?: readonly string[];
};
type RawIssue = z.core.$ZodRawIssue & {
  readonly schema?: z.core.$ZodType;
  readonly params?: { readonly said?: string };
  readonly keys?: readonly string[];
  readonly values?: readonly unknown[];
  readonly options?: readonly unknown[];
  readonly discriminator?: string;
};
/** What a schema says of itself: the noun for a value, and what to write. */
export type SchemaMeta = {
  readonly what?: string;
  readonly hint?: string;
  /** Values of this schema are not repeated in messages. */
  readonly secret?: boolean;
};

/** Makes the messages; hand it to every `safeParse` whose issues go to `explainIssues`. */
export function errorMapFor(metaOf: (schema: z.core.$ZodType) => SchemaMeta | undefined) {
  return (issue: z.core.$ZodRawIssue): string => {
    const raw = issue as RawIssue;
    const meta = (raw.schema && metaOf(raw.schema)) ?? {};
    return JSON.stringify(learn(raw, meta) satisfies Learnt);
  };
}

/**
 * Every issue as findings, of a union those of the branch that fits best, in the order of zod.
 * @param root the value that was judged
 */
export function explainIssues(
  issues: readonly z.core.$ZodIssue[],
  root: unknown,
): readonly Finding[] {
  const findings = issues
    .filter((issue) => !isLengthOfMisfit(issue, issues))
    .flatMap((issue) => explain(issue, [], root));
  return findings
    .filter((one) => !isEchoOfSlip(one, findings))
    .map(({ meant: _, ...rest }) => rest);
}

/** What is no list has no wrong number of entries besides. */
function isLengthOfMisfit(one: z.core.$ZodIssue, all: readonly z.core.$ZodIssue[]): boolean {
  if (one.code !== 'too_big' && one.code !== 'too_small') return false;
  const place = JSON.stringify(one.path);
  return all.some(({ code, path }) => code === 'invalid_type' && JSON.stringify(path) === place);
}

/** `meant` is the known key that a misspelt one stands for. */
type Explained = Finding & { readonly meant?: ConfigPath };

function explain(issue: z.core.$ZodIssue, above: ConfigPath, root: unknown): readonly Explained[] {
  const path: ConfigPath = [...above, ...(issue.path as ConfigPath)];
  const learnt = readBack(issue.message, () => valueAt(root, path));
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownKey(path, key, learnt));
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const words = wordsOf(issue.errors);
    if (words) {
      const message = `${show(valueAt(root, path))} is not known here`;
      return [finding(path, message, `one of: ${words.join(', ')}`)];
    }
    const branch = bestBranch(issue.errors);
    if (branch) return branch.flatMap((inner) => explain(inner, path, root));
  }
  if (issue.code === 'invalid_key') {
    const inner = readBack(issue.issues[0]?.message ?? '', () => path.at(-1));
    return [finding(path, inner.message ?? 'this name is not allowed', inner.hint, 'key')];
  }
  const message = learnt.message === MISSING ? `"${path.at(-1)}" ${MISSING}` : learnt.message;
  return [finding(path, message ?? 'is not valid', learnt.hint)];
}

function unknownKey(path: ConfigPath, key: string, learnt: Learnt): Explained {
  const keys = learnt.keys ?? [];
  const meant = nearestWord(key, keys);
  const found = finding([...path, key], `unknown key "${key}"`, didYouMean(key, keys), 'key');
  return meant === undefined ? found : { ...found, meant: [...path, meant] };
}

/** "port is missing" says nothing new beside "unknown key prot, did you mean port?". */
function isEchoOfSlip(one: Explained, all: readonly Explained[]): boolean {
  if (!one.message.endsWith(MISSING)) return false;
  const path = one.path.join('\u0000');
  return all.some(({ meant }) => meant?.join('\u0000') === path);
}

/**
 * The branch of a union that the value was meant for: the one that it fits in its outer form. Text that
 * is not one of some words still fits better than text where a map is wanted.
 */
function bestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly z.core.$ZodIssue[] | undefined {
  return branches.find((branch) => !branch.some(isMisfit));
}

/** The value has another outer form; of a union within: for all of its branches. */
function isMisfit(issue: z.core.$ZodIssue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_type') return true;
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    return issue.errors.every((branch) => branch.some(isMisfit));
  }
  return readBack(issue.message, () => undefined).misfit === true;
}

/** The words of a union that is nothing but a list of words. */
function wordsOf(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly string[] | undefined {
  const words = branches.map(([issue, ...more]) =>
    issue?.code === 'invalid_value' && issue.path.length === 0 && more.length === 0
      ? issue.values.map(String)
      : undefined,
  );
  return words.every((list) => list !== undefined) ? words.flat() : undefined;
}

const MISSING = 'is missing';

function learn(raw: RawIssue, meta: SchemaMeta): Learnt {
  const { hint } = meta;
  const shown = show(raw.input);
  switch (raw.code) {
    case 'invalid_type':
      return wrongType(raw, meta);
    case 'unrecognized_keys':
      return { keys: keysOf(raw.schema) };
    case 'invalid_value':
      return unknownWord(raw, (raw.values ?? []).map(String));
    case 'invalid_union':
      if (raw.discriminator !== undefined) return wrongKind(raw);
      if (raw.input === undefined) return { message: MISSING, ...withHint(hint) };
      return {
        message: `${shown} is not ${meta.what ?? 'of a form that fits here'}`,
        ...withHint(hint),
      };
    case 'invalid_format':
      return { message: `${shown} is not ${meta.what ?? 'in the right form'}`, ...withHint(hint) };
    case 'too_small':
    case 'too_big':
      return outOfRange(raw, meta);
    case 'not_multiple_of':
      return { message: `${shown} is not a multiple of ${String(raw['divisor'])}` };
    default:
      return other(raw, meta);
  }
}

function other(raw: RawIssue, meta: SchemaMeta): Learnt {
  const shown = meta.secret === true ? 'this value' : show(raw.input);
  const said = raw.params?.said ?? 'is not valid';
  return { message: `${shown} ${said}`, ...withHint(meta.hint) };
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

function wrongType(raw: RawIssue, meta: SchemaMeta): Learnt {
  if (raw.input === undefined) return { message: MISSING };
  if (raw.input === null) {
    return { message: 'has no value', hint: 'give it one, or remove the line' };
  }
  const expected = String(raw['expected']);
  const wanted = meta.what ?? TYPE_WORDS[expected] ?? expected;
  const found = meta.secret === true ? 'another kind of value' : show(raw.input);
  const scalar = typeof raw.input === 'number' || typeof raw.input === 'boolean';
  const quote = expected === 'string' && scalar ? 'put it in quotes' : undefined;
  return {
    message: `expected ${wanted}, found ${found}`,
    ...withHint(meta.hint ?? quote),
  };
}

function outOfRange(raw: RawIssue, meta: SchemaMeta): Learnt {
  const small = raw.code === 'too_small';
  const limit = String(small ? raw['minimum'] : raw['maximum']);
  const origin = String(raw['origin']);
  const bound = `${small ? 'at least' : 'at most'} ${limit}`;
  if (origin === 'string') {
    if (raw.input === '') return { message: 'is empty text', ...withHint(meta.hint) };
    return {
      message: `has ${String(raw.input).length} characters; it must have ${bound}`,
      ...withHint(meta.hint),
    };
  }
  if (origin === 'array' || origin === 'set' || origin === 'map') {
    const length = Array.isArray(raw.input) ? raw.input.length : 0;
    return { message: `has ${length} entries; it must have ${bound}`, ...withHint(meta.hint) };
  }
  return {
    message: `${show(raw.input)} is out of range: it must be ${bound}`,
    ...withHint(meta.hint),
  };
}

function unknownWord(raw: RawIssue, words: readonly string[]): Learnt {
  if (raw.input === undefined) return { message: MISSING, hint: `one of: ${words.join(', ')}` };
  const misfit = typeof raw.input !== 'string';
  const meant = nearestWord(String(raw.input), words);
  return {
    message: `${show(raw.input)} is not known here`,
    hint: meant === undefined ? `one of: ${words.join(', ')}` : `did you mean "${meant}"?`,
    misfit,
  };
}

/** The key that says which kind it is, is missing or unknown. */
function wrongKind(raw: RawIssue): Learnt {
  const kinds = (raw.options ?? []).map(String);
  const key = raw.discriminator!;
  // zod hands over the whole map; the issue's path already ends in the key.
  const kind = (raw.input as Record<string, unknown> | undefined)?.[key];
  if (kind === undefined) return { message: MISSING, hint: `one of: ${kinds.join(', ')}` };
  const meant = nearestWord(String(kind), kinds);
  return {
    message: `unknown ${key} ${show(kind)}`,
    hint: meant === undefined ? `one of: ${kinds.join(', ')}` : `did you mean "${meant}"?`,
  };
}

function withHint(hint: string | undefined): { readonly hint?: string } {
  return hint === undefined ? {} : { hint };
}

/** The keys that a strict object knows, or a record whose keys are words. */
function keysOf(schema: z.core.$ZodType | undefined): readonly string[] {
  const { keyType, shape } = (schema?._zod.def ?? {}) as {
    readonly keyType?: z.core.$ZodType;
    readonly shape?: object;
  };
  return shape ? Object.keys(shape) : [...(keyType?._zod.values ?? [])].map(String);
}

/** A value as it is named in a message: short, on one line. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a map';
  if (typeof value !== 'string') return String(value);
  const cut =
    value.length > VALUE_LENGTH_SHOWN_MAX ? `${value.slice(0, VALUE_LENGTH_SHOWN_MAX)}…` : value;
  return JSON.stringify(cut);
}

/**
 * A message that a schema fixed itself, as extensions may, is words and not JSON: what the value should
 * be ("a path that begins with /") or what is wrong with it ("holds a blank").
 */
function readBack(message: string, value: () => unknown): Learnt {
  if (message.startsWith('{')) {
    try {
      return JSON.parse(message) as Learnt;
    } catch {
      // Words that happen to begin with a brace.
    }
  }
  return { message: `${show(value())} ${/^an? /.test(message) ? 'is not ' : ''}${message}` };
}

function valueAt(root: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (at, part) =>
      typeof at === 'object' && at !== null
        ? (at as Record<string | number, unknown>)[part]
        : undefined,
    root,
  );
}
