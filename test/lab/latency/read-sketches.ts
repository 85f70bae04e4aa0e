import { prefixOfKey } from '../../../src/clients/network-key.ts';
import { decodeSketch } from '../../../src/clients/rtt-sketch.ts';
import { systemClock } from '../../../src/control/clock.ts';
import { formatPrefix } from '../../../src/ip/prefix.ts';
import { SKETCH_LOG, SKETCHES_MAX } from '../../../src/latency/store-keys.ts';
import { redisOptions, targetOf } from '../../../src/store/redis/options.ts';
import { openRedisStore } from '../../../src/store/redis/redis-store.ts';

/**
 * A program: writes all that nodes have told each other of round-trip times, as JSON. It runs where the store is.
 *
 *     node read-sketches.ts OPTIONS_OF_REDIS
 */
export type ToldRow = {
  /** When it was told, by the store's clock. */
  readonly atMs: number;
  readonly region: string;
  readonly network: string;
  readonly rttMs: number;
  readonly deviationMs: number;
  readonly count: number;
};

const options = redisOptions.parse(JSON.parse(process.argv[2] ?? ''));
const store = await openRedisStore(targetOf(options), systemClock, Math.random);
const entries = await store.read(SKETCH_LOG, '', SKETCHES_MAX);
await store.close();
const rows = entries.flatMap(({ atMs, value }): readonly ToldRow[] => {
  const sketch = decodeSketch(new Uint8Array(Buffer.from(value, 'base64')));
  if (sketch === undefined) throw new Error(`no sketch: ${value}`);
  return sketch.rows.map(({ network, ...measured }) => ({
    ...{ atMs, region: sketch.region },
    ...{ network: formatPrefix(prefixOfKey(network)), ...measured },
  }));
});
process.stdout.write(JSON.stringify(rows));
