/**
 * Master files (RFC 1035 5, RFC 2308 4): text -> records with the places where they are written, and all
 * that is wrong with them. Reads $ORIGIN, $TTL, $INCLUDE and BIND's $GENERATE, parentheses, escapes,
 * unknown types and classes by number (RFC 3597 5), TTLs with units. What an include says comes from
 * the caller, who decides which files there are: nothing here opens one.
 */
import { generate } from './generate.ts';
import { parseName } from './name.ts';
import { readRdata } from './rdata/registry.ts';
import { readEntry, type Token } from './token.ts';
import { parseTtl, TTL_SECONDS_MAX } from './ttl.ts';
import { typeNumber } from './type-names.ts';

/** Includes inside includes; a file that includes itself ends there. */
export const INCLUDE_DEPTH_MAX = 8;
/** More problems than this help nobody. */
export const ZONE_FILE_PROBLEMS_MAX = 100;

/** A file's text and the name that messages call it by. */
export type ZoneText = {
  readonly name: string;
  readonly text: string;
  /** The octets, when all of them are ASCII. */
  readonly ascii?: Uint8Array;
};
/** Index `at` of the text of a file. */
export type ZonePlace = { readonly file: ZoneText; readonly at: number };

export type ZoneFileRecord = ZonePlace & {
  /** Wire form, in the case that was written. */
  readonly owner: Uint8Array;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly rdata: Uint8Array;
};
/** A record of a kind that only the caller knows; its fields are as they stand. */
export type ZoneFileExtension = ZonePlace & {
  readonly kind: string;
  readonly owner: Uint8Array;
  /** As written; undefined when it was left out. */
  readonly ttlSeconds: number | undefined;
  readonly tokens: readonly Token[];
};
export type ZoneFileProblem = ZonePlace & { readonly message: string; readonly hint?: string };

export type ZoneFile = {
  readonly records: readonly ZoneFileRecord[];
  readonly extensions: readonly ZoneFileExtension[];
  readonly problems: readonly ZoneFileProblem[];
};

export type ZoneFileOptions = {
  /** Completes relative names until the first $ORIGIN. */
  readonly origin: Uint8Array;
  /** What $INCLUDE means: the text, or why there is none. */
  include(path: string, from: ZoneText): ZoneText | { readonly message: string };
  /** Upper-case types that are no DNS types. */
  readonly extensions?: ReadonlySet<string>;
};

/** Reads a file with all that it includes. */
export function readZoneFile(file: ZoneText, options: ZoneFileOptions): ZoneFile {
  const reading: Reading = {
    options,
    records: [],
    extensions: [],
    problems: [],
    ttlDefault: undefined,
    ttlBefore: undefined,
  };
  readText(reading, { file, origin: options.origin, owner: undefined, depth: 0 });
  return reading;
}

/** Line and column of a place, both from 1, columns in UTF-16 units. */
export function lineOf({ at, file }: ZonePlace): {
  readonly line: number;
  readonly column: number;
} {
  let line = 1;
  let start = 0;
  for (let end = file.text.indexOf('\n'); end >= 0 && end < at; ) {
    line += 1;
    start = end + 1;
    end = file.text.indexOf('\n', start);
  }
  return { line, column: at - start + 1 };
}

type Reading = {
  readonly options: ZoneFileOptions;
  readonly records: ZoneFileRecord[];
  readonly extensions: ZoneFileExtension[];
  readonly problems: ZoneFileProblem[];
  /** Of $TTL. */
  ttlDefault: number | undefined;
  /** Of the record before (RFC 1035 5.1: "omitted values default to the last stated"). */
  ttlBefore: number | undefined;
};

/** What one file changes for itself only. */
type Scope = {
  readonly file: ZoneText;
  origin: Uint8Array;
  /** Of the record before. */
  owner: Uint8Array | undefined;
  readonly depth: number;
};

