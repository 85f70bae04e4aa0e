/** By what they are the weight of. */
const weights = new WeakMap<object, ArrayBuffer>();

/**
 * Lets the engine know how much shared memory a value holds, as long as this thread holds the value. It collects
 * garbage by what it has counted, and of memory that threads share it counts nothing: a thread that allocates little
 * else would not let go of what it was sent before, hundreds of megabytes after some hundred reloads.
 *
 * The weight is an array of that length which nobody touches: addresses without memory behind them, as the engine
 * asks the system for those that can be resized.
 */
export function weigh(value: object, octets: number): void {
  try {
    weights.set(value, new ArrayBuffer(octets, { maxByteLength: octets }));
  } catch {
    // No addresses are left: memory is freed later.
  }
}
