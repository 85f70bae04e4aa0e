import type { Change } from '../store.ts';

/**
 * A notice as the scripts publish it: "sign before version due", a line with the key, the value.
 * The channel is open to everybody whom the server lets publish: anything else is undefined.
 */
export type Notice = {
  /** Undefined: nothing changed, but the deadline or the version did. */
  readonly change: Change | undefined;
  /** The newest version before this one; who has seen another one has missed something. */
  readonly before: number;
  readonly version: number;
  /** Until the next lease runs out; undefined when there is none. */
  readonly dueMs: number | undefined;
};

const HEAD = /^([+\-.]) ([0-9]{1,16}) ([0-9]{1,16}) (-|[0-9]{1,15})$/;

export function parseNotice(message: string): Notice | undefined {
  const headEnd = message.indexOf('\n');
  const keyEnd = message.indexOf('\n', headEnd + 1);
  if (headEnd < 0 || keyEnd < 0) return undefined;
  const match = HEAD.exec(message.slice(0, headEnd));
  if (!match) return undefined;
  const [, sign, beforeText, versionText, due] = match;
  const before = Number(beforeText);
  const version = Number(versionText);
  if (!Number.isSafeInteger(before) || !Number.isSafeInteger(version)) return undefined;
  const dueMs = due === '-' ? undefined : Number(due);
  const key = message.slice(headEnd + 1, keyEnd);
  if (sign === '.') return { change: undefined, before, version, dueMs };
  if (key === '') return undefined;
  const value = sign === '+' ? message.slice(keyEnd + 1) : undefined;
  return { change: { key, value, version }, before, version, dueMs };
}

/** A field of the data hash, "version value"; undefined when something else wrote it. */
export function parseRaw(
  raw: string,
): { readonly version: number; readonly value: string } | undefined {
  const space = raw.indexOf(' ');
  if (space < 1 || space > 16) return undefined;
  const version = Number(raw.slice(0, space));
  if (!Number.isSafeInteger(version) || version < 1) return undefined;
  return { version, value: raw.slice(space + 1) };
}
