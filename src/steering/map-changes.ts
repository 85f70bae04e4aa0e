/**
 * What one map answers otherwise than another: who goes elsewhere, of which networks. Both may have geo data, regions
 * and policies of their own; all that is compared is what clients are answered while every endpoint is up.
 */
import { describePlace } from '../geo/describe-place.ts';
import { combineRanges, type Ranges } from '../ip/ranges.ts';
import {
  addSpace,
  answerTo,
  bySpace,
  type ListedNetwork,
  listNetworks,
  type MapChart,
  noSpace,
  type SpaceShare,
  type SpaceSum,
  shareOf,
  type ValueSizes,
} from './map-chart.ts';
import { movesBetween, type RegionAnswer } from './region-answer.ts';

/** Shares are of addresses whose place is known to one of the two maps at least. */
export type MapChanges = {
  /** Those that are answered otherwise, if only in part. */
  readonly share: SpaceShare;
  /** Who goes elsewhere: of addresses that share an answer of several regions, the part that moves. */
  readonly moves: readonly SpaceMove[];
  /** Those whose answer stays, and who go elsewhere than before when its regions are down. */
  readonly nextShare: SpaceShare;
  /** Those whose place became known, and those whose place no longer is. */
  readonly foundShare: SpaceShare;
  readonly lostShare: SpaceShare;
  /** Of addresses whose place is known to neither: those that are answered otherwise. */
  readonly unlocatedShare: SpaceShare;
  /** The largest ones that are answered otherwise; none of which nothing is known before or now. */
  readonly networks: readonly ChangedNetwork[];
};

export type SpaceMove = {
  readonly from: string;
  readonly to: string;
  readonly share: SpaceShare;
};

export type ChangedNetwork = ListedNetwork & {
  /** As the newer geo data have it. */
  readonly place: string;
  /** As the older ones have it, where that is another. */
  readonly placeBefore?: string;
  readonly before: RegionAnswer;
  readonly now: RegionAnswer;
};

/** @param networksMax networks of each family in the list at most */
export function compareMaps(before: MapChart, now: MapChart, networksMax: number): MapChanges {
  const overlay = overlayOf(before, now);
  const { pairs, sizes } = overlay;
  const sums = {
    ...{ known: noSpace(), share: noSpace(), nextShare: noSpace(), foundShare: noSpace() },
    ...{ lostShare: noSpace(), unknown: noSpace(), unlocatedShare: noSpace() },
  };
  const moves = createMoves();
  const isChanged = new Uint8Array(pairs.length);
  for (const [index, pair] of pairs.entries()) {
    const [was, is] = [answerTo(before, pair.before), answerTo(now, pair.now)];
    const moved = movesBetween(was.answer, is.answer);
    const add = (sum: keyof typeof sums): void => addSpace(sums[sum], sizes, index);
    const isKnown = now.facts.isLocated(pair.now);
    const wasKnown = before.facts.isLocated(pair.before);
    if (moved.length > 0) isChanged[index] = 1;
    add(isKnown || wasKnown ? 'known' : 'unknown');
    if (!isKnown && !wasKnown) {
      if (moved.length > 0) add('unlocatedShare');
      continue;
    }
    if (isKnown !== wasKnown) add(isKnown ? 'foundShare' : 'lostShare');
    if (moved.length > 0) add('share');
    else if (movesBetween(was.next, is.next).length > 0) add('nextShare');
    for (const { from, share, to } of moved) moves.add(from, to, sizes, index, share);
  }
  const { known, unknown } = sums;
  return {
    share: shareOf(sums.share, known),
    moves: moves.all(known),
    nextShare: shareOf(sums.nextShare, known),
    foundShare: shareOf(sums.foundShare, known),
    lostShare: shareOf(sums.lostShare, known),
    unlocatedShare: shareOf(sums.unlocatedShare, unknown),
    networks: changedNetworks(before, now, overlay, isChanged, known, networksMax),
  };
}

/** Two maps laid over each other. */
type Overlay = {
  /** The values are numbers of pairs. */
  readonly ranges: Ranges;
  readonly sizes: ValueSizes;
  /** Numbers of clients. */
  readonly pairs: readonly Pair[];
};
type Pair = { readonly before: number; readonly now: number };

function overlayOf(before: MapChart, now: MapChart): Overlay {
  const { count } = before.facts;
  const { ranges } = now;
  if (before.ranges === ranges) {
    const pairs = Array.from({ length: count }, (_, number) => ({ before: number, now: number }));
    return { ranges, sizes: now.sizes, pairs };
  }
  const pairs: Pair[] = [];
  const numbers = new Map<number, number>();
  const combined = combineRanges(before.ranges, ranges, (under, over) => {
    const key = over * count + under;
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, pairs.length);
    return pairs.push({ before: under, now: over }) - 1;
  });
  return { ranges: combined, sizes: now.world.sizesOf(combined), pairs };
}

function createMoves() {
  const moves = new Map<string, { from: string; to: string; sum: SpaceSum }>();
  return {
    add(from: string, to: string, sizes: ValueSizes, index: number, part: number): void {
      const key = JSON.stringify([from, to]);
      const move = moves.get(key) ?? { from, to, sum: noSpace() };
      moves.set(key, move);
      addSpace(move.sum, sizes, index, part);
    },
    all: (whole: SpaceSum): readonly SpaceMove[] =>
      [...moves.values()]
        .map(({ from, sum, to }) => ({ from, to, share: shareOf(sum, whole) }))
        .sort(bySpace),
  };
}

function changedNetworks(
  before: MapChart,
  now: MapChart,
  { pairs, ranges }: Overlay,
  isChanged: Uint8Array,
  whole: SpaceSum,
  most: number,
): readonly ChangedNetwork[] {
  const isWanted = (index: number): boolean =>
    isChanged[index] === 1 && pairs[index]!.before + pairs[index]!.now > 0;
  return listNetworks(ranges, isWanted, most, whole).map(([network, index]) => {
    const pair = pairs[index]!;
    const place = describePlace(now.facts.clientAt(pair.now).location);
    const placeBefore = describePlace(before.facts.clientAt(pair.before).location);
    return {
      ...network,
      place,
      ...(placeBefore !== place && { placeBefore }),
      before: answerTo(before, pair.before).answer,
      now: answerTo(now, pair.now).answer,
    };
  });
}
