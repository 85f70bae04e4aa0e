import { bytesOf, equalsIgnoringCase, textOf } from '../http/ascii.ts';
import { FIELD } from '../http/fields.ts';
import type { RequestHead } from '../http/head.ts';
import type { Pattern } from '../http/pattern.ts';
import { compilePattern, patternMatches } from '../http/pattern.ts';
import { parseAddress } from '../ip/address.ts';
import { containsAddress, parsePrefix } from '../ip/prefix.ts';
import { type BodyFields, type BodyKind, jsonValues } from './body-look.ts';
import type { RouteSnapshot, ValueTest } from './snapshot.ts';

/**
 * What a route asks of a request besides its host and path. All conditions of a route must hold. A
 * header, cookie or parameter that comes several times is tested each time, and one hit is enough.
 */
export type Condition = {
  /** What it asks for, for people. */
  readonly text: string;
  /** @param source the client's address */
  readonly holds: (head: RequestHead, source: string) => boolean;
};

/** What a route asks of a request's body: it holds for no body that cannot be looked at. */
export type BodyCondition = {
  readonly text: string;
  readonly kind: BodyKind;
  readonly holds: (body: BodyFields | undefined) => boolean;
};

export function compileBodyConditions({ body = {} }: RouteSnapshot): readonly BodyCondition[] {
  const { form = {}, json = {} } = body;
  return [
    ...Object.entries(json).map(([path, wanted]): BodyCondition => {
      const { text, passes } = testOf(`JSON field ${path}`, wanted);
      const names = path.split('.');
      const valuesOf = (root: unknown) => jsonValues(root, names).map(octetText);
      return {
        ...{ text, kind: 'json' },
        holds: (fields) => fields?.kind === 'json' && passes(valuesOf(fields.root)),
      };
    }),
    ...Object.entries(form).map(([name, wanted]): BodyCondition => {
      const { text, passes } = testOf(`form field ${name}`, wanted);
      const octets = octetText(name);
      return {
        ...{ text, kind: 'form' },
        holds: (fields) => fields?.kind === 'form' && passes(formValues(fields.text, octets)),
      };
    }),
  ];
}

export function compileConditions(route: RouteSnapshot): readonly Condition[] {
  const { methods = [], headers = {}, cookies = {}, query = {}, sources = [] } = route;
  const conditions: Condition[] = [];
  if (methods.length > 0) {
    const text = `method ${methods.join(' or ')}`;
    conditions.push({ text, holds: ({ method }) => methods.includes(method) });
  }
  for (const [name, wanted] of Object.entries(headers)) {
    const lower = bytesOf(name.toLowerCase());
    conditions.push(ofValues(`header ${name}`, wanted, (head) => headerValues(head, lower)));
  }
  for (const [name, wanted] of Object.entries(cookies)) {
    const octets = octetText(name);
    conditions.push(ofValues(`cookie ${name}`, wanted, (head) => cookieValues(head, octets)));
  }
  for (const [name, wanted] of Object.entries(query)) {
    const octets = octetText(name);
    conditions.push(ofValues(`query ${name}`, wanted, (head) => queryValues(head, octets)));
  }
  if (sources.length > 0) conditions.push(ofSource(sources));
  return conditions;
}

/** A pattern that validation has accepted. */
export function requiredPattern(text: string): Pattern {
  const pattern = compilePattern(text);
  if (typeof pattern === 'string') throw new Error(`pattern ${text} ${pattern}`);
  return pattern;
}

function ofValues(
  what: string,
  wanted: ValueTest,
  values: (head: RequestHead) => readonly string[],
): Condition {
  const { text, passes } = testOf(what, wanted);
  return { text, holds: (head) => passes(values(head)) };
}

function testOf(
  what: string,
  wanted: ValueTest,
): { readonly text: string; readonly passes: (values: readonly string[]) => boolean } {
  if ('present' in wanted) {
    const text = `${what} ${wanted.present ? 'present' : 'absent'}`;
    return { text, passes: (values) => values.length > 0 === wanted.present };
  }
  if ('exact' in wanted) {
    const exact = octetText(wanted.exact);
    return { text: `${what} = ${wanted.exact}`, passes: (values) => values.includes(exact) };
  }
  if ('prefix' in wanted) {
    const prefix = octetText(wanted.prefix);
    const passes = (values: readonly string[]) => values.some((value) => value.startsWith(prefix));
    return { text: `${what} begins with ${wanted.prefix}`, passes };
  }
  const pattern = requiredPattern(wanted.regex);
  return {
    text: `${what} matches ${wanted.regex}`,
    passes: (values) => values.some((value) => patternMatches(pattern, value)),
  };
}

function ofSource(sources: readonly string[]): Condition {
  // Validation has checked them.
  const networks = sources.map((text) => parsePrefix(text)!);
  return {
    text: `source in ${sources.join(' or ')}`,
    holds: (_, source) => {
      const address = parseAddress(source);
      return address !== undefined && networks.some((each) => containsAddress(each, address));
    },
  };
}

function headerValues({ bytes, fields }: RequestHead, lowerName: Uint8Array): readonly string[] {
  const values: string[] = [];
  for (let index = 0; index < fields.count; index++) {
    const [start, end] = [fields.spans[4 * index]!, fields.spans[4 * index + 1]!];
    if (!equalsIgnoringCase(bytes, start, end, lowerName)) continue;
    values.push(textOf(bytes, fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!));
  }
  return values;
}

/** RFC 6265 section 4.2: pairs behind `; `. Quotes around a value belong to it (section 5.2). */
function cookieValues({ bytes, fields }: RequestHead, name: string): readonly string[] {
  const values: string[] = [];
  for (let index = 0; index < fields.count; index++) {
    if (fields.codes[index] !== FIELD.cookie) continue;
    const line = textOf(bytes, fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!);
    for (const pair of line.split(';')) {
      const equals = pair.indexOf('=');
      if (equals >= 0 && pair.slice(0, equals).trim() === name) {
        values.push(pair.slice(equals + 1).trim());
      }
    }
  }
  return values;
}

/** Names and values as forms write them: `+` is a blank, escapes are octets; `?a` has an empty `a`. */
function queryValues({ bytes, target, targetEnd }: RequestHead, name: string): readonly string[] {
  if (target.pathEnd >= targetEnd) return [];
  return formValues(textOf(bytes, target.pathEnd + 1, targetEnd), name);
}

/** @param name, and the values: one octet a UTF-16 unit */
export function formValues(form: string, name: string): readonly string[] {
  const values: string[] = [];
  for (const pair of form.split('&')) {
    const equals = pair.indexOf('=');
    const written = equals < 0 ? pair : pair.slice(0, equals);
    if (pair === '' || decoded(written) !== name) continue;
    values.push(equals < 0 ? '' : decoded(pair.slice(equals + 1)));
  }
  return values;
}

const decoded = (text: string): string =>
  text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));

/** Text of a configuration as the octets that clients send for it, one a UTF-16 unit. */
const octetText = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));
