/** Outcomes of `respond` besides a length. */

/** Send nothing. */
export const DROP = 0;
/** Not answered here but by the main thread, without haste: a query for an explanation. */
export const DEFER = -1;
/** The answer is many messages (transfer-out.ts); `worker.query` is what was asked. */
export const STREAM = -2;
/** A signature is missing that only somebody with the keys can make; `reply` is spoilt. */
export const SIGN = -3;
/** Answered by the main thread: an update that a known key has signed. */
export const DEFER_UPDATE = -4;
/** Likewise a NOTIFY of a primary. */
export const DEFER_NOTIFY = -5;
