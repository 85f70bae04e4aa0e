/** What may be stored: enough for every fact that nodes share, and never enough to clog a store. */

export const KEY_BYTES_MAX = 512;
/** A value is also one notice to every watcher: more would be taken for a slow reader by a server. */
export const VALUE_BYTES_MAX = 4 * 1024 * 1024;
/** A list beyond this rejects: it is not what a store of small facts is for. */
export const LIST_ENTRIES_MAX = 100_000;
/** Deletions of which a store remembers that somebody decided them. */
export const DELETIONS_MAX = 10_000;
/** How long any call may take. */
export const CALL_TIMEOUT_MS = 1000;

/** Control characters, and halves of surrogate pairs, which UTF-8 cannot carry. */
const UNFIT = /\p{Cc}|\p{Cs}/u;

/** What is wrong with a key (or the name of a log); undefined when nothing is. */
export function keyProblem(key: string): string | undefined {
  if (key === '') return 'a key of the store is empty';
  if (UNFIT.test(key)) return 'a key of the store holds control characters';
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) {
    return `a key of the store is longer than ${KEY_BYTES_MAX} bytes: ${key.slice(0, 40)}…`;
  }
  return undefined;
}

/** What is wrong with a value; undefined when nothing is. */
export function valueProblem(key: string, value: string | undefined): string | undefined {
  if (value === undefined || Buffer.byteLength(value) <= VALUE_BYTES_MAX) return undefined;
  return `the value of ${key} is larger than ${VALUE_BYTES_MAX} bytes`;
}

/** The order of a list: by bytes of UTF-8, as servers and files sort. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
