import type { ZoneTable } from '../zone/compiled-zones.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * The memory that threads share, of all that a snapshot has, with its octets: what workers/weight.ts is told. A key is
 * the buffer, or a word for memory that a thread is sent again and again with other zones, as another buffer each time.
 */
export function weightOf({
  access,
  maps,
  prepared,
  services,
  signatures,
  zones,
}: Snapshot): ReadonlyMap<object | string, number> {
  const tables: readonly (object | undefined)[] = [
    ...new Set(maps.classes.map(({ table }) => table)),
    ...maps.classes,
    ...[maps, access, services, signatures, ...prepared],
  ];
  return new Map([
    ...tables.flatMap((table) => Object.values(table ?? {}).flatMap(weightOfView)),
    ...weightsOfZones(zones),
  ]);
}

const weightOfView = (value: unknown): readonly (readonly [object, number])[] =>
  ArrayBuffer.isView(value) ? [[value.buffer, value.buffer.byteLength]] : [];

function weightsOfZones({
  memory,
  slots,
  zones,
  ...columns
}: ZoneTable): readonly (readonly [object | string, number])[] {
  return [
    ...[slots, zones].flatMap(weightOfView),
    ...Object.entries(columns).map(([name, { buffer }]): [string, number] => {
      return [`${name} of zones ${memory}`, buffer.byteLength];
    }),
  ];
}
