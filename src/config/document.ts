import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
} from 'yaml';
import { type ConfigPath, type Finding, finding } from './issue.ts';
import { substitute } from './substitution.ts';
import { explainSyntax, type SyntaxProblem } from './yaml-syntax.ts';

/**
 * YAML text (JSON is YAML) as plain values, with the place of every key and value kept beside them in a
 * tree of the same shape. The library's own conversion is not used: it forgets positions, takes
 * duplicate keys in quadratic time and follows aliases before anyone can count them.
 */

/** The largest file that is read, in UTF-16 units. Zones larger than this are not written by hand. */
export const CONFIG_LENGTH_MAX = 4 * 1024 * 1024;
/** Collections inside collections; the deepest useful path has about ten. */
export const CONFIG_DEPTH_MAX = 40;
/** Values that aliases may add up to, so that a few nested aliases cannot fill the memory. */
export const ALIAS_VALUES_MAX = 50_000;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where an entry begins, as offsets into the text; `key` is absent in lists and at the root. */
export type Place = {
  readonly value: number;
  readonly key?: number;
  readonly children?: ReadonlyMap<string | number, Place>;
};

export type ConfigDocument = {
  readonly value: unknown;
  readonly findings: readonly Finding[];
  /** Where the deepest entry on the path is that exists. */
  locate(path: ConfigPath, at: 'key' | 'value'): Position;
};

export type Position = {
  readonly line: number;
  readonly column: number;
  /** In a document of several texts: which one, unless it is the file itself. */
  readonly file?: string;
};

/** Reads the text. Syntax errors carry their own position, as a path that `locate` understands. */
export function readDocument(text: string, environment: Environment): ConfigDocument {
  if (text.length > CONFIG_LENGTH_MAX) {
    const message = `the file has ${text.length} characters; the limit is ${CONFIG_LENGTH_MAX}`;
    return failed([finding([], message, 'move large zones to their own nodes')]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
  });
  const problems = [...document.errors, ...document.warnings];
  if (problems.some(({ code }) => code === 'RESOURCE_EXHAUSTION')) return failed([TOO_DEEP]);
  if (problems.length > 0) return syntaxErrors(problems, lines);
  if (
    document.contents === null ||
    (isScalar(document.contents) && document.contents.value === null)
  ) {
    return failed([finding([], 'the file is empty', 'start from config/quickstart.yaml')]);
  }
  const reader = createReader(environment, (alias) => alias.resolve(document));
  const { value, place } = reader.read(document.contents as Node, [], undefined);
  return { value, findings: reader.findings, locate: (path, at) => locate(lines, place, path, at) };
}

type Read = { readonly value: unknown; readonly place: Place };

function createReader(environment: Environment, resolve: (alias: Alias) => Node | undefined) {
  const findings: Finding[] = [];
  let aliasValues = 0;
  let insideAlias = 0;
  let overflowed = false;

  function read(node: Node | null, path: ConfigPath, key: number | undefined): Read {
    const start = node?.range?.[0] ?? key ?? 0;
    const place = (children?: ReadonlyMap<string | number, Place>): Place => ({
      value: start,
      ...(key === undefined ? {} : { key }),
      ...(children ? { children } : {}),
    });
    if (insideAlias > 0 && ++aliasValues > ALIAS_VALUES_MAX) {
      if (!overflowed)
        findings.push(finding(path, `aliases expand to more than ${ALIAS_VALUES_MAX} values`));
      overflowed = true;
      return { value: undefined, place: place() };
    }
    if (path.length > CONFIG_DEPTH_MAX) {
      findings.push(finding(path.slice(0, 3), `nested deeper than ${CONFIG_DEPTH_MAX} levels`));
      return { value: undefined, place: place() };
    }
    if (isAlias(node)) {
      const target = resolve(node);
      insideAlias++;
      const result = target && !overflowed ? read(target, path, key) : undefined;
      insideAlias--;
      return { value: result?.value, place: place(result?.place.children) };
    }
    if (isMap(node)) return readMap(node.items as Pair<Node, Node | null>[], path, place);
    if (isSeq(node)) {
      const children = new Map<string | number, Place>();
      const value = (node.items as Node[]).map((item, index) => {
        const entry = read(item, [...path, index], undefined);
        children.set(index, entry.place);
        return entry.value;
      });
      return { value, place: place(children) };
    }
    return { value: readScalar(node, path), place: place() };
  }

  function readMap(
    pairs: readonly Pair<Node, Node | null>[],
    path: ConfigPath,
    place: (children: ReadonlyMap<string | number, Place>) => Place,
  ): Read {
    const value: Record<string, unknown> = {};
    const children = new Map<string | number, Place>();
    for (const pair of pairs) {
      const keyStart = pair.key?.range?.[0];
      const name = keyName(pair.key);
      const problem = keyProblem(name, children);
      if (name === undefined || problem) {
        const [message, hint] = problem ?? [
          'a key must be plain text',
          'quote it if it starts with * or &',
        ];
        const at: ConfigPath = [...path, `${name ?? '?'}${REFUSED_KEY}${keyStart ?? 0}`];
        children.set(at.at(-1)!, { value: keyStart ?? 0 });
        findings.push(finding(at, message, hint, 'key'));
        continue;
      }
      const entry = read(pair.value, [...path, name], keyStart);
      children.set(name, entry.place);
      value[name] = entry.value;
    }
    return { value, place: place(children) };
  }

  function readScalar(node: Node | null, path: ConfigPath): unknown {
    if (!isScalar(node)) return null;
    if (typeof node.value !== 'string' || !node.value.includes('$')) return plain(node.value);
    const result = substitute(node.value, environment);
    for (const name of result.missing) {
      const hint = `set it, or write \${${name}:-default}`;
      findings.push(finding(path, `the environment variable ${name} is not set`, hint));
    }
    if (result.malformed)
      findings.push(
        finding(path, 'a "$" and "{" without their "}"', 'write "$$" for a dollar sign'),
      );
    return node.type === 'PLAIN' && result.text !== node.value ? retype(result.text) : result.text;
  }

  return { read, findings };
}

