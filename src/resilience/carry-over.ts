/**
 * What was learnt of servers that stay when a pool changes: an ejection, a ramp or a learnt idle age must
 * not be forgotten because another server was added. For states whose arrays all hold the same number of
 * rows per server: those of outlier, slow-start, keepalive-learning and adaptive-limit.
 *
 * @param next fresh, for the new servers; it is filled
 * @param formerIndexes per new server its index in `former`, or -1 when it is new
 */
export function carryOver<State extends ServerArrays>(
  former: State,
  next: State,
  formerIndexes: readonly number[],
): void {
  for (const [name, target] of Object.entries(next)) {
    const source = former[name]!;
    const width = target.length / Math.max(1, formerIndexes.length);
    for (const [index, before] of formerIndexes.entries()) {
      if (before < 0) continue;
      target.set(source.subarray(width * before, width * (before + 1)), width * index);
    }
  }
}

export type ServerArrays = Readonly<
  Record<string, Uint8Array | Uint16Array | Uint32Array | Float32Array | Float64Array>
>;
