import { parentPort } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { decodeLatencyMap, encodeLatencyMap, type LatencyMap } from './clients/latency-map.ts';
import { createLatencyPlanner, type LatencyPlanner } from './clients/latency-planner.ts';
import { decodeSketch } from './clients/rtt-sketch.ts';
import type { FromPlanner, ToPlanner } from './latency/planner.ts';
import { MAP_OCTETS_MAX } from './latency/store-keys.ts';

/** The planner's thread: sketches in, latency maps out. */

let planner: LatencyPlanner | undefined;
/** Of the map that was made last, or begun with: one that says the same is not made again. */
let before = '';
const EMPTY = { orders: [], regions: [], rows: [] };

const tell = (message: FromPlanner): void => parentPort?.postMessage(message);

parentPort?.on('message', (message: ToPlanner) => {
  switch (message.type) {
    case 'start':
      tell({ type: 'ready', engine: 'planner' });
      break;
    case 'begin': {
      planner = createLatencyPlanner(message.options);
      const read = message.map === undefined ? undefined : decodeLatencyMap(message.map);
      if (read?.ok) planner.adopt(read.map, message.nowMs);
      before = sayingOf(read?.ok ? read.map : EMPTY);
      break;
    }
    case 'learn':
      for (const bytes of message.sketches) {
        const sketch = decodeSketch(bytes);
        if (sketch !== undefined) planner?.learn(sketch, message.nowMs);
      }
      break;
    case 'window':
      if (planner !== undefined) plan(planner, message);
      break;
    case 'stop':
      process.exit(0);
  }
});

function plan(
  from: LatencyPlanner,
  { generation, id, isQuiet, nowMs }: ToPlanner & { readonly type: 'window' },
): void {
  const report = from.endWindow(nowMs, isQuiet);
  const map = from.map(generation, nowMs);
  const saying = sayingOf(map);
  const isNew = saying !== before;
  before = saying;
  tell({ type: 'planned', id, report, map: isNew ? encodeWithin(map) : undefined });
}

/** A hash of which network has which order: ways may change without a new map. */
function sayingOf({
  orders,
  regions,
  rows,
}: Pick<LatencyMap, 'orders' | 'regions' | 'rows'>): string {
  const orderHashes = orders.map((order) =>
    crc32(order.map((region) => regions[region]).join(' ')),
  );
  let [one, two] = [rows.length, 0];
  for (const { network, order } of rows) {
    const low = (network % 2 ** 32) ^ orderHashes[order]!;
    one = Math.imul(one ^ low, 0x01000193) + Math.floor(network / 2 ** 32);
    two = Math.imul(two + low, 0x85ebca6b) ^ (two >>> 13);
  }
  return `${one >>> 0} ${two >>> 0}`;
}

/** As many networks as there is room for. */
function encodeWithin(map: LatencyMap): Uint8Array {
  let { rows } = map;
  for (;;) {
    const bytes = encodeLatencyMap({ ...map, rows });
    if (bytes.length <= MAP_OCTETS_MAX) return bytes;
    rows = rows.slice(0, Math.floor((rows.length * MAP_OCTETS_MAX * 0.95) / bytes.length));
  }
}
