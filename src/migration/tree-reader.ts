import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
} from 'yaml';
import { CONFIG_DEPTH_MAX, CONFIG_LENGTH_MAX } from '../config/document.ts';
import { explainSyntax } from '../config/yaml-syntax.ts';
import type { Notes, Place } from './notes.ts';
import type { Tree, TreeEntry, TreeMap } from './tree.ts';

/**
 * YAML as other programs read it: with merge keys and, where their files have them, `!include` of other files, which
 * are looked for beside the file that names them. Each value keeps the place where it stands, in whichever file.
 */

/** The text of a file, or why there is none. */
export type TextFiles = (path: string) => { readonly text: string } | { readonly message: string };

/** Values that one file may come to with all that it includes, so that a few nested ones cannot fill the memory. */
export const TREE_VALUES_MAX = 1_000_000;

const INCLUDE = '!include';
const INCLUDE_TAGS = [
  { tag: INCLUDE, resolve: (text: string) => text },
  { tag: INCLUDE, collection: 'seq' as const },
];

/** Undefined when the text is no YAML; an empty file is `nothing`. */
export function readTree(file: string, files: TextFiles, notes: Notes): Tree | undefined {
  const reader = createReader(files, notes);
  return reader.readFile(file, { file, line: 1, column: 1 }, [], 0);
}

type Source = {
  readonly file: string;
  readonly root: Node | null;
  readonly placeOf: (offset: number) => Place;
  /** What aliases stand for. */
  readonly targets: ReadonlyMap<Node, Node>;
};

/** Where a value is: its file, the files that include it, and how deep it is in all of them. */
type Context = {
  readonly source: Source;
  readonly above: readonly string[];
  readonly depth: number;
};

function createReader(files: TextFiles, notes: Notes) {
  const sourceOf = createSources(files, notes);
  let values = 0;

  function readFile(
    file: string,
    from: Place,
    above: readonly string[],
    depth: number,
  ): Tree | undefined {
    if (above.includes(file)) {
      notes.error(from, `${file} includes itself: ${[...above, file].join(' → ')}`);
      return undefined;
    }
    const source = sourceOf(file, from);
    if (source === undefined) return undefined;
    const context = { source, above: [...above, file], depth };
    return source.root === null
      ? { kind: 'nothing', at: source.placeOf(0) }
      : read(source.root, context);
  }

  function read(node: Node | null, context: Context, key = 0): Tree {
    const { depth, source } = context;
    const at = source.placeOf(node?.range?.[0] ?? key);
    const nothing: Tree = { kind: 'nothing', at };
    values += 1;
    if (values === TREE_VALUES_MAX) {
      notes.error(at, `the file comes to more than ${TREE_VALUES_MAX} values`);
    }
    if (values >= TREE_VALUES_MAX || node === null) return nothing;
    if (depth > CONFIG_DEPTH_MAX) {
      notes.error(at, `nested deeper than ${CONFIG_DEPTH_MAX} levels`);
      return nothing;
    }
    const inside = { ...context, depth: depth + 1 };
    if (isAlias(node)) return read(source.targets.get(node) ?? null, inside, key);
    if (node.tag === INCLUDE) return include(node, at, context);
    if (isMap(node)) return readMap(node.items as Pair<Node, Node | null>[], at, inside);
    if (isSeq(node)) {
      const items = (node.items as (Node | null)[]).map((item) => read(item, inside));
      return { kind: 'list', at, items };
    }
    const text = isScalar(node) ? scalarText(node) : undefined;
    return text === undefined ? nothing : { kind: 'text', at, text };
  }

  function readMap(
    pairs: readonly Pair<Node, Node | null>[],
    at: Place,
    context: Context,
  ): TreeMap {
    const own = new Map<string, TreeEntry>();
    let merged = new Map<string, TreeEntry>();
    for (const { key, value } of pairs) {
      const offset = key?.range?.[0] ?? 0;
      const place = context.source.placeOf(offset);
      const name = keyName(key, place, notes);
      if (name === undefined) continue;
      if (name === '<<' && isPlain(key)) {
        const more = mergedEntries(read(value, context, offset), notes);
        merged = new Map([...merged, ...more]);
      } else if (own.has(name)) {
        notes.error(place, `the key "${name}" is there twice`, 'keep one of the two');
      } else own.set(name, { key: place, value: read(value, context, offset) });
    }
    for (const [name, entry] of own) merged.set(name, entry);
    return { kind: 'map', at, entries: merged };
  }

  function include(node: Node, at: Place, { above, depth, source }: Context): Tree {
    const paths = isSeq(node) ? (node.items as (Node | null)[]) : [node];
    const included = paths.flatMap((item): readonly Tree[] => {
      const path = isScalar(item) ? scalarText(item) : undefined;
      const place = source.placeOf(item?.range?.[0] ?? 0);
      if (path !== undefined && path !== '') {
        const tree = readFile(besides(source.file, path), place, above, depth + 1);
        return tree === undefined ? [] : [tree];
      }
      notes.error(place, '!include wants the name of a file, or a list of them');
      return [];
    });
    const [first, ...others] = included;
    if (first === undefined) return { kind: 'nothing', at };
    return others.length === 0 ? first : joined(first, others, notes);
  }

  return { readFile };
}

