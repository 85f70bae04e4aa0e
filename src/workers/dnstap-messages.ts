import type { CollectorPlace } from '../dnstap/sender.ts';
import type { CounterRow } from '../telemetry/counters.ts';

/** What the main thread tells the thread that sends dnstap events. */
export type ToTapWorker =
  | {
      readonly type: 'start';
      readonly to: CollectorPlace;
      /** One of each DNS worker. */
      readonly rings: readonly SharedArrayBuffer[];
      readonly counters: CounterRow;
    }
  | { readonly type: 'stop' };

export type FromTapWorker =
  | { readonly type: 'ready'; readonly engine: string }
  | { readonly type: 'collector'; readonly isConnected: boolean; readonly why: string };
