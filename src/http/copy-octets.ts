/** Below this a loop beats the call. */
const SHORT_BYTES = 24;
const { copy } = Buffer.prototype;

/**
 * Copies `from[start..end)` to `to[at..)`. Node's own `copy` needs no view of either, which would be garbage
 * and cost as much as copying 500 octets; the places may overlap.
 */
export function copyOctets(
  to: Uint8Array,
  at: number,
  from: Uint8Array,
  start: number,
  end: number,
): void {
  if (end - start < SHORT_BYTES) {
    const shift = at - start;
    for (let index = start; index < end; index++) to[index + shift] = from[index]!;
  } else copy.call(from, to, at, start, end);
}
