import type { Source } from '../ip/source.ts';

/**
 * Who asks, by a sample: the source of the last query of a batch, at most one in SAMPLE_EVERY_MS. So it costs nothing
 * for each query, a comparison for each batch, and of a flood no more is seen than of anybody else.
 */
export type SourceSampler = {
  /** To be called when a batch is answered. @param nowMs of a clock that may step */
  take(source: Source, nowMs: number): void;
  set(isOn: boolean): void;
};

export const SAMPLE_EVERY_MS = 10;
const TELL_EVERY_MS = 1000;
/** Of an address as it is told: IPv4 ones are mapped (RFC 4291 2.5.5.2). */
export const SOURCE_OCTETS = 16;
const MAPPED_AT = 10;
const IPV4_AT = 12;
const SAMPLES_MAX = TELL_EVERY_MS / SAMPLE_EVERY_MS;

/** @param tell is given a copy */
export function createSourceSampler(tell: (sources: Uint8Array) => void): SourceSampler {
  const samples = new Uint8Array(SAMPLES_MAX * SOURCE_OCTETS);
  let isOn = false;
  let [takenMs, toldMs, count] = [0, 0, 0];
  return {
    take({ address, family }, nowMs) {
      if (!isOn || isWithin(takenMs, nowMs, SAMPLE_EVERY_MS)) return;
      takenMs = nowMs;
      const at = count * SOURCE_OCTETS;
      for (let index = 0; index < SOURCE_OCTETS; index += 1) {
        samples[at + index] = family === 6 ? address[index]! : mapped(address, index);
      }
      count += 1;
      if (count < SAMPLES_MAX && isWithin(toldMs, nowMs, TELL_EVERY_MS)) return;
      toldMs = nowMs;
      tell(samples.slice(0, count * SOURCE_OCTETS));
      count = 0;
    },
    set(wanted) {
      isOn = wanted;
      if (!isOn) count = 0;
    },
  };
}

/** Of an address that is mapped. */
function mapped(address: Uint8Array, index: number): number {
  if (index >= IPV4_AT) return address[index - IPV4_AT]!;
  return index >= MAPPED_AT ? 0xff : 0;
}

/** Whether it is not so long ago. A clock that was set back says that it is. */
const isWithin = (thenMs: number, nowMs: number, ms: number): boolean =>
  nowMs >= thenMs && nowMs - thenMs < ms;
