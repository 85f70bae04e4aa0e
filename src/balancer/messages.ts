import type { PageReport } from './session.ts';
import type { BalancerSnapshot } from './snapshot.ts';
import type { Outlier, ServerEvent } from './standing.ts';

/**
 * What the main thread and a balancer worker say to each other. Nothing here is sent per request;
 * what must be counted per request lives in the shared counter row (`counters.ts`).
 */

/**
 * A listening socket for the listener of this name. With `fd`, a duplicate that now belongs to the
 * worker; without, the worker listens on the snapshot's address itself, sharing it with its peers.
 */
export type ListenerSocket = { readonly listener: string; readonly fd: number | undefined };

/** A server is usable unless told otherwise. Only changes need be named. */
export type ServerState = {
  readonly upstream: string;
  readonly server: string;
  readonly usable: boolean;
  /** It takes nobody new; those who are kept on it may stay. */
  readonly draining?: boolean;
  /** It takes a smaller share (`degradedWeight`). */
  readonly degraded?: boolean;
};

/** `counters` is a row of `counterBytes(snapshot)` bytes, fresh for every snapshot. */
export type BalancerRequest =
  | {
      readonly type: 'start';
      /** Where a ring notes what it holds (io/ring-ledger.ts); undefined = read and write by node:net. */
      readonly ringLedger: SharedArrayBuffer | undefined;
      readonly snapshot: BalancerSnapshot;
      readonly counters: SharedArrayBuffer;
      readonly sockets: readonly ListenerSocket[];
      readonly states: readonly ServerState[];
      /** How long it runs requests of its own before it listens; 0 = it does not. */
      readonly warmUpMs: number;
    }
  | {
      /** `sockets` for listeners that are new; listeners that are gone stop accepting. */
      readonly type: 'snapshot';
      readonly snapshot: BalancerSnapshot;
      readonly counters: SharedArrayBuffer;
      readonly sockets: readonly ListenerSocket[];
    }
  | { readonly type: 'servers'; readonly states: readonly ServerState[] }
  | {
      /** While draining a listener goes on serving and asks clients to leave (Connection: close). */
      readonly type: 'drain';
      readonly listeners: readonly string[];
      readonly draining: boolean;
    }
  /** Its file was renamed: what comes from now on goes into a new one of its name. */
  | { readonly type: 'reopen-log' }
  /** To be answered (`marked`) when all that was said before is in force. */
  | { readonly type: 'mark'; readonly mark: number }
  | {
      /** Accept nothing more, finish what is in flight for at most `graceMs`, then `stopped`. */
      readonly type: 'stop';
      readonly graceMs: number;
      /** Others may listen at these addresses at once: sessions of UDP, which need them, end. */
      readonly givesUpAddresses: boolean;
    };

export type BalancerReport =
  | {
      /** `problems` are listeners that could not be opened; the others serve. */
      readonly type: 'ready';
      readonly engine: string;
      readonly listeners: readonly ListenerAddress[];
      readonly problems: readonly ListenerProblem[];
    }
  | {
      /** The snapshot of this generation is served; the row before it will not change any more. */
      readonly type: 'serving';
      readonly generation: number;
      readonly listeners: readonly ListenerAddress[];
      readonly problems: readonly ListenerProblem[];
    }
  | {
      /** What requests have shown of servers since the last tick. */
      readonly type: 'events';
      readonly events: readonly ServerEvent[];
    }
  | {
      /** Why the sessions that nodes share cannot be reached; undefined = they can again. */
      readonly type: 'sessions';
      readonly problem: string | undefined;
    }
  | {
      /** It was told to read and write by a ring and cannot have one; then the thread ends. */
      readonly type: 'no-ring';
      readonly reason: string;
    }
  | {
      /** How far clients are: for each, its network (clients/network-key.ts) and milliseconds. */
      readonly type: 'round-trips';
      readonly samples: Float64Array;
    }
  | {
      /** Since the last tick. */ readonly type: 'page-reports';
      readonly reports: readonly PageReport[];
    }
  | { /** When it has changed. */ readonly type: 'outliers'; readonly outliers: readonly Outlier[] }
  | { readonly type: 'marked'; readonly mark: number }
  | { readonly type: 'stopped' };

export type ListenerAddress = {
  readonly listener: string;
  readonly address: string;
  readonly port: number;
};
export type ListenerProblem = { readonly listener: string; readonly code: string };
