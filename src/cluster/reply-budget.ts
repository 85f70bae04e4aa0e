/**
 * How much a node is told on its request. A datagram can ask for hundreds of times its size; a peer
 * that asks without end gets so much a second and no more.
 */
export type ReplyBudget = {
  isLeft(node: string, nowMs: number): boolean;
  spend(node: string, records: number): void;
};

/** About 400 kB a second. */
export const REPLY_RECORDS_PER_SECOND = 4000;
/** Every request costs as much as so many records, also when nothing comes of it. */
const REQUEST_RECORDS = 10;
const NODES_MAX = 4000;

export function createReplyBudget(): ReplyBudget {
  const spent = new Map<string, { records: number; readonly sinceMs: number }>();
  return {
    isLeft(node, nowMs) {
      const budget = spent.get(node);
      if (budget !== undefined && nowMs - budget.sinceMs < 1000) {
        return budget.records < REPLY_RECORDS_PER_SECOND;
      }
      spent.delete(node);
      if (spent.size >= NODES_MAX) spent.delete(spent.keys().next().value!);
      spent.set(node, { records: 0, sinceMs: nowMs });
      return true;
    },
    spend(node, records) {
      const budget = spent.get(node);
      if (budget !== undefined) budget.records += records + REQUEST_RECORDS;
    },
  };
}
