import type { RdataProblem, RdataResult, RdataType } from './rdata/rdata-type.ts';
import { problem, type RdataField } from './rdata-fields.ts';
import type { Token } from './token.ts';
import { typeNumber } from './type-names.ts';

/** A record type as the list of its fields. */
export type TypeDefinition = Pick<RdataType, 'kind' | 'summary'> & {
  readonly fields: readonly RdataField[];
  /** What is wrong with rdata whose fields are right each for itself; undefined = nothing. */
  readonly check?: (rdata: Uint8Array) => RdataProblem | undefined;
  /** Names in it are compared and signed in lower case (RFC 4034 6.2, RFC 6840 5.1). */
  readonly lowersNames?: boolean;
};

/** The type with its text form, its wire form and its messages. */
export function defineType(definition: TypeDefinition): RdataType {
  const { check, fields, kind, summary } = definition;
  const syntax = fields
    .map(({ label }) => (label.startsWith('"') ? label : `<${label}>`))
    .join(' ');
  const takesRest = fields.at(-1)?.takesRest === true;
  return {
    type: typeNumber(kind)!, // type-names.ts has every kind; a test looks at that.
    kind,
    summary,
    syntax,
    fields,
    lowersNames: definition.lowersNames ?? false,
    parse(tokens, origin) {
      const least = fields.length - (fields.at(-1)?.isOptional === true ? 1 : 0);
      const isFit = takesRest ? tokens.length >= least : tokens.length === fields.length;
      if (!isFit) return fieldCountProblem(kind, syntax, tokens.length);
      const result = parseFields(fields, tokens, origin);
      return (result.ok ? check?.(result.rdata) : undefined) ?? result;
    },
    format(rdata) {
      const texts = formatFields(fields, rdata);
      return texts === undefined || check?.(rdata) !== undefined ? undefined : texts.join(' ');
    },
  };
}

function parseFields(
  fields: readonly RdataField[],
  tokens: readonly Token[],
  origin: Uint8Array | undefined,
): RdataResult {
  const parts: Uint8Array[] = [];
  for (const [index, field] of fields.entries()) {
    const own = field.takesRest === true ? tokens.slice(index) : [tokens[index]!];
    const part = field.parse(own, origin);
    if (!(part instanceof Uint8Array)) return { ...part, field: index };
    parts.push(part);
  }
  return { ok: true, rdata: new Uint8Array(Buffer.concat(parts)) };
}

function formatFields(
  fields: readonly RdataField[],
  rdata: Uint8Array,
): readonly string[] | undefined {
  const texts: string[] = [];
  let at = 0;
  for (const field of fields) {
    const end = field.end(rdata, at);
    if (end < at || end > rdata.length) return undefined;
    texts.push(field.format(rdata, at, end));
    at = end;
  }
  return at === rdata.length ? texts.filter((text) => text !== '') : undefined;
}

/** The problem of a wrong number of fields: names the fields that the type has. */
function fieldCountProblem(kind: string, syntax: string, count: number): RdataProblem {
  return problem(`${kind} data have ${count} field${count === 1 ? '' : 's'}`, `write ${syntax}`);
}
