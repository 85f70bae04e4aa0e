/**
 * What was measured between client networks and regions: a row for each network, in it a cell for each region (and
 * another one where probes measure, too), as columns of numbers. A million networks and twenty cells take 175 MB;
 * rows come as networks do.
 *
 * A cell is a mean that forgets: new connections count against the last SMOOTHED ones of before, so a change is
 * followed within some windows, and against none that are stale; what it is worth (`connections`) halves every
 * `memoryMs`.
 */
import type { RttRow } from './rtt-collector.ts';

export type LatencyTable = {
  /** Of a row. */
  readonly cells: number;
  readonly rowsMax: number;
  readonly memoryMs: number;
  /** A cell that was not measured for so long is forgotten, a row when all its cells are. */
  readonly ageMaxMs: number;
  rows: number;
  /** By row: network-key.ts. */
  networks: Float64Array;
  /** By row: connections seen lately, what the network asks for. */
  demand: Float32Array;
  /** By row: a bit for each source (rtt-sketch.ts) that has ever said something of the network. */
  sources: Uint8Array;
  /** By row and cell: tenths of a millisecond; 0 = never measured. */
  rtt: Uint16Array;
  /** Likewise: log-coded milliseconds. */
  deviation: Uint8Array;
  /** Likewise: log-coded connections. */
  connections: Uint8Array;
  /** Likewise: minutes, of the last 45 days. */
  seen: Uint16Array;
  /** Hash of networks to rows plus 1; 0 = free. */
  slots: Int32Array;
};

export type LatencyTableOptions = Pick<LatencyTable, 'cells' | 'rowsMax' | 'memoryMs' | 'ageMaxMs'>;

const ROWS_FIRST = 1024;
const MINUTE_MS = 60_000;
const MINUTES = 2 ** 16;
/** Connections of before that new ones are averaged with. */
const SMOOTHED = 20;
/** A way that was measured so long ago may be another one now. */
const STALE_MS = 3_600_000;
/** Both codes: sixteenths of a doubling. */
const CODE_STEP = 16;
const CODE_MAX = 255;
const DEVIATION_SCALE = 4;

export function createLatencyTable(options: LatencyTableOptions): LatencyTable {
  const cells = ROWS_FIRST * options.cells;
  return {
    ...options,
    rows: 0,
    networks: new Float64Array(ROWS_FIRST),
    demand: new Float32Array(ROWS_FIRST),
    sources: new Uint8Array(ROWS_FIRST),
    rtt: new Uint16Array(cells),
    deviation: new Uint8Array(cells),
    connections: new Uint8Array(cells),
    seen: new Uint16Array(cells),
    slots: new Int32Array(ROWS_FIRST * 2),
  };
}

/** The row of a network; -1 = there is none. */
export function rowOf({ networks, slots }: LatencyTable, network: number): number {
  const mask = slots.length - 1;
  for (let slot = hashKey(network) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
    const row = slots[slot]! - 1;
    if (networks[row] === network) return row;
  }
  return -1;
}

/** Takes in what was measured of a network, in a cell of its row. Returns the row; -1 = the table is full. */
export function observe(
  table: LatencyTable,
  at: number,
  { count, deviationMs, network, rttMs }: RttRow,
  nowMs: number,
): number {
  const known = rowOf(table, network);
  const row = known >= 0 ? known : addRow(table, network);
  if (row < 0) return row;
  const cell = row * table.cells + at;
  const before = connectionsAt(table, cell, nowMs);
  const kept = isStale(table, row, at, nowMs) ? 0 : Math.min(before, SMOOTHED);
  const share = count / (count + kept);
  const mean = (old: number, now: number): number => old + (now - old) * share;
  table.deviation[cell] = code(
    mean(decode(table.deviation[cell]!) / DEVIATION_SCALE, deviationMs) * DEVIATION_SCALE,
  );
  table.rtt[cell] = Math.max(1, Math.round(mean(table.rtt[cell]! / 10, rttMs) * 10));
  table.connections[cell] = code(before + count);
  table.seen[cell] = minuteOf(nowMs);
  return row;
}

/** A cell's measured mean, milliseconds; 0 = never. */
export function measuredMs({ cells, rtt }: LatencyTable, row: number, at: number): number {
  return rtt[row * cells + at]! / 10;
}

export function deviationMs({ cells, deviation }: LatencyTable, row: number, at: number): number {
  return decode(deviation[row * cells + at]!) / DEVIATION_SCALE;
}

/** What a cell is worth now, in connections. */
export function connectionsOf(table: LatencyTable, row: number, at: number, nowMs: number): number {
  return connectionsAt(table, row * table.cells + at, nowMs);
}

