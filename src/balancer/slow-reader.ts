import type { Session } from './session.ts';

/** What is known of how a client takes what was written. */
export type SlowReader = {
  /** What its wire said when it was asked last, and when it is asked again. */
  taken: number;
  askMs: number;
};

/**
 * Whether the client has taken nothing for `writeIdleTimeout`. Its wire is asked now and then, for what was sent at once
 * may last a slow reader longer than that.
 */
export function isStuck(session: Session, nowMs: number): boolean {
  const { client, reader, runtime } = session;
  const { writeIdleTimeoutMs } = runtime.limits;
  const betweenMs = writeIdleTimeoutMs / ASKED_IN_TIMEOUT;
  const silentMs = nowMs - session.clientWriteMs;
  if (silentMs < betweenMs) return false;
  const isOver = silentMs >= writeIdleTimeoutMs;
  if (!isOver && nowMs < reader.askMs) return false;
  reader.askMs = nowMs + betweenMs;
  const taken = client.taken();
  if (taken === reader.taken) return isOver;
  reader.taken = taken;
  session.clientWriteMs = nowMs;
  return false;
}

const ASKED_IN_TIMEOUT = 8;
