import { askSession } from '../sessions/session-desk.ts';
import { beginOrWait } from './attempt.ts';
import { replyWithProblem } from './reply.ts';
import type { Exchange, Session } from './session.ts';
import { secondsOf, type TableAffinity } from './table-affinity.ts';

/**
 * The phase `seek`: the table of all nodes is asked on which server the session is. It answers within its bound
 * (`WAIT_MS`) or counts as not knowing it; then the request goes on in any case.
 * @param resume goes on with the session after an event of its own
 * @returns false when the answer has come at once, or nobody can be asked
 */
export function seekHome(
  session: Session,
  exchange: Exchange,
  { desk }: TableAffinity,
  resume: (session: Session, nowMs: number) => void,
  nowMs: number,
): boolean {
  const { shared } = session.runtime;
  if (shared === undefined) return false;
  session.phase = 'seek';
  let isAsked = false;
  const key = { high: exchange.sessionHigh >>> 0, low: exchange.sessionLow >>> 0 };
  askSession(desk, key, secondsOf(nowMs), (server) => {
    // The client may have left meanwhile.
    if (session.exchange !== exchange || session.phase !== 'seek') return;
    exchange.sessionServer = server | 0;
    if (isAsked) goOn(session, exchange, resume, Math.max(nowMs, shared.nowMs()));
    else session.phase = 'head';
  });
  isAsked = true;
  return session.phase === 'seek';
}

function goOn(
  session: Session,
  exchange: Exchange,
  resume: (session: Session, nowMs: number) => void,
  nowMs: number,
): void {
  if (!beginOrWait(session, exchange, nowMs)) {
    replyWithProblem(session, 503, 'no server is available', nowMs);
  }
  resume(session, nowMs);
}
