/** By what they are the weight of: each part by its key. */
const weights = new WeakMap<object, ReadonlyMap<object | string, ArrayBuffer>>();
/** What was weighed last: most of what comes next is mostly the same. */
let last: WeakRef<object> | undefined;

/**
 * Lets the engine know how much shared memory a value holds, as long as this thread holds the value. It collects
 * garbage by what it has counted, and of memory that threads share it counts nothing: a thread that allocates little
 * else would not let go of what it was sent before, hundreds of megabytes after some hundred reloads.
 *
 * The weight is an array of that length which nobody touches: addresses without memory behind them, as the engine
 * asks the system for those that can be resized. Memory that the value weighed last had as well is counted once: to
 * count all of a large table with every zone that changes would have the engine collect garbage all the time.
 *
 * @param parts octets, by the memory that they are; one key = one memory
 */
export function weigh(value: object, parts: ReadonlyMap<object | string, number>): void {
  const before = last?.deref();
  const known = before && weights.get(before);
  const own = new Map<object | string, ArrayBuffer>();
  for (const [key, octets] of parts) {
    const same = known?.get(key);
    const weight = same?.byteLength === octets ? same : newWeight(octets);
    if (weight !== undefined) own.set(key, weight);
  }
  weights.set(value, own);
  last = new WeakRef(value);
}

function newWeight(octets: number): ArrayBuffer | undefined {
  try {
    return new ArrayBuffer(octets, { maxByteLength: octets });
  } catch {
    // No addresses are left: memory is freed later.
    return undefined;
  }
}
