import type { Transport } from '../../src/cluster/transport.ts';

/**
 * A network that exists only as timers of a moved clock: latency, loss, duplicates, one-way cuts. All
 * chance comes from `draw`, so a run is told again by its seed.
 */
export type VirtualNetwork = {
  attach(address: string): Transport;
  /** Share of datagrams that are lost, and that arrive twice; latency between two bounds. */
  set(quality: Partial<Quality>): void;
  /** Nothing passes from one address to another. */
  cut(from: string, to: string): void;
  heal(): void;
  /** From now on the others see the one address as the other, and reach it there. */
  rename(address: string, seenAs: string): void;
  /** Loses the datagram with this number, counted from now on. */
  dropNth(number: number): void;
  /** Everything that was sent, for those who listen on the way. */
  readonly overheard: { readonly bytes: Uint8Array; readonly from: string; readonly to: string }[];
  /** Puts bytes on the wire that nobody sent. */
  inject(bytes: Uint8Array, from: string, to: string): void;
};

type Quality = {
  readonly loss: number;
  readonly duplicates: number;
  readonly latencyMs: readonly [number, number];
};

type Clock = { setTimer(ms: number, run: () => void): () => void };
type Listener = (bytes: Uint8Array, address: string) => void;

/** Datagrams that are remembered; older ones are forgotten. */
const OVERHEARD_MAX = 10_000;

export function createVirtualNetwork(clock: Clock, draw: () => number): VirtualNetwork {
  const listeners = new Map<string, Listener>();
  const cuts = new Set<string>();
  const overheard: VirtualNetwork['overheard'] = [];
  const renamed = new Map<string, string>();
  let untilLost = Number.POSITIVE_INFINITY;
  let quality: Quality = { loss: 0, duplicates: 0, latencyMs: [1, 5] };
  const deliver = (bytes: Uint8Array, from: string, to: string): void => {
    const [least, most] = quality.latencyMs;
    clock.setTimer(least + draw() * (most - least), () => listeners.get(to)?.(bytes, from));
  };
  const isLost = (from: string, to: string): boolean => {
    untilLost -= 1;
    return untilLost === -1 || cuts.has(`${from} ${to}`) || draw() < quality.loss;
  };
  return {
    overheard,
    attach: (address) => ({
      addresses: [address],
      send(bytes, to) {
        const copy = Uint8Array.from(bytes);
        const from = renamed.get(address) ?? address;
        overheard.push({ bytes: copy, from, to });
        if (overheard.length > OVERHEARD_MAX) overheard.shift();
        if (isLost(from, to)) return;
        deliver(copy, from, to);
        if (draw() < quality.duplicates) deliver(copy, from, to);
      },
      onDatagram(listener) {
        listeners.set(address, listener);
      },
      close() {
        listeners.delete(address);
        return Promise.resolve();
      },
    }),
    set(changes) {
      quality = { ...quality, ...changes };
    },
    cut: (from, to) => void cuts.add(`${from} ${to}`),
    heal: () => cuts.clear(),
    rename(address, seenAs) {
      renamed.set(address, seenAs);
      listeners.set(seenAs, (bytes, from) => listeners.get(address)?.(bytes, from));
    },
    dropNth(number) {
      untilLost = number;
    },
    inject: deliver,
  };
}

/** A generator of numbers in [0, 1) that a seed tells (mulberry32). */
export function seededDraw(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
