import type { Snapshot } from './snapshot.ts';

/** Octets of the memory that threads share, of all that a snapshot has: what workers/weight.ts is told. */
export function weightOf({
  access,
  maps,
  prepared,
  services,
  signatures,
  zones,
}: Snapshot): number {
  const tables: readonly (object | undefined)[] = [
    ...new Set(maps.classes.map(({ table }) => table)),
    ...maps.classes,
    ...[maps, access, services, signatures, zones, ...prepared],
  ];
  const buffers = new Set(tables.flatMap((table) => Object.values(table ?? {}).flatMap(bufferOf)));
  return [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

const bufferOf = (value: unknown): readonly ArrayBufferLike[] =>
  ArrayBuffer.isView(value) ? [value.buffer] : [];
