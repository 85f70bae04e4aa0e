/**
 * What a node tells of round-trip times, as octets: networks in ascending order, each as the distance from the one
 * before. Five octets for most; no more networks than the bound, those with the most connections.
 *
 *   version · length of the region's name · name · source · how many rows
 *   rows: distance of the network · tenths of a millisecond · deviation, likewise · connections
 *
 * Numbers but the first three are varints (LEB128). It comes from other nodes: whatever is wrong with it, it is refused.
 */
import { KEY_LIMIT } from './network-key.ts';
import type { RttRow } from './rtt-collector.ts';

export type RttSketch = {
  /** Where it was measured from. */
  readonly region: string;
  readonly source: RttSource;
  readonly rows: readonly RttRow[];
};

/** How it was measured: by connections of clients, by probes, by pages that fetched something. */
export const RTT_SOURCES = ['clients', 'probes', 'beacon'] as const;
export type RttSource = (typeof RTT_SOURCES)[number];

export const SKETCH_ROWS_MAX = 50_000;
const VERSION = 1;
const HEAD_OCTETS = 3;
/** Of a row: 8 for the network, 3 for each time, 5 for the count. */
const ROW_OCTETS_MAX = 8 + 3 + 3 + 5;
const TENTHS_MAX = 65_535;
const COUNT_MAX = 2 ** 32 - 1;

export function encodeSketch({ region, rows, source }: RttSketch): Uint8Array {
  const most = [...rows].sort((a, b) => b.count - a.count).slice(0, SKETCH_ROWS_MAX);
  const name = Buffer.from(region);
  const out = Buffer.alloc(HEAD_OCTETS + name.length + 5 + most.length * ROW_OCTETS_MAX);
  let at = 0;
  out[at++] = VERSION;
  out[at++] = name.length;
  at += name.copy(out, at);
  out[at++] = RTT_SOURCES.indexOf(source);
  const write = (value: number): void => {
    let rest = value;
    while (rest >= 128) {
      out[at++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    out[at++] = rest;
  };
  write(most.length);
  let last = 0;
  for (const { count, deviationMs, network, rttMs } of most.sort((a, b) => a.network - b.network)) {
    write(network - last);
    // Who is on the same machine is told as a tenth of a millisecond away: nothing is no way.
    write(Math.max(1, tenths(rttMs)));
    write(tenths(deviationMs));
    write(Math.min(COUNT_MAX, count));
    last = network;
  }
  return out.subarray(0, at);
}

const tenths = (ms: number): number => Math.min(TENTHS_MAX, Math.max(0, Math.round(ms * 10)));

/** The sketch in the octets; undefined = they are none. */
export function decodeSketch(bytes: Uint8Array): RttSketch | undefined {
  const reader = createReader(bytes);
  if (reader.octet() !== VERSION) return undefined;
  const region = reader.text(reader.octet());
  const source = RTT_SOURCES[reader.octet()];
  const count = reader.varint();
  if (source === undefined || region === '' || !(count <= SKETCH_ROWS_MAX)) return undefined;
  const rows: RttRow[] = [];
  let network = 0;
  for (let left = count; left > 0; left -= 1) {
    const distance = reader.varint();
    const [rtt, deviation, connections] = [reader.varint(), reader.varint(), reader.varint()];
    if (distance === 0 && rows.length > 0) return undefined;
    network += distance;
    const isRow =
      network < KEY_LIMIT &&
      rtt > 0 &&
      rtt <= TENTHS_MAX &&
      deviation <= TENTHS_MAX &&
      connections > 0 &&
      connections <= COUNT_MAX;
    if (!isRow) return undefined;
    rows.push({ network, rttMs: rtt / 10, deviationMs: deviation / 10, count: connections });
  }
  return reader.isDone() ? { region, source, rows } : undefined;
}

/** Reads NaN and '' beyond the end, which no check lets pass. */
function createReader(bytes: Uint8Array) {
  let at = 0;
  return {
    octet: (): number => bytes[at++] ?? Number.NaN,
    text(length: number): string {
      if (!(at + length <= bytes.length)) return '';
      at += length;
      return Buffer.from(bytes.subarray(at - length, at)).toString('utf8');
    },
    varint(): number {
      let value = 0;
      for (let scale = 1; scale < 2 ** 56; scale *= 128) {
        const octet = bytes[at++] ?? Number.NaN;
        value += (octet & 0x7f) * scale;
        if (!(octet >= 128)) return Number.isNaN(octet) ? Number.NaN : value;
      }
      return Number.NaN;
    },
    isDone: () => at === bytes.length,
  };
}
