import type { EditableFields } from '../filter/filter.ts';
import { LOWER, textOf } from '../http/ascii.ts';
import type { ByteSink } from '../http/byte-sink.ts';
import { putBytes, putText } from '../http/byte-sink.ts';
import type { Fields } from '../http/fields.ts';
import { isReservedFieldName } from '../http/fields.ts';

/**
 * Changes that filters want made to a head, kept beside it and applied while it is copied out; a
 * head without edits is copied in runs and costs nothing.
 */
export type FieldEdits = {
  /** Lower case. */
  readonly removed: Set<string>;
  readonly added: (readonly [name: string, value: string])[];
  /** The Host to send instead of the one received. */
  host: string | undefined;
};

export const createFieldEdits = (): FieldEdits => ({
  removed: new Set(),
  added: [],
  host: undefined,
});

/** The filters' view of a head. `head` may move to other bytes while the view lives. */
export function editableFields(
  head: () => { readonly bytes: Uint8Array; readonly fields: Fields },
  edits: FieldEdits,
): EditableFields {
  const remove = (name: string): void => {
    const lower = name.toLowerCase();
    edits.removed.add(lower);
    for (let at = edits.added.length - 1; at >= 0; at--) {
      if (edits.added[at]![0].toLowerCase() === lower) edits.added.splice(at, 1);
    }
  };
  const add = (name: string, value: string): void => {
    // Framing and connection belong to the core; a name or value that could end the line is cut.
    if (!FIELD_NAME.test(name) || isReservedFieldName(name.toLowerCase())) return;
    edits.added.push([name, value.replace(NOT_IN_A_VALUE, '?')]);
  };
  return {
    get(name) {
      const lower = name.toLowerCase();
      const received = edits.removed.has(lower) ? undefined : receivedValue(head(), lower);
      return received ?? edits.added.find(([added]) => added.toLowerCase() === lower)?.[1];
    },
    set(name, value) {
      remove(name);
      add(name, value);
    },
    add,
    remove,
  };
}

/** Copies the fields that travel on: not dropped, not of a skipped code, not removed by an edit. */
export function putFields(
  sink: ByteSink,
  bytes: Uint8Array,
  fields: Fields,
  skipped: Uint8Array,
  edits: FieldEdits | undefined,
): void {
  let runStart = -1;
  let runEnd = -1;
  for (let index = 0; index < fields.count; index++) {
    if (isKept(bytes, fields, index, skipped, edits)) {
      if (runStart < 0) runStart = fields.spans[4 * index]!;
      runEnd = lineEnd(fields, index);
    } else if (runStart >= 0) {
      putBytes(sink, bytes, runStart, runEnd);
      runStart = -1;
    }
  }
  if (runStart >= 0) putBytes(sink, bytes, runStart, runEnd);
  if (edits === undefined) return;
  for (const [name, value] of edits.added) putText(sink, `${name}: ${value}\r\n`);
}

function isKept(
  bytes: Uint8Array,
  fields: Fields,
  index: number,
  skipped: Uint8Array,
  edits: FieldEdits | undefined,
): boolean {
  if (fields.dropped[index] === 1 || skipped[fields.codes[index]!] === 1) return false;
  if (edits === undefined || edits.removed.size === 0) return true;
  return !edits.removed.has(lowerName(bytes, fields, index));
}

function lowerName(bytes: Uint8Array, fields: Fields, index: number): string {
  let name = '';
  for (let at = fields.spans[4 * index]!; at < fields.spans[4 * index + 1]!; at++) {
    name += String.fromCharCode(LOWER[bytes[at]!]!);
  }
  return name;
}

/** Each line begins where the one before it ends. */
const lineEnd = ({ count, end, spans }: Fields, index: number): number =>
  index + 1 < count ? spans[4 * index + 4]! : end;

function receivedValue(
  head: { readonly bytes: Uint8Array; readonly fields: Fields },
  lower: string,
): string | undefined {
  const { bytes, fields } = head;
  for (let index = 0; index < fields.count; index++) {
    if (fields.dropped[index] === 1 || lowerName(bytes, fields, index) !== lower) continue;
    return textOf(bytes, fields.spans[4 * index + 2]!, fields.spans[4 * index + 3]!);
  }
  return undefined;
}

const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NOT_IN_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/g;
