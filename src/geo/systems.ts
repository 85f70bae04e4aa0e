/**
 * Autonomous systems: whose network an address is in. A layer of its own beside places: most maps do not read it,
 * and places by systems would be a hundred times as many.
 */
import type { Address } from '../ip/address.ts';
import { valueAt } from '../ip/range-search.ts';
import { combineRanges, mapRanges, type Ranges, uniformRanges } from '../ip/ranges.ts';

/** Structured-cloneable; the ranges lie on shared memory. */
export type SystemTable = {
  /** Index 0 is the unknown one; the others are distinct by number. */
  readonly systems: readonly AutonomousSystem[];
  /** The values are indexes into `systems`. */
  readonly ranges: Ranges;
};

export type AutonomousSystem = {
  /** As in AS64496; 0 = unknown. */
  readonly number: number;
  /** Who runs it, for people; '' = not told. */
  readonly name: string;
};

export const NO_SYSTEMS: SystemTable = {
  systems: [{ number: 0, name: '' }],
  ranges: uniformRanges(0),
};

/** Numbers for distinct systems, 0 for the unknown one. A name is that which came first. */
export function createSystemNumbers() {
  const systems: AutonomousSystem[] = [{ number: 0, name: '' }];
  const byNumber = new Map([[0, 0]]);
  return {
    systems,
    indexOf(system: AutonomousSystem): number {
      const known = byNumber.get(system.number);
      if (known !== undefined) return known;
      byNumber.set(system.number, systems.length);
      return systems.push(system) - 1;
    },
  };
}

/** For each network the first table that knows its system has its say. */
export function composeSystems(tables: readonly SystemTable[]): SystemTable {
  const known = tables.filter(({ systems }) => systems.length > 1);
  if (known.length < 2) return known[0] ?? NO_SYSTEMS;
  const { indexOf, systems } = createSystemNumbers();
  let ranges = uniformRanges(0);
  for (const table of known) {
    const indexes = table.systems.map(indexOf);
    const renumbered = mapRanges(table.ranges, (value) => indexes[value]!);
    ranges = combineRanges(ranges, renumbered, (first, second) => (first !== 0 ? first : second));
  }
  return { systems, ranges };
}

/** Whose network an address is in; undefined when no table knows. */
export function systemOf(
  { ranges, systems }: SystemTable,
  address: Address,
): AutonomousSystem | undefined {
  const index = valueAt(ranges, address);
  return index === 0 ? undefined : systems[index];
}