/**
 * Marks a refused key in a path, since the same name may be there rightly too; a NUL cannot come from
 * text, and `visiblePath` cuts it off again.
 */
const REFUSED_KEY = '\u0000';

/** The path as people wrote it. */
export function visiblePath(path: ConfigPath): ConfigPath {
  return path.flatMap((part) => {
    if (typeof part === 'number' || !part.includes(REFUSED_KEY)) return part;
    const [written] = part.split(REFUSED_KEY);
    return written === '' ? [] : written!;
  });
}

function keyName(key: Node | null): string | undefined {
  if (!isScalar(key)) return undefined;
  const { value } = key;
  if (typeof value === 'string') return value;
  // `1: x` and `on: x` are written without thinking of types: the key is what was written.
  if (typeof value === 'number' || typeof value === 'boolean') return key.source ?? String(value);
  return undefined;
}

function keyProblem(
  name: string | undefined,
  seen: ReadonlyMap<string | number, Place>,
): readonly [string, string] | undefined {
  if (name === undefined) return undefined;
  if (name === '<<') {
    return ['merge keys are not supported', 'repeat the keys, or alias the whole value'];
  }
  if (name === '__proto__' || name.includes('\u0000')) {
    return ['this key is not allowed', 'rename it'];
  }
  if (seen.has(name)) return [`the key "${name}" is there twice`, 'keep one of the two'];
  return undefined;
}

function plain(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

/** An unquoted value gets its type after substitution, so that `port: ${PORT}` is a number. */
function retype(text: string): unknown {
  if (/^[-+]?[0-9]+(\.[0-9]+)?$/.test(text)) return Number(text);
  if (text === 'true' || text === 'false') return text === 'true';
  return text;
}

function locate(lines: LineCounter, root: Place, path: ConfigPath, at: 'key' | 'value') {
  let place = root;
  let missing = false;
  for (const part of path) {
    const child = place.children?.get(part);
    if (!child) {
      missing = true;
      break;
    }
    place = child;
  }
  const offset = at === 'key' || missing ? (place.key ?? place.value) : place.value;
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function failed(findings: readonly Finding[]): ConfigDocument {
  return { value: undefined, findings, locate: () => ({ line: 1, column: 1 }) };
}

function syntaxErrors(problems: readonly SyntaxProblem[], lines: LineCounter): ConfigDocument {
  const children = new Map<string, Place>();
  const findings = explainSyntax(problems, lines).map(({ at, hint, message }, index) => {
    const path = `${REFUSED_KEY}${index}`;
    children.set(path, { value: at });
    return finding([path], message, hint);
  });
  const root = { value: 0, children };
  return { value: undefined, findings, locate: (path, at) => locate(lines, root, path, at) };
}

const TOO_DEEP = finding([], 'nested too deeply to be read');
