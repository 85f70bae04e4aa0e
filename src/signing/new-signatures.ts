import type { PreparedTable } from '../nameserver/prepared.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import type { ZoneSignatures } from '../zone/signatures.ts';

/** Signatures for what is served: renewed ones, and those of steered records that have come. */
export type NewSignatures = {
  readonly generation: number;
  /** Renewed, and with them all that is prepared; undefined = something is added to that. */
  readonly signatures: ZoneSignatures | undefined;
  readonly prepared: PreparedTable;
};

/** The snapshot as one would be given it now; of another generation it stays as it is. */
export function withSignatures(
  snapshot: Snapshot,
  { generation, prepared, signatures }: NewSignatures,
): Snapshot {
  if (generation !== snapshot.generation) return snapshot;
  return signatures === undefined
    ? { ...snapshot, prepared: [...snapshot.prepared, prepared] }
    : { ...snapshot, signatures, prepared: [prepared] };
}
