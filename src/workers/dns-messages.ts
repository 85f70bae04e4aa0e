import type { HealthWords } from '../health/health-words.ts';
import type { HandedSocket, SocketProblem } from '../io/sockets.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import type { CounterRow } from '../telemetry/counters.ts';

/** What the main thread tells a DNS worker. A message is met between two packets, never within one. */
export type ToDnsWorker =
  | {
      readonly type: 'start';
      readonly sockets: readonly HandedSocket[];
      readonly counters: CounterRow;
      readonly snapshot: Snapshot;
      /** Of the endpoints of the snapshot's generation. */
      readonly health: HealthWords;
      readonly tcp: TcpLimits;
    }
  | {
      readonly type: 'snapshot';
      readonly snapshot: Snapshot;
      readonly health: HealthWords;
      readonly counters: CounterRow;
    }
  | { readonly type: 'health'; readonly generation: number; readonly health: HealthWords }
  | { readonly type: 'stop' };

export type FromDnsWorker =
  | { readonly type: 'ready'; readonly engine: string; readonly ports: readonly number[] }
  | { readonly type: 'serving'; readonly generation: number }
  | { readonly type: 'problem'; readonly problem: SocketProblem };

export type TcpLimits = {
  readonly connectionsMax: number;
  readonly perClientMax: number;
  readonly idleTimeoutMs: number;
};
