import type { MessagePort } from 'node:worker_threads';
import type { CookieSecrets } from '../dns/cookie.ts';
import type { Certificate, StreamService } from '../dns-transport/listeners.ts';
import type { SessionLimits } from '../dns-transport/sessions.ts';
import type { TapPlan } from '../dnstap/tap.ts';
import type { Bell } from '../io/bell.ts';
import type { HandedSocket, SocketProblem } from '../io/sockets.ts';
import { type Client, TRANSPORT_UDP } from '../nameserver/client.ts';
import type { DeferKind } from '../nameserver/defer.ts';
import type { ServedHealth } from '../nameserver/served-health.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import type { NewSignatures } from '../signing/new-signatures.ts';
import type { CounterRow } from '../telemetry/counters.ts';
import type { UdpEntrance } from './dns-entrances.ts';
import type { TableMessage } from './take-tables.ts';

/** What the main thread tells a DNS worker. A message is met between two packets, never within one. */
export type ToDnsWorker =
  | {
      readonly type: 'start';
      readonly udp: readonly UdpEntrance[];
      /** Defined = UDP by the batch; it is rung after every message. */
      readonly bell: Bell | undefined;
      /** How long datagrams may gather under load (io/gathering.ts), in microseconds. */
      readonly gatherUs: number;
      readonly streams: readonly StreamEntrance[];
      readonly counters: CounterRow;
      readonly snapshot: Snapshot;
      /** Of the endpoints of the snapshot's generation. */
      readonly health: ServedHealth;
      readonly cookies: CookieSecrets | undefined;
      readonly certificates: readonly Certificate[];
      readonly tcp: SessionLimits;
      /** Undefined = nobody wants to know of queries. */
      readonly tap: TapPlan | undefined;
      /** Whether it tells who asks. */
      readonly isSampling: boolean;
    }
  | TableMessage
  | { readonly type: 'health'; readonly generation: number; readonly health: ServedHealth }
  | { readonly type: 'cookies'; readonly cookies: CookieSecrets }
  /** The line to who signs what nobody foresaw; undefined = there is nobody now. */
  | { readonly type: 'signer'; readonly port: MessagePort | undefined }
  | ({ readonly type: 'signatures' } & NewSignatures)
  | { readonly type: 'tap'; readonly tap: TapPlan | undefined }
  | { readonly type: 'sampling'; readonly isOn: boolean }
  | { readonly type: 'certificates'; readonly certificates: readonly Certificate[] }
  /** What a query that the worker handed over is answered with; undefined = with nothing. */
  | {
      readonly type: 'deferred-reply';
      readonly kind: DeferKind;
      readonly id: number;
      readonly reply: Uint8Array | undefined;
    }
  | { readonly type: 'stop' };

export type FromDnsWorker =
  | { readonly type: 'ready'; readonly engine: string; readonly ports: readonly number[] }
  | { readonly type: 'serving'; readonly generation: number }
  | { readonly type: 'problem'; readonly problem: SocketProblem }
  /** Who asked lately (nameserver/source-sampler.ts). */
  | { readonly type: 'sources'; readonly sources: Uint8Array }
  | (DeferredQuery & {
      readonly type: 'deferred';
      readonly kind: DeferKind;
      readonly id: number;
    });

/** A query that a worker has no time for (nameserver/defer.ts). */
export type DeferredQuery = {
  readonly query: Uint8Array;
  readonly family: 4 | 6;
  /** Its source: 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly isStream: boolean;
  /** By the worker's clock: draws are made with it. */
  readonly nowMs: number;
};

/** What a stream worker is handed for each listener. */
export type StreamEntrance = { readonly socket: HandedSocket; readonly service: StreamService };

/** A query as it is handed over: a copy, as its bytes are about to be used again. */
export function deferredQuery(bytes: Uint8Array, client: Client, nowMs: number): DeferredQuery {
  const { address, family, transport } = client;
  return {
    query: new Uint8Array(bytes),
    family,
    address: address.slice(0, family === 4 ? 4 : 16),
    isStream: transport !== TRANSPORT_UDP,
    nowMs,
  };
}
