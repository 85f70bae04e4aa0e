import { setFlagsFromString } from 'node:v8';

/** Octets of bytecode; the engine's own limits are 460 and 920. */
const FUNCTION_MAX = 1000;
const ALL_MAX = 8000;
/** Small ones are inlined beyond that, up to here. */
const SMALL_TOO_MAX = 12_000;

/**
 * Lets the engine make one piece of machine code of what answers a query, which is some dozens of small functions:
 * by its own limits it stops early, and a call that is left costs more than many of them do. Holds for
 * what is compiled from now on, in all threads (docs/decisions/0027-fast-path.md).
 */
export function inlineMore(): void {
  setFlagsFromString(`--max-inlined-bytecode-size=${FUNCTION_MAX}`);
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${ALL_MAX}`);
  setFlagsFromString(`--max-inlined-bytecode-size-absolute=${SMALL_TOO_MAX}`);
}
