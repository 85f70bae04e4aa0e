/**
 * Which part clients belong to: the clients of a name are dealt out into slots, and each slot to a part, by weighted
 * rendezvous (Schindelhauer and Schomaker, 2005): every part draws a number for every slot, scaled by its share,
 * and the least has it. So a part that appears, grows, shrinks or goes moves only the slots that it gets or had.
 * By luck some parts would have a per cent more than their share; slots that were won by the least are moved until
 * each part has its share to a slot.
 */
export const SLOTS = 1024;

/**
 * The part of each slot, by index.
 * @param keys what tells parts apart, in every state
 * @param shares of the slots, summing to 1
 */
export function dealSlots(keys: readonly string[], shares: readonly number[]): Uint16Array {
  const costs = keys.map((key, part) => costsOf(key, shares[part]!));
  const dealt = new Uint16Array(SLOTS);
  const counts = keys.map(() => 0);
  for (let slot = 0; slot < SLOTS; slot += 1) {
    let best = 0;
    for (let part = 1; part < costs.length; part += 1) {
      if (costs[part]![slot]! < costs[best]![slot]!) best = part;
    }
    dealt[slot] = best;
    counts[best]! += 1;
  }
  even(dealt, costs, counts, quotas(shares));
  return dealt;
}

function costsOf(key: string, share: number): Float64Array {
  const seed = hashText(key);
  return Float64Array.from({ length: SLOTS }, (_, slot) => {
    const drawn = (mix(seed ^ Math.imul(slot + 1, 0x9e3779b1)) + 1) / 2 ** 32;
    return share > 0 ? -Math.log(drawn) / share : Number.POSITIVE_INFINITY;
  });
}

/** Moves slots from parts that have too many to those that have too few, those first that cost least. */
function even(
  dealt: Uint16Array,
  costs: readonly Float64Array[],
  counts: number[],
  wanted: readonly number[],
): void {
  const few = counts.flatMap((count, part) => (count < wanted[part]! ? [part] : []));
  if (few.length === 0) return;
  const moves: { readonly slot: number; readonly to: number; readonly loss: number }[] = [];
  for (let slot = 0; slot < SLOTS; slot += 1) {
    const from = dealt[slot]!;
    if (counts[from]! <= wanted[from]!) continue;
    for (const to of few) {
      moves.push({ slot, to, loss: costs[to]![slot]! / costs[from]![slot]! });
    }
  }
  moves.sort((a, b) => a.loss - b.loss || a.slot - b.slot || a.to - b.to);
  const moved = new Set<number>();
  for (const { slot, to } of moves) {
    const from = dealt[slot]!;
    if (moved.has(slot) || counts[from]! <= wanted[from]! || counts[to]! >= wanted[to]!) continue;
    dealt[slot] = to;
    moved.add(slot);
    counts[from]! -= 1;
    counts[to]! += 1;
  }
}

/** Whole slots for each share, by the largest remainders. */
function quotas(shares: readonly number[]): readonly number[] {
  const exact = shares.map((share) => share * SLOTS);
  const whole = exact.map((each) => Math.floor(each + ROUNDING));
  let left = SLOTS - whole.reduce((sum, each) => sum + each, 0);
  const order = [...exact.keys()].sort(
    (a, b) => exact[b]! - whole[b]! - (exact[a]! - whole[a]!) || a - b,
  );
  for (const part of order) {
    if (left <= 0) break;
    whole[part]! += 1;
    left -= 1;
  }
  return whole;
}

/** A sum of shares is 1 but for rounding. */
const ROUNDING = 1e-6;

function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash;
}

/** 32 unsigned bits (the finaliser of MurmurHash3). */
function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
