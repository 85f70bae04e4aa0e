import { isMap as isYamlMap, parseDocument } from 'yaml';
import { type ConfigDocument, type Environment, readDocument } from './document.ts';
import { type ConfigPath, finding } from './issue.ts';

/**
 * One configuration from two texts: what all nodes of a service share (regions, monitors, pools,
 * policies, zones, the balancer), and what is this node's own (where it listens, how it finds the
 * others, who may administer it). Each section has one owner, so nothing is merged within one and a
 * problem is shown in the text that a person can mend.
 */
export type SharedText = {
  readonly text: string;
  /** Shown in messages in the place of a file's name. */
  readonly name: string;
};

/** Sections of the node's own file; in a shared text they are left aside. */
export const OWN_SECTIONS: readonly ConfigPath[] = [
  ['node'],
  ['dns', 'listeners'],
  ['store'],
  ['cluster'],
  ['admin'],
  ['log'],
];

/** The node's own sections of `ownText`, and all others of the shared text, with their places. */
export function mergeShared(
  ownText: string,
  shared: SharedText,
  environment: Environment,
): ConfigDocument {
  const own = readDocument(ownText, environment);
  if (!isMap(own.value)) return own;
  const common = named(readDocument(shared.text, environment), shared.name);
  if (common.value !== undefined && !isMap(common.value)) {
    const problem = finding([], 'the shared configuration is not a map of sections');
    return { ...common, value: undefined, findings: [problem] };
  }
  if (!isMap(common.value)) return common;
  const ownerOf = (path: ConfigPath): ConfigDocument => (isOwn(path) ? own : common);
  return {
    value: mergeValues(own.value, common.value),
    findings: [
      ...own.findings.filter(({ path }) => isOwn(path)),
      ...common.findings.filter(({ path }) => !isOwn(path)),
    ],
    locate: (path, at) => ownerOf(path).locate(path, at),
  };
}

/** True when this file wants everything but its own sections from what the nodes share. */
export function followsShared(ownText: string, environment: Environment): boolean {
  return valueAt(readDocument(ownText, environment).value, ['cluster', 'sharedConfig']) === true;
}

/**
 * The text as it may be shared: without the sections that are each node's own, which may hold secrets
 * and tokens; comments stay. Undefined when it is not YAML, or something else leans on such a section.
 */
export function withoutOwnSections(text: string): string | undefined {
  const document = parseDocument(text, { logLevel: 'silent' });
  if (document.errors.length > 0 || !isYamlMap(document.contents)) return undefined;
  try {
    for (const path of OWN_SECTIONS) if (document.hasIn(path)) document.deleteIn(path);
    const dns = document.get('dns');
    if (isYamlMap(dns) && dns.items.length === 0) document.delete('dns');
    return document.toString({ lineWidth: 0 });
  } catch {
    // An alias to what was taken away.
    return undefined;
  }
}

type Sections = Readonly<Record<string, unknown>>;

function mergeValues(own: Sections, common: Sections): Sections {
  const merged: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(common)) {
    if (!isOwn([name])) merged[name] = value;
  }
  for (const [name] of OWN_SECTIONS) {
    if (name !== 'dns' && Object.hasOwn(own, name!)) merged[name!] = own[name!];
  }
  const listeners = valueAt(own, ['dns', 'listeners']);
  const dns = merged['dns'] ?? {};
  if (!isMap(dns)) return merged;
  const { listeners: _, ...rest } = dns;
  const all = listeners === undefined ? rest : { ...rest, listeners };
  if (Object.keys(all).length > 0) merged['dns'] = all;
  else delete merged['dns'];
  return merged;
}

function isOwn(path: ConfigPath): boolean {
  return OWN_SECTIONS.some((section) => section.every((part, index) => path[index] === part));
}

function valueAt(value: unknown, path: ConfigPath): unknown {
  let at = value;
  for (const part of path) at = isMap(at) && Object.hasOwn(at, part) ? at[part] : undefined;
  return at;
}

function isMap(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The document, with its own name on every place. */
function named(document: ConfigDocument, file: string): ConfigDocument {
  return { ...document, locate: (path, at) => ({ ...document.locate(path, at), file }) };
}