function readText(reading: Reading, scope: Scope): void {
  const { file } = scope;
  const { text } = file;
  for (let index = 0; index < text.length && !isFull(reading); ) {
    const entry = readEntry(text, index);
    if ('message' in entry) {
      reading.problems.push({ file, ...entry });
      const lineEnd = text.indexOf('\n', entry.at);
      index = lineEnd < 0 ? text.length : lineEnd + 1;
      continue;
    }
    index = entry.next;
    const [first] = entry.tokens;
    if (first === undefined) continue;
    const isDirective = !entry.startsBlank && !first.quoted && first.text.startsWith('$');
    const fault = isDirective
      ? readDirective(reading, scope, entry.tokens)
      : readRecord(reading, scope, entry.tokens, entry.startsBlank);
    if (fault !== undefined) reading.problems.push({ file, ...fault });
  }
}

const isFull = ({ problems }: Reading): boolean => problems.length >= ZONE_FILE_PROBLEMS_MAX;

/** What is wrong with an entry; undefined = nothing. */
type Fault = Omit<ZoneFileProblem, 'file'> | undefined;

function faultAt({ at }: Token, message: string, hint?: string): Fault {
  return hint === undefined ? { at, message } : { at, message, hint };
}

function readDirective(reading: Reading, scope: Scope, tokens: readonly Token[]): Fault {
  const [directive, ...rest] = tokens as readonly [Token, ...Token[]];
  switch (directive.text.toUpperCase()) {
    case '$ORIGIN': {
      const origin = rest.length === 1 ? parseName(rest[0]!.text, scope.origin) : undefined;
      if (origin === undefined) {
        return faultAt(directive, '$ORIGIN needs one name', '$ORIGIN example.com.');
      }
      scope.origin = origin;
      return undefined;
    }
    case '$TTL': {
      const ttl = rest.length === 1 ? parseTtl(rest[0]!.text) : undefined;
      if (ttl === undefined) {
        return faultAt(directive, '$TTL needs a number of seconds', '$TTL 3600 or $TTL 1h');
      }
      reading.ttlDefault = ttl;
      return undefined;
    }
    case '$INCLUDE':
      return readInclude(reading, scope, directive, rest);
    case '$GENERATE':
      return readGenerate(reading, scope, directive, rest);
    default: {
      const hint = 'known: $ORIGIN, $TTL, $INCLUDE, $GENERATE';
      return faultAt(directive, `unknown directive ${directive.text}`, hint);
    }
  }
}

/** A file in a file; its $ORIGIN ends with it (RFC 1035 5.1), its owner too. */
function readInclude(
  reading: Reading,
  scope: Scope,
  directive: Token,
  [path, origin, ...more]: readonly Token[],
): Fault {
  const inner = origin === undefined ? scope.origin : parseName(origin.text, scope.origin);
  if (path === undefined || more.length > 0 || inner === undefined) {
    const hint = '$INCLUDE hosts.zone, or $INCLUDE hosts.zone sub.example.com.';
    return faultAt(directive, '$INCLUDE needs a file, and may have an origin', hint);
  }
  if (scope.depth === INCLUDE_DEPTH_MAX) {
    const message = `more than ${INCLUDE_DEPTH_MAX} includes inside each other`;
    return faultAt(directive, message, 'does a file include itself?');
  }
  const included = reading.options.include(path.text, scope.file);
  if ('message' in included) return faultAt(path, included.message);
  readText(reading, { file: included, origin: inner, owner: scope.owner, depth: scope.depth + 1 });
  return undefined;
}

function readGenerate(
  reading: Reading,
  scope: Scope,
  directive: Token,
  rest: readonly Token[],
): Fault {
  let first: Fault;
  const problem = generate(rest, (record) => {
    first ??= readRecord(reading, scope, record, false);
  });
  // What is wrong with one record is mostly wrong with all.
  if (problem === undefined) return first;
  return faultAt(directive, problem, '$GENERATE 1-10 host$ A 192.0.2.$');
}