/** Whether a cell was measured, but so long ago that something new counts for more than all of it. */
export function isStale(table: LatencyTable, row: number, at: number, nowMs: number): boolean {
  const cell = row * table.cells + at;
  return table.rtt[cell] !== 0 && ageMsAt(table, cell, nowMs) >= STALE_MS;
}

/** By whole minutes. */
function ageMsAt({ seen }: LatencyTable, cell: number, nowMs: number): number {
  return ((minuteOf(nowMs) - seen[cell]! + MINUTES) % MINUTES) * MINUTE_MS;
}

function connectionsAt(table: LatencyTable, cell: number, nowMs: number): number {
  if (table.rtt[cell] === 0) return 0;
  const ageMs = ageMsAt(table, cell, nowMs);
  return ageMs > table.ageMaxMs
    ? 0
    : decode(table.connections[cell]!) * 2 ** (-ageMs / table.memoryMs);
}

/**
 * Drops what is too old. Rows move: returns for each new row the one that it was, for who keeps more of them. To be
 * called at least every ten days, or minutes come round.
 */
export function forget(table: LatencyTable, nowMs: number): Int32Array {
  const { cells } = table;
  const cameFrom: number[] = [];
  for (let row = 0; row < table.rows; row += 1) {
    let isKnown = false;
    for (let cell = row * cells; cell < (row + 1) * cells; cell += 1) {
      if (connectionsAt(table, cell, nowMs) > 0) isKnown = true;
      else table.rtt[cell] = 0;
    }
    if (isKnown) cameFrom.push(row);
  }
  if (cameFrom.length === table.rows) return Int32Array.from(cameFrom);
  table.slots.fill(0);
  for (const [to, from] of cameFrom.entries()) {
    table.networks[to] = table.networks[from]!;
    table.demand[to] = table.demand[from]!;
    table.sources[to] = table.sources[from]!;
    for (const column of [table.rtt, table.deviation, table.connections, table.seen]) {
      column.copyWithin(to * cells, from * cells, (from + 1) * cells);
    }
    enter(table, to);
  }
  for (const column of [table.rtt, table.deviation, table.connections, table.seen]) {
    column.fill(0, cameFrom.length * cells, table.rows * cells);
  }
  table.demand.fill(0, cameFrom.length, table.rows);
  table.sources.fill(0, cameFrom.length, table.rows);
  table.rows = cameFrom.length;
  return Int32Array.from(cameFrom);
}

/** Octets that the table takes. */
export function sizeOf(table: LatencyTable): number {
  const { connections, demand, deviation, networks, rtt, seen, slots, sources } = table;
  return [connections, demand, deviation, networks, rtt, seen, slots, sources].reduce(
    (sum, { byteLength }) => sum + byteLength,
    0,
  );
}

function addRow(table: LatencyTable, network: number): number {
  if (table.rows === table.rowsMax) return -1;
  if (table.rows === table.networks.length) grow(table);
  const row = table.rows;
  table.rows += 1;
  table.networks[row] = network;
  enter(table, row);
  return row;
}

function enter({ networks, slots }: LatencyTable, row: number): void {
  const mask = slots.length - 1;
  let slot = hashKey(networks[row]!) & mask;
  while (slots[slot] !== 0) slot = (slot + 1) & mask;
  slots[slot] = row + 1;
}

function grow(table: LatencyTable): void {
  const rows = Math.min(table.rowsMax, table.networks.length * 2);
  const cells = rows * table.cells;
  const more = <Column extends { set(from: Column): void }>(to: Column, from: Column): Column => {
    to.set(from);
    return to;
  };
  table.networks = more(new Float64Array(rows), table.networks);
  table.demand = more(new Float32Array(rows), table.demand);
  table.sources = more(new Uint8Array(rows), table.sources);
  table.rtt = more(new Uint16Array(cells), table.rtt);
  table.deviation = more(new Uint8Array(cells), table.deviation);
  table.connections = more(new Uint8Array(cells), table.connections);
  table.seen = more(new Uint16Array(cells), table.seen);
  table.slots = new Int32Array(2 ** Math.ceil(Math.log2(rows * 2)));
  for (let row = 0; row < table.rows; row += 1) enter(table, row);
}

const minuteOf = (ms: number): number => Math.floor(ms / MINUTE_MS) % MINUTES;

/** Of values from 0 to 60,000, within 2 % of them. */
const code = (value: number): number =>
  Math.min(CODE_MAX, Math.round(CODE_STEP * Math.log2(1 + value)));
const decode = (coded: number): number => 2 ** (coded / CODE_STEP) - 1;

function hashKey(network: number): number {
  const low = (network % 2 ** 32) | 0;
  const high = Math.floor(network / 2 ** 32) | 0;
  let hash = Math.imul(low ^ Math.imul(high + 1, 0x9e3779b1), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
