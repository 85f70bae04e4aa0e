/**
 * The order of regions by client network, as it is published: what every node steers by until the next one. One node
 * makes it, all take it, so that they agree; it outlives whoever made it.
 *
 *   "MLM2" · length of the head · head, JSON · rows, Brotli · CRC-32
 *   rows, in columns: distance of the network · number of its order · who said so · of the first places the way, log-coded
 *
 * Networks that geography orders alike are not in it.
 */
import { brotliCompressSync, brotliDecompressSync, constants, crc32 } from 'node:zlib';
import { KEY_LIMIT } from './network-key.ts';

export type LatencyMap = {
  /** Counts up; a map with a smaller one never takes the place of this. */
  readonly generation: number;
  readonly madeAtMs: number;
  /** Names of the regions that orders are of. */
  readonly regions: readonly string[];
  /** Regions by index, best first; each occurs. */
  readonly orders: readonly (readonly number[])[];
  readonly rows: readonly LatencyMapRow[];
};

export type LatencyMapRow = {
  readonly network: number;
  /** Index of `orders`. */
  readonly order: number;
  /** What the first places of the order are believed to be away, milliseconds. */
  readonly waysMs: readonly number[];
  /** Who has measured the network: a bit for each of RTT_SOURCES. */
  readonly sources: number;
};

const MAGIC = 'MLM2';
const WORD = 4;
export const MAP_ROWS_MAX = 2_000_000;
/** Of three of fifty regions there are not many more. */
export const ORDERS_MAX = 100_000;
const HEAD_OCTETS_MAX = 64 * 2 ** 20;
/** Ways that are told of each network. */
export const WAYS_TOLD = 3;
/** Fast enough to be done every few minutes. */
const QUALITY = 5;
/** Octets of a row at most: of the network, of its order, of who said so, ways. */
const ROW_OCTETS_MAX = 8 + 3 + 1 + WAYS_TOLD;
/** Ways within 2 %, up to four seconds. */
const WAY_STEP = 20;

type Head = Pick<LatencyMap, 'generation' | 'madeAtMs' | 'regions' | 'orders'> & {
  readonly count: number;
};

export function encodeLatencyMap(map: LatencyMap): Uint8Array {
  const { generation, madeAtMs, orders, regions } = map;
  const rows = map.rows.toSorted((a, b) => a.network - b.network);
  const head: Head = { generation, madeAtMs, regions, orders, count: rows.length };
  const columns = Buffer.alloc(rows.length * ROW_OCTETS_MAX);
  let at = 0;
  const write = (value: number): void => {
    let rest = value;
    while (rest >= 128) {
      columns[at++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    columns[at++] = rest;
  };
  let last = 0;
  for (const { network } of rows) {
    write(network - last);
    last = network;
  }
  for (const { order } of rows) write(order);
  for (const { sources } of rows) columns[at++] = sources;
  for (let place = 0; place < WAYS_TOLD; place += 1) {
    for (const { waysMs } of rows) columns[at++] = codeWay(waysMs[place] ?? 0);
  }
  const packed = brotliCompressSync(columns.subarray(0, at), {
    params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY },
  });
  const headOctets = Buffer.from(JSON.stringify(head));
  const body = Buffer.concat([Buffer.from(MAGIC), word(headOctets.length), headOctets, packed]);
  return Buffer.concat([body, word(crc32(body))]);
}

export type LatencyMapReading =
  | { readonly ok: true; readonly map: LatencyMap }
  | { readonly ok: false; readonly reason: string };

/** Reads a map. Never throws: what is wrong is the reason. */
export function decodeLatencyMap(bytes: Uint8Array): LatencyMapReading {
  try {
    return { ok: true, map: read(Buffer.from(bytes)) };
  } catch (error) {
    return { ok: false, reason: (error as Error).message };
  }
}

function read(file: Buffer): LatencyMap {
  const end = file.length - WORD;
  const headAt = MAGIC.length + WORD;
  if (end < headAt || file.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw new Error('it is no latency map');
  }
  if (file.readUInt32LE(end) !== crc32(file.subarray(0, end))) throw new Error('it is damaged');
  const rowsAt = headAt + file.readUInt32LE(MAGIC.length);
  if (rowsAt > end || rowsAt > HEAD_OCTETS_MAX) throw new Error('its head is longer than it');
  const head = readHead(file.toString('utf8', headAt, rowsAt));
  const columns = brotliDecompressSync(file.subarray(rowsAt, end), {
    maxOutputLength: head.count * ROW_OCTETS_MAX + 1,
  });
  const { count, ...rest } = head;
  return { ...rest, rows: readRows(columns, count, rest.orders.length) };
}

function readHead(text: string): Head {
  const head = JSON.parse(text) as Partial<Head>;
  const { count, generation, madeAtMs, orders, regions } = head;
  const isNumber = (value: unknown, most: number): value is number =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
  if (!isNumber(count, MAP_ROWS_MAX)) throw new Error('its head does not tell its rows');
  if (!isNumber(generation, Number.MAX_SAFE_INTEGER)) throw new Error('it has no generation');
  if (!isNumber(madeAtMs, Number.MAX_SAFE_INTEGER)) throw new Error('it is of no time');
  if (!Array.isArray(regions) || !regions.every((name) => typeof name === 'string')) {
    throw new Error('its regions have no names');
  }
  const all = regions.length;
  const isOrder = (order: unknown): boolean =>
    Array.isArray(order) &&
    order.length === all &&
    new Set(order).size === all &&
    order.every((region) => isNumber(region, all - 1));
  if (!Array.isArray(orders) || orders.length > ORDERS_MAX || !orders.every(isOrder)) {
    throw new Error('one of its orders is none');
  }
  return { count, generation, madeAtMs, orders, regions };
}

function readRows(columns: Buffer, count: number, orders: number): readonly LatencyMapRow[] {
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let scale = 1; scale < 2 ** 56; scale *= 128) {
      const octet = columns[at++];
      if (octet === undefined) throw new Error('a column is cut off');
      value += (octet & 0x7f) * scale;
      if (octet < 128) return value;
    }
    throw new Error('a number has no end');
  };
  const networks: number[] = [];
  let last = -1;
  for (let index = 0; index < count; index += 1) {
    const network = Math.max(0, last) + next();
    if (network <= last || network >= KEY_LIMIT) throw new Error('its networks are in no order');
    networks.push(network);
    last = network;
  }
  const numbers = networks.map(() => next());
  if (numbers.some((order) => order >= orders)) throw new Error('a network has an unknown order');
  if (columns.length - at !== count * (1 + WAYS_TOLD)) throw new Error('its ways are not told');
  return networks.map((network, index) => {
    const waysMs = Array.from({ length: WAYS_TOLD }, (_, place) =>
      decodeWay(columns[at + (1 + place) * count + index]!),
    ).filter((ms) => ms > 0);
    return { network, order: numbers[index]!, sources: columns[at + index]!, waysMs };
  });
}

/** 0 = not told. */
export const codeWay = (ms: number): number =>
  ms > 0 ? Math.max(1, Math.min(255, Math.round(WAY_STEP * Math.log2(1 + ms)))) : 0;
export const decodeWay = (coded: number): number =>
  coded === 0 ? 0 : Math.round((2 ** (coded / WAY_STEP) - 1) * 10) / 10;

function word(value: number): Buffer {
  const octets = Buffer.alloc(WORD);
  octets.writeUInt32LE(value);
  return octets;
}
