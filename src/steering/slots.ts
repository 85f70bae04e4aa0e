/**
 * Which part clients belong to: the clients of a name are dealt out into slots, and each slot to a part, by weighted
 * rendezvous (Schindelhauer and Schomaker, 2005): every part draws a number for every slot, scaled by its share,
 * and the least has it. So a part that appears, grows, shrinks or goes moves the slots that it gets or had.
 * By luck some parts would have a per cent more than their share; slots that were won by the least are moved until
 * each part has its share to a slot. Where there are more than two, that is about a per cent of the slots, and they
 * may be others after a change.
 *
 * Parts within parts share the slots of the outer one: whatever happens in it, no other part notices.
 */
export const SLOTS = 1024;

/** Between a part and one within it: `others > web/eu`. No name in a configuration has it. */
export const WITHIN = ' > ';

/**
 * The part of each slot, by index.
 * @param keys what tells parts apart, in every state
 * @param shares of the slots, summing to 1
 */
export function dealSlots(keys: readonly string[], shares: readonly number[]): Uint16Array {
  const dealt = new Uint16Array(SLOTS);
  const parts = keys.map((key, index) => ({
    index,
    path: key.split(WITHIN),
    share: shares[index]!,
  }));
  dealAmong(parts, 0, ALL_SLOTS, dealt);
  return dealt;
}

type KeyedPart = {
  readonly index: number;
  readonly path: readonly string[];
  readonly share: number;
};

const ALL_SLOTS: readonly number[] = Array.from({ length: SLOTS }, (_, slot) => slot);

/** Deals out `slots` to what the paths of `parts` have at `depth`, and those of each to what is within it. */
function dealAmong(
  parts: readonly KeyedPart[],
  depth: number,
  slots: readonly number[],
  dealt: Uint16Array,
): void {
  const [first] = parts;
  if (slots.length === 0 || first === undefined) return;
  if (parts.length === 1 || parts.every(({ path }) => path.length <= depth)) {
    for (const slot of slots) dealt[slot] = first.index;
    return;
  }
  const groups = Map.groupBy(parts, ({ path }) => path[depth] ?? '');
  const members = [...groups.values()];
  const sums = members.map((list) => list.reduce((sum, { share }) => sum + share, 0));
  const whole = sums.reduce((sum, each) => sum + each, 0);
  const shares = sums.map((sum) => sum / whole);
  const owners = dealFlat([...groups.keys()], shares, slots);
  for (const [group, list] of members.entries()) {
    const own = slots.filter((_, at) => owners[at] === group);
    dealAmong(list, depth + 1, own, dealt);
  }
}

/** For each of `slots`, by its place in the list, the index of the key that has it. */
function dealFlat(
  keys: readonly string[],
  shares: readonly number[],
  slots: readonly number[],
): Uint16Array {
  const dealt = new Uint16Array(slots.length);
  if (keys.length === 1) return dealt;
  const costs = keys.map((key, part) => costsOf(key, shares[part]!, slots));
  const counts = keys.map(() => 0);
  for (let at = 0; at < slots.length; at += 1) {
    let best = 0;
    for (let part = 1; part < costs.length; part += 1) {
      if (costs[part]![at]! < costs[best]![at]!) best = part;
    }
    dealt[at] = best;
    counts[best]! += 1;
  }
  even(dealt, costs, counts, quotas(shares, slots.length));
  return dealt;
}

function costsOf(key: string, share: number, slots: readonly number[]): Float64Array {
  const seed = hashText(key);
  return Float64Array.from(slots, (slot) => {
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
  const moves: { readonly at: number; readonly to: number; readonly loss: number }[] = [];
  for (let at = 0; at < dealt.length; at += 1) {
    const from = dealt[at]!;
    if (counts[from]! <= wanted[from]!) continue;
    for (const to of few) {
      moves.push({ at, to, loss: costs[to]![at]! / costs[from]![at]! });
    }
  }
  moves.sort((a, b) => a.loss - b.loss || a.at - b.at || a.to - b.to);
  const moved = new Set<number>();
  for (const { at, to } of moves) {
    const from = dealt[at]!;
    if (moved.has(at) || counts[from]! <= wanted[from]! || counts[to]! >= wanted[to]!) continue;
    dealt[at] = to;
    moved.add(at);
    counts[from]! -= 1;
    counts[to]! += 1;
  }
}

/** How many of `slots` each share has, by the largest remainders. */
function quotas(shares: readonly number[], slots: number): readonly number[] {
  const exact = shares.map((share) => share * slots);
  const whole = exact.map((each) => Math.floor(each + ROUNDING));
  let left = slots - whole.reduce((sum, each) => sum + each, 0);
  // As whole numbers: equal remainders are equal however their sums were made.
  const rests = exact.map((each, part) => Math.round((each - whole[part]!) / ROUNDING));
  const order = [...exact.keys()].sort((a, b) => rests[b]! - rests[a]! || a - b);
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
