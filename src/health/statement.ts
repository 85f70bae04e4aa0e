import type { Observation } from './observation.ts';
import type { Verdict } from './verdict.ts';

/**
 * What one vantage point says of one target: the fact that nodes exchange and that quorums count.
 * Plain data. All times are of the clock of whoever holds it: on a wire times travel as ages, so
 * that no two clocks need agree.
 */
export type Statement = {
  readonly vantage: string;
  /** Names the target and what is asked of it; the same on every node with the same configuration. */
  readonly key: string;
  readonly verdict: Verdict;
  /** Answers, but slower than it should, or that it is degraded, for long enough to be believed. */
  readonly slow: boolean;
  /** Failures count towards "down". */
  readonly failing: boolean;
  /** When the verdict became what it is. */
  readonly sinceMs: number;
  /** Seconds from the last observation to the earliest possible change of the verdict. */
  readonly secondsToChange: number;
  /** How long after it was last confirmed the word counts; then the vantage point abstains. */
  readonly leaseMs: number;
  /** When it was last confirmed: by an observation here, by a sign of life of another node's vantage. */
  readonly heardAtMs: number;
  /** Why: the last observation that speaks for the verdict, in its words. */
  readonly reason: string;
  /** What was seen last, oldest first; of a vantage point elsewhere only what was told. */
  readonly recent: readonly Observation[];
};

/** A vantage point itself, as known to a node. */
export type VantageWord = {
  readonly vantage: string;
  /** Failure domain: a region's name, or the vantage point's own. */
  readonly group: string;
  /** The node that runs it. */
  readonly node: string;
  /** Last sign of life. */
  readonly heardAtMs: number;
  /** False while it distrusts its own eyes (self-trust.ts): it abstains from everything. */
  readonly trusted: boolean;
  /** Why it is not trusted; '' when it is. */
  readonly reason: string;
};

/** What a region's own agent (the node with its balancer) reports of one listener on a VIP. */
export type AgentReport = {
  readonly node: string;
  readonly region: string;
  /** The listener's address and port. */
  readonly address: string;
  readonly port: number;
  /** False when others had better serve: no usable server behind it, so few that it panics, or it leaves. */
  readonly ready: boolean;
  readonly reason: string;
  /** Servers that take requests now, of all. */
  readonly serversUsable: number;
  readonly serversTotal: number;
  /** Of the listener; of layer 4 new connections and sessions. */
  readonly requestsPerSecond: number;
  /** In flight to the servers behind it, whichever listener they came by. */
  readonly active: number;
  readonly heardAtMs: number;
  readonly leaseMs: number;
};
