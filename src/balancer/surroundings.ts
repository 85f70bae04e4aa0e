import type { ByteSink } from '../http/byte-sink.ts';
import type { SessionDirectory, SessionDirectoryCounters } from '../sessions/session-directory.ts';

/** What a balancer may have around it. */
export type BalancerSurroundings = {
  /** Asks for `tickWaiting` in so many milliseconds; without it ticks have to do. */
  readonly wakeAfter?: ((ms: number) => void) | undefined;
  /** The sessions that nodes share, for upstreams that do. */
  readonly shared?: SharedSessions | undefined;
  /** The engine's: what is gathered there is written without a copy. */
  readonly outboxes?: readonly [ByteSink, ByteSink] | undefined;
};

/** The way to the table of all nodes, and the time when it has answered. */
export type SharedSessions = {
  readonly directory: SessionDirectory;
  readonly nowMs: () => number;
  /** What is counted already. */
  readonly told: SessionDirectoryCounters;
};
