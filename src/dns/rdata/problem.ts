import type { RdataProblem } from './rdata-type.ts';

/** A problem as the types return it; the hint says what to write instead. */
export function problem(message: string, hint?: string): RdataProblem {
  return hint === undefined ? { ok: false, message } : { ok: false, message, hint };
}

/** The problem of a wrong number of fields: names the fields that the type has. */
export function fieldCountProblem(kind: string, syntax: string, count: number): RdataProblem {
  return problem(`${kind} data have ${count} field${count === 1 ? '' : 's'}`, `write ${syntax}`);
}
