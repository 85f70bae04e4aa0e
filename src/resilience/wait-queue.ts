/**
 * Requests that wait for a server with room, as tickets: numbers below the queue's limit, so that what
 * belongs to a ticket lives in an array of the caller. Nothing waits longer than the time limit; a client
 * that leaves takes its ticket out in one step.
 *
 * `adaptive-lifo` ("Fail at Scale", ACM Queue 2015): oldest first, but newest first once the queue has
 * not been empty for a while, when the oldest are those whose clients are about to give up; and then
 * nothing waits longer than the short limit, so that the queue empties (CoDel).
 */
export type WaitQueueRules = {
  readonly waitingMax: number;
  readonly timeoutMs: number;
  readonly order: 'fifo' | 'adaptive-lifo';
  /** So long without being empty makes it a standing queue. */
  readonly standingMs: number;
  /** The time limit in a standing queue. */
  readonly standingTimeoutMs: number;
};

export const DEFAULT_WAIT_QUEUE: WaitQueueRules = {
  waitingMax: 5000,
  timeoutMs: 5000,
  order: 'fifo',
  standingMs: 1000,
  standingTimeoutMs: 100,
};

/** A list through arrays, oldest to newest; `next` also chains the free tickets. */
export type WaitQueue = {
  readonly rules: WaitQueueRules;
  readonly enteredMs: Float64Array;
  readonly next: Int32Array;
  readonly previous: Int32Array;
  readonly isWaiting: Uint8Array;
  oldest: number;
  newest: number;
  free: number;
  length: number;
  /** When it last became non-empty. */
  filledMs: number;
};

const NONE = -1;

export function createWaitQueue(rules: WaitQueueRules): WaitQueue {
  const { waitingMax } = rules;
  return {
    rules,
    enteredMs: new Float64Array(waitingMax),
    next: Int32Array.from({ length: waitingMax }, (_, at) => (at + 1 < waitingMax ? at + 1 : NONE)),
    previous: new Int32Array(waitingMax).fill(NONE),
    isWaiting: new Uint8Array(waitingMax),
    oldest: NONE,
    newest: NONE,
    free: waitingMax > 0 ? 0 : NONE,
    length: 0,
    filledMs: 0,
  };
}

/** @returns the ticket, or -1 when the queue is full: refuse the request */
export function enterQueue(queue: WaitQueue, nowMs: number): number {
  const ticket = queue.free;
  if (ticket === NONE) return NONE;
  queue.free = queue.next[ticket]!;
  if (queue.length === 0) {
    queue.filledMs = nowMs;
    queue.oldest = ticket;
  } else queue.next[queue.newest] = ticket;
  queue.previous[ticket] = queue.newest;
  queue.next[ticket] = NONE;
  queue.newest = ticket;
  queue.enteredMs[ticket] = nowMs;
  queue.isWaiting[ticket] = 1;
  queue.length += 1;
  return ticket;
}

/** The client has left. Nothing happens when the ticket does not wait any more. */
export function leaveQueue(queue: WaitQueue, ticket: number): void {
  if (queue.isWaiting[ticket] !== 1) return;
  const [before, after] = [queue.previous[ticket]!, queue.next[ticket]!];
  if (before === NONE) queue.oldest = after;
  else queue.next[before] = after;
  if (after === NONE) queue.newest = before;
  else queue.previous[after] = before;
  queue.isWaiting[ticket] = 0;
  queue.next[ticket] = queue.free;
  queue.free = ticket;
  queue.length -= 1;
}

/** There is room: the ticket to serve, out of the queue; -1 when nobody waits. Expire first. */
export function takeFromQueue(queue: WaitQueue, nowMs: number): number {
  const ticket = isAdapted(queue, nowMs) ? queue.newest : queue.oldest;
  if (ticket !== NONE) leaveQueue(queue, ticket);
  return ticket;
}

/** A ticket that has waited too long, out of the queue; -1 when there is none. Call until then. */
export function takeExpired(queue: WaitQueue, nowMs: number): number {
  const ticket = queue.oldest;
  if (ticket === NONE || nowMs < expiresAtMs(queue, nowMs)) return NONE;
  leaveQueue(queue, ticket);
  return ticket;
}

/** When the oldest waits too long; infinite when nobody waits. */
export function expiresAtMs(queue: WaitQueue, nowMs: number): number {
  const { oldest, rules } = queue;
  if (oldest === NONE) return Number.POSITIVE_INFINITY;
  const { standingMs, standingTimeoutMs, timeoutMs } = rules;
  const enteredMs = queue.enteredMs[oldest]!;
  const shortMs = Math.min(timeoutMs, standingTimeoutMs);
  if (isAdapted(queue, nowMs)) return enteredMs + shortMs;
  if (rules.order === 'fifo') return enteredMs + timeoutMs;
  // Whichever is first: its own time, or the short one as soon as the queue is a standing one.
  const adaptedMs = Math.max(enteredMs + shortMs, queue.filledMs + standingMs);
  return Math.min(enteredMs + timeoutMs, adaptedMs);
}

function isAdapted({ filledMs, length, rules }: WaitQueue, nowMs: number): boolean {
  return rules.order === 'adaptive-lifo' && length > 0 && nowMs - filledMs >= rules.standingMs;
}
