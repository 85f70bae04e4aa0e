/**
 * What time the cluster takes it to be, as an offset from a steady clock of this node that nobody
 * sets: of the store's clock, which is one for all; without it the median of the nodes' own clocks,
 * which one broken clock cannot move; without both what was last known. Pure.
 */
export type OffsetView = {
  /** The wall clock of this machine, less the steady clock. */
  readonly ownMs: number;
  /** The store's clock less the steady clock, as last measured. */
  readonly store: Measured | undefined;
  /** The wall clocks of other nodes, less this node's, by node. */
  readonly peers: ReadonlyMap<string, Measured>;
  /** The agreed time less the own wall clock, as last known before the start. */
  readonly saved: Measured | undefined;
};

export type Measured = { readonly offsetMs: number; readonly atMs: number };

export type ClockSource = 'store' | 'peers' | 'saved' | 'own';
export type AgreedOffset = { readonly source: ClockSource; readonly offsetMs: number };

/** Steady clocks of machines part by far less than a second in this time. */
export const STORE_OFFSET_KEEP_MS = 3600_000;
export const PEER_OFFSET_KEEP_MS = 5 * 60_000;
/** A machine whose clock was that wrong and is still off after a week has been looked after. */
export const SAVED_OFFSET_KEEP_MS = 7 * 24 * 3600_000;

/** @param steadyMs the steady clock, on which all samples are dated; that of `saved` is on the wall clock */
export function agreeOnOffset(view: OffsetView, steadyMs: number): AgreedOffset {
  const { ownMs, peers, saved, store } = view;
  if (store && steadyMs - store.atMs <= STORE_OFFSET_KEEP_MS) {
    return { source: 'store', offsetMs: store.offsetMs };
  }
  const heard = [...peers.values()].filter(({ atMs }) => steadyMs - atMs <= PEER_OFFSET_KEEP_MS);
  if (heard.length > 0) {
    const offsets = [0, ...heard.map(({ offsetMs }) => offsetMs)];
    return { source: 'peers', offsetMs: ownMs + median(offsets) };
  }
  if (saved && Math.abs(steadyMs + ownMs - saved.atMs) <= SAVED_OFFSET_KEEP_MS) {
    return { source: 'saved', offsetMs: ownMs + saved.offsetMs };
  }
  return { source: 'own', offsetMs: ownMs };
}

/** The mean of the middle two when there is no middle one: two nodes then agree on a time as well. */
function median(values: readonly number[]): number {
  const ordered = values.toSorted((a, b) => a - b);
  const middle = ordered.length >> 1;
  const upper = ordered[middle] ?? 0;
  return ordered.length % 2 === 1 ? upper : (upper + (ordered[middle - 1] ?? upper)) / 2;
}