/** `[owner] [TTL] [class] type data`, TTL and class in either order (RFC 1035 5.1). */
function readRecord(
  reading: Reading,
  scope: Scope,
  tokens: readonly Token[],
  inheritsOwner: boolean,
): Fault {
  const [first] = tokens as readonly [Token, ...Token[]];
  if (!inheritsOwner) {
    // What follows a broken owner must not be taken for its predecessor's.
    scope.owner = first.quoted ? undefined : parseName(first.text, scope.origin);
    if (scope.owner === undefined) {
      const hint = 'labels have 1 to 63 octets, a name at most 255';
      return faultAt(first, `the owner "${first.text}" is not a valid name`, hint);
    }
  }
  const { owner } = scope;
  if (owner === undefined) {
    const hint = 'a line that begins with a blank continues the owner before it';
    return faultAt(first, 'there is no owner', hint);
  }
  const head = readHead(tokens, inheritsOwner ? 0 : 1);
  if ('fault' in head) return head.fault;
  const type = tokens[head.next];
  if (type === undefined) return faultAt(tokens.at(-1)!, 'there is no record type');
  const data = tokens.slice(head.next + 1);
  const place = { file: scope.file, at: first.at };
  const kind = type.text.toUpperCase();
  if (reading.options.extensions?.has(kind) === true) {
    reading.extensions.push({ ...place, kind, owner, ttlSeconds: head.ttl, tokens: data });
    return undefined;
  }
  const number = type.quoted ? undefined : typeNumber(type.text);
  if (number === undefined) return faultAt(type, `unknown record type "${type.text}"`);
  const result = readRdata(number, data, scope.origin);
  if (!result.ok) return faultAt(data[result.field ?? 0] ?? type, result.message, result.hint);
  const ttlSeconds = head.ttl ?? reading.ttlDefault ?? reading.ttlBefore ?? ownTtl(number, result);
  if (ttlSeconds === undefined) {
    return faultAt(type, 'this record has no TTL', 'begin the file with $TTL 3600');
  }
  reading.ttlBefore = ttlSeconds;
  reading.records.push({ ...place, owner, type: number, ttlSeconds, rdata: result.rdata });
  return undefined;
}

const TYPE_SOA = 6;

/** A SOA without any TTL has its MINIMUM, which meant that before $TTL did (RFC 2308 4). */
function ownTtl(type: number, { rdata }: { readonly rdata: Uint8Array }): number | undefined {
  if (type !== TYPE_SOA) return undefined;
  return new DataView(rdata.buffer, rdata.byteOffset + rdata.length - 4, 4).getUint32(0);
}

/** The TTL, when there is one, and the index of the type. */
type Head = { readonly ttl: number | undefined; readonly next: number };

/** Reads what stands between owner and type. */
function readHead(tokens: readonly Token[], from: number): Head | { readonly fault: Fault } {
  let ttl: number | undefined;
  let hasClass = false;
  for (let next = from; ; next += 1) {
    const token = tokens[next];
    const text = token?.quoted === false ? token.text : '';
    if (/^[0-9]/.test(text) && ttl === undefined) {
      ttl = parseTtl(text);
      if (ttl !== undefined) continue;
      const hint = `write 0 to ${TTL_SECONDS_MAX} seconds, or 1h30m`;
      const message = `the TTL "${text}" is not a number of seconds`;
      return { fault: faultAt(token!, message, hint) };
    }
    if (!CLASS.test(text) || hasClass) return { ttl, next };
    hasClass = true;
    if (!/^(IN|CLASS1)$/i.test(text)) {
      return { fault: faultAt(token!, `class ${text} is not served`, 'only IN, the Internet') };
    }
  }
}

const CLASS = /^(IN|CH|HS|CS|CLASS[0-9]{1,5})$/i;
