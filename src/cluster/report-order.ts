import { STALE_HOLD_MS } from '../health/quorum.ts';
import type { ReportRecord } from './wire.ts';

/**
 * Which report of a balancer's listener is the latest. Reports come directly and through the store;
 * a copy that took longer must not undo what was said after it.
 */
export type ReportOrder = {
  /** True when nothing later was heard of this listener; notes it then. */
  isLater(report: ReportRecord, nowMs: number): boolean;
  sweep(nowMs: number): void;
};

/** Listeners whose latest report is remembered; further ones are not heard. */
export const REPORTS_MAX = 10_000;

type Latest = { readonly incarnation: number; readonly beat: number; readonly untilMs: number };

export function createReportOrder(): ReportOrder {
  const latest = new Map<string, Latest>();
  return {
    isLater({ address, beat, incarnation, leaseMs, node, port }, nowMs) {
      const id = `${node} ${address} ${port}`;
      const before = latest.get(id);
      if (before === undefined && latest.size >= REPORTS_MAX) return false;
      const isLater =
        before === undefined ||
        // A node whose clock went back while it was away begins a life that numbers lower.
        nowMs > before.untilMs ||
        incarnation > before.incarnation ||
        (incarnation === before.incarnation && beat > before.beat);
      if (isLater) latest.set(id, { incarnation, beat, untilMs: nowMs + leaseMs });
      return isLater;
    },
    sweep(nowMs) {
      for (const [id, { untilMs }] of latest) {
        if (nowMs > untilMs + STALE_HOLD_MS) latest.delete(id);
      }
    },
  };
}