/** Opens each file once, however often it is included. */
function createSources(files: TextFiles, notes: Notes) {
  const sources = new Map<string, Source | undefined>();
  return (file: string, from: Place): Source | undefined => {
    if (!sources.has(file)) sources.set(file, openSource(file, files, from, notes));
    return sources.get(file);
  };
}

function openSource(file: string, files: TextFiles, from: Place, notes: Notes): Source | undefined {
  const found = files(file);
  if ('message' in found) {
    notes.error(from, `${file} cannot be read: ${found.message}`);
    return undefined;
  }
  const { text } = found;
  if (text.length > CONFIG_LENGTH_MAX) {
    const message = `${file} has ${text.length} characters; the limit is ${CONFIG_LENGTH_MAX}`;
    notes.error(from, message);
    return undefined;
  }
  const lines = new LineCounter();
  const placeOf = (offset: number): Place => {
    const { col, line } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const document = parseDocument(text, {
    ...{ lineCounter: lines, prettyErrors: false, uniqueKeys: false },
    customTags: INCLUDE_TAGS,
  });
  const problems = [...document.errors, ...document.warnings];
  if (problems.some(({ code }) => code === 'RESOURCE_EXHAUSTION')) {
    notes.error(placeOf(0), 'nested too deeply to be read');
    return undefined;
  }
  for (const { at, hint, message } of explainSyntax(problems, lines)) {
    notes.error(placeOf(at), message, hint);
  }
  if (problems.length > 0) return undefined;
  const root = document.contents as Node | null;
  return { file, root, placeOf, targets: aliasTargets(document) };
}

/** The library looks through the whole document for each alias: with many of them that takes for ever. */
function aliasTargets(document: Document): ReadonlyMap<Node, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Node, Node>();
  visit(document, {
    Node(_, node) {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
    Alias(_, node) {
      const target = anchors.get(node.source);
      if (target !== undefined) targets.set(node, target);
    },
  });
  return targets;
}

/** As it was written: a number keeps its zeros. Undefined for what says nothing. */
function scalarText(node: Node | null): string | undefined {
  if (!isScalar(node) || node.value === null) return undefined;
  if (typeof node.value === 'string') return node.value;
  return node.source ?? String(node.value);
}

const isPlain = (node: Node | null): boolean => isScalar(node) && node.type === 'PLAIN';

/** Words that YAML 1.1 takes for true and false. */
const TRUTHS = /^(yes|no|on|off|true|false)$/i;

/** The text of a key; warned of where readers of other versions of YAML see a number or a truth in it. */
function keyName(key: Node | null, at: Place, notes: Notes): string | undefined {
  const name = isScalar(key) ? scalarText(key) : undefined;
  if (name === undefined || !isScalar(key)) {
    notes.error(at, 'a key must be plain text', 'quote it');
    return undefined;
  }
  const isOther = typeof key.value === 'number' && String(key.value) !== name;
  if (isPlain(key) && (isOther || TRUTHS.test(name))) {
    const message = `the key ${name} is not quoted, so other programs may read something else; here it is the name "${name}"`;
    notes.warn(at, message, `quote it: '${name}'`);
  }
  return name;
}

/** What a merge key brings: of several maps the first that has a key. */
function mergedEntries(tree: Tree, notes: Notes): ReadonlyMap<string, TreeEntry> {
  if (tree.kind === 'nothing') return new Map();
  const maps = tree.kind === 'list' ? tree.items : [tree];
  const entries = new Map<string, TreeEntry>();
  for (const map of maps) {
    if (map.kind !== 'map') notes.error(map.at, 'only maps can be merged by "<<"');
    else for (const [name, entry] of map.entries) if (!entries.has(name)) entries.set(name, entry);
  }
  return entries;
}

/** Several included files as one: of maps the last that has a key, of lists all items. */
function joined(first: Tree, others: readonly Tree[], notes: Notes): Tree {
  const odd = others.find(({ kind }) => kind !== first.kind);
  if (odd !== undefined || (first.kind !== 'map' && first.kind !== 'list')) {
    const hint = 'files that are included together are all maps, or all lists';
    notes.error((odd ?? first).at, 'cannot be joined with the other files', hint);
    return first;
  }
  if (first.kind === 'list') {
    const lists = [first, ...others].flatMap((tree) => (tree.kind === 'list' ? tree.items : []));
    return { ...first, items: lists };
  }
  const maps = [first, ...others].flatMap((tree) => (tree.kind === 'map' ? [...tree.entries] : []));
  return { ...first, entries: new Map(maps) };
}

/** The path of a file that another one names. */
function besides(file: string, path: string): string {
  return path.startsWith('/') ? path : file.slice(0, file.lastIndexOf('/') + 1) + path;
}
