import type { BalancerSnapshot } from './snapshot.ts';

/**
 * One row of numbers per worker in shared memory: one writer, read by the main thread whenever it
 * likes. A float per counter, aligned, so that a read is never torn; counts stay exact to 2^53.
 *
 *   0..15                         scratch: counted here when a server or listener is gone
 *   16..17                        WORKER_COUNTER
 *   then LISTENER_COUNTERS each   in the snapshot's order
 *   then SERVER_COUNTERS each     upstream by upstream, in the snapshot's order
 */
/** Of the whole worker. */
export const WORKER_COUNTER = { logLines: 16, logDropped: 17 } as const;

export const LISTENER_COUNTER = {
  connections: 0,
  connectionsActive: 1,
  requests: 2,
  /** Status classes 1xx to 5xx are `status + class`, 1..5. */
  status: 2,
  bytesIn: 8,
  bytesOut: 9,
  /** Copies sent to a mirror, and those that were wanted and not sent. */
  mirrored: 10,
  mirrorsDropped: 11,
  /** Of layer 4: servers that could not be connected to, or whose machine said that nobody listens. */
  connectFailures: 12,
  /** Of layer 4: not served, or given up before their time, for want of a server, a name or room. */
  dropped: 13,
} as const;
export const LISTENER_COUNTERS = 14;

export const SERVER_COUNTER = {
  requests: 0,
  failures: 1,
  active: 2,
  connections: 3,
  retries: 4,
  bytesIn: 5,
  bytesOut: 6,
  /** 1 while it is out for what requests have shown of it. */
  ejected: 7,
  ejections: 8,
} as const;
export const SERVER_COUNTERS = 9;

/** Where counts of things that the snapshot no longer holds go. */
export const COUNTER_SCRATCH = 0;
const FIRST_LISTENER = 18;

export const counterBytes = (snapshot: BalancerSnapshot): number =>
  8 * serverBase(snapshot, snapshot.upstreams.length, 0);

export function listenerBase(index: number): number {
  return FIRST_LISTENER + index * LISTENER_COUNTERS;
}

export function serverBase(snapshot: BalancerSnapshot, upstream: number, server: number): number {
  let before = server;
  for (let index = 0; index < upstream; index++)
    before += snapshot.upstreams[index]!.servers.length;
  return listenerBase(snapshot.listeners.length) + before * SERVER_COUNTERS;
}

export type BalancerCounts = {
  readonly listeners: readonly ListenerCounts[];
  readonly servers: readonly ServerCounts[];
  /** Lines of the access log that were written, and those that there was no room for. */
  readonly accessLog: { readonly lines: number; readonly dropped: number };
};
/** `statusClasses[0]` counts 1xx answers, `[4]` 5xx. */
export type ListenerCounts = {
  readonly listener: string;
  readonly connections: number;
  readonly connectionsActive: number;
  readonly requests: number;
  readonly statusClasses: readonly number[];
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly mirrored: number;
  readonly mirrorsDropped: number;
  readonly connectFailures: number;
  readonly dropped: number;
};
/** `bytesIn` came from the server, `bytesOut` went to it. */
export type ServerCounts = {
  readonly upstream: string;
  readonly server: string;
  readonly requests: number;
  readonly failures: number;
  readonly active: number;
  readonly connections: number;
  readonly retries: number;
  /** Workers that have it out just now for what requests have shown of it, and how often one has. */
  readonly ejected: number;
  readonly ejections: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
};

/** Reads a worker's row; `snapshot` is the one that was sent along with it. */
export function readCounters(snapshot: BalancerSnapshot, row: SharedArrayBuffer): BalancerCounts {
  const values = new Float64Array(row);
  return {
    accessLog: {
      lines: values[WORKER_COUNTER.logLines]!,
      dropped: values[WORKER_COUNTER.logDropped]!,
    },
    listeners: snapshot.listeners.map((listener, index) => {
      const at = (counter: number): number => values[listenerBase(index) + counter]!;
      return {
        listener: listener.name,
        connections: at(LISTENER_COUNTER.connections),
        connectionsActive: at(LISTENER_COUNTER.connectionsActive),
        requests: at(LISTENER_COUNTER.requests),
        statusClasses: [1, 2, 3, 4, 5].map((digit) => at(LISTENER_COUNTER.status + digit)),
        bytesIn: at(LISTENER_COUNTER.bytesIn),
        bytesOut: at(LISTENER_COUNTER.bytesOut),
        mirrored: at(LISTENER_COUNTER.mirrored),
        mirrorsDropped: at(LISTENER_COUNTER.mirrorsDropped),
        connectFailures: at(LISTENER_COUNTER.connectFailures),
        dropped: at(LISTENER_COUNTER.dropped),
      };
    }),
    servers: snapshot.upstreams.flatMap((upstream, upstreamIndex) =>
      upstream.servers.map((server, serverIndex) => {
        const base = serverBase(snapshot, upstreamIndex, serverIndex);
        const at = (counter: number): number => values[base + counter]!;
        return {
          upstream: upstream.name,
          server: server.name,
          requests: at(SERVER_COUNTER.requests),
          failures: at(SERVER_COUNTER.failures),
          active: at(SERVER_COUNTER.active),
          connections: at(SERVER_COUNTER.connections),
          retries: at(SERVER_COUNTER.retries),
          ejected: at(SERVER_COUNTER.ejected),
          ejections: at(SERVER_COUNTER.ejections),
          bytesIn: at(SERVER_COUNTER.bytesIn),
          bytesOut: at(SERVER_COUNTER.bytesOut),
        };
      }),
    ),
  };
}
