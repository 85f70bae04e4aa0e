import type { ServedHealth } from '../nameserver/served-health.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { weightOf } from '../nameserver/snapshot-weight.ts';
import { addSignatures, setSnapshot, type WorkerState } from '../nameserver/worker-state.ts';
import type { NewSignatures } from '../signing/new-signatures.ts';
import type { CounterRow } from '../telemetry/counters.ts';
import type { ZoneTable } from '../zone/compiled-zones.ts';
import { weigh } from './weight.ts';

/** Another snapshot, whole, or other zones of the one that is served. */
export type TableMessage =
  | {
      readonly type: 'snapshot';
      readonly snapshot: Snapshot;
      readonly health: ServedHealth;
      readonly counters: CounterRow;
    }
  | {
      readonly type: 'zones';
      /** Of the snapshot that they are of from now on. */
      readonly generation: number;
      readonly zones: ZoneTable;
      readonly health: ServedHealth;
    };

/** Serves it from the next query on; returns its generation. */
export function takeTables(state: WorkerState, message: TableMessage): number {
  const snapshot = snapshotOf(state, message);
  const counters = message.type === 'snapshot' ? message.counters : state.counters;
  setSnapshot(state, snapshot, message.health, counters);
  weigh(snapshot, weightOf(snapshot));
  return snapshot.generation;
}

/** Serves with these signatures, if they are for what is served. */
export function takeSignatures(state: WorkerState, news: NewSignatures): void {
  const { generation, prepared, signatures } = news;
  addSignatures(state, generation, signatures, prepared);
  const { snapshot } = state;
  if (snapshot !== undefined) weigh(snapshot, weightOf(snapshot));
}

function snapshotOf({ snapshot }: WorkerState, message: TableMessage): Snapshot {
  if (message.type === 'snapshot') return message.snapshot;
  // Whoever is told of zones was told of their snapshot before; a bug ends the thread, which is then given all.
  if (snapshot === undefined) throw new Error('zones of no snapshot');
  return { ...snapshot, generation: message.generation, zones: message.zones };
}
