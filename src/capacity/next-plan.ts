/**
 * The next plan after the one in force: towards the best there is, but no faster than caches can follow. Everybody is in
 * the region that is best for them until one has more than it is to have; then those leave who lose least. A region that
 * has about what it is to have is left alone, or what is measured of demand, which is never quite the same, would keep
 * clients moving.
 */
import { SLOTS } from '../steering/slots.ts';
import { assign } from './assign.ts';
import type { ClassMove } from './damping.ts';
import {
  type Piece,
  type PlanClass,
  type PlanRegion,
  piecesOf,
  ROUNDING,
  roomOf,
  wholePart,
  wholeParts,
} from './plan.ts';

export type PlanRules = {
  /** Of all demand, the part that may leave regions that have too much, in one window; 0..1. */
  readonly stepShare: number;
  /** Likewise the part that may go where it is better off, which nobody needs; 0..1. */
  readonly returnShare: number;
  /** What must be gained for a client to be moved, milliseconds. */
  readonly stayMs: number;
  /** Nobody has to leave a region that has no more than this part of its target beyond it; 0..1. */
  readonly bandShare: number;
};

/** A class as it is known now; `slots` undefined = it is new. */
export type KnownClass = Omit<PlanClass, 'slots'> & {
  readonly slots: readonly number[] | undefined;
};

export type NextPlan = {
  readonly classes: readonly PlanClass[];
  /** Of all demand: what was moved, and what is still to be moved; 0..1. */
  readonly movedShare: number;
  readonly waitingShare: number;
  readonly moves: readonly ClassMove[];
};

/** @param dampMs what a part of a class has to save more, to go from a region to another (damping.ts) */
export function nextPlan(
  known: readonly KnownClass[],
  wanted: readonly PlanRegion[],
  rules: PlanRules,
  dampMs: (key: string, home: string, to: string) => number = () => 0,
): NextPlan {
  const classes = known.flatMap((each) => {
    const slots = each.slots ?? slotsOfBest(each.waysMs);
    return slots === undefined ? [] : [{ ...each, slots }];
  });
  const demand = classes.reduce((sum, each) => sum + each.demand, 0);
  const pieces = piecesOf(classes, rules.stayMs, () => true).map((piece) =>
    damped(piece, (to) =>
      dampMs(classes[piece.of]!.key, wanted[piece.home]!.name, wanted[to]!.name),
    ),
  );
  const loads = loadsOf(pieces, wanted.length);
  const regions = wanted.map((region, index) => settled(region, loads[index]!, rules.bandShare));
  const { flows } = assign(pieces, regions.map(roomOf));
  const slots = classes.map((each) => Int32Array.from(each.slots));
  const made: ClassMove[] = [];
  const moves = withRoom(movesOf(pieces, flows, classes, loads, regions), loads, regions);
  const budgets = { relief: rules.stepShare * demand, gain: rules.returnShare * demand };
  let [moved, waiting] = [0, 0];
  for (const move of moves) {
    const budget = move.isRelief ? 'relief' : 'gain';
    const most = Math.min(budgets[budget], roomFor(move, loads, regions));
    const count = Math.min(move.slots, wholePart(most / move.slotDemand));
    const amount = count * move.slotDemand;
    waiting += (move.slots - count) * move.slotDemand;
    if (count <= 0) continue;
    budgets[budget] -= amount;
    moved += amount;
    loads[move.from]! -= amount;
    loads[move.to]! += amount;
    slots[move.of]![move.from]! -= count;
    slots[move.of]![move.to]! += count;
    const [from, to] = [regions[move.from]!.name, regions[move.to]!.name];
    made.push({ key: classes[move.of]!.key, from, to });
  }
  const whole = demand > 0 ? demand : 1;
  return {
    classes: classes.map((each, index) => ({ ...each, slots: [...slots[index]!] })),
    movedShare: moved / whole,
    waitingShare: waiting / whole,
    moves: made,
  };
}

function damped(piece: Piece, dampMs: (to: number) => number): Piece {
  return { ...piece, costsMs: Array.from(piece.costsMs, (cost, to) => cost + dampMs(to)) };
}

/** What it has is its target, where that is a little more: it is filled up to the one and relieved from the other on. */
function settled(region: PlanRegion, load: number, bandShare: number): PlanRegion {
  const { capacity, target } = region;
  if (capacity === null || target === null) return region;
  const isNear = load > target && load <= Math.min(capacity, target * (1 + bandShare));
  return isNear ? { ...region, target: load } : region;
}

function slotsOfBest(waysMs: PlanClass['waysMs']): readonly number[] | undefined {
  let best = -1;
  for (const [region, way] of waysMs.entries()) {
    if (way !== null && (best < 0 || way < waysMs[best]!)) best = region;
  }
  return best < 0 ? undefined : waysMs.map((_, region) => (region === best ? SLOTS : 0));
}

function loadsOf(pieces: readonly Piece[], regions: number): number[] {
  const loads = Array.from({ length: regions }, () => 0);
  for (const { demand, home } of pieces) loads[home]! += demand;
  return loads;
}

type Move = {
  readonly of: number;
  readonly from: number;
  readonly to: number;
  readonly slots: number;
  readonly slotDemand: number;
  readonly isRelief: boolean;
  readonly gainMs: number;
};

/** Those first that a region needs, and of them those that cost least; then those that gain most. In whole slots. */
function movesOf(
  pieces: readonly Piece[],
  flows: readonly Float64Array[],
  classes: readonly PlanClass[],
  loads: readonly number[],
  regions: readonly PlanRegion[],
): readonly Move[] {
  const moves = pieces.flatMap(({ costsMs, home, of }, index) => {
    const count = classes[of]!.slots[home]!;
    const slotDemand = classes[of]!.demand / SLOTS;
    const isGone = costsMs[home] === Number.POSITIVE_INFINITY;
    const flow = flows[index]!;
    const wanted = isGone
      ? wholeParts(flow, flow.some((amount) => amount > 0) ? count : 0)
      : Array.from(flow, (amount) => wholePart(amount / slotDemand));
    const isRelief = isGone || loads[home]! > roomOf(regions[home]!).target;
    return wanted.flatMap((slots, to): readonly Move[] => {
      if (to === home || slots === 0) return [];
      return [
        { of, from: home, to, slots, slotDemand, isRelief, gainMs: costsMs[home]! - costsMs[to]! },
      ];
    });
  });
  return moves.sort(
    (a, b) =>
      Number(b.isRelief) - Number(a.isRelief) ||
      // Two that have nowhere to stay gain alike.
      (a.gainMs === b.gainMs ? 0 : b.gainMs - a.gainMs) ||
      a.of - b.of ||
      a.to - b.to,
  );
}

/**
 * Without those that nobody needs and that nobody makes room for: the part of a slot that was to leave stays, and what
 * was to come in its place would be too much, again with every plan.
 */
function withRoom(
  moves: readonly Move[],
  loads: readonly number[],
  regions: readonly PlanRegion[],
): readonly Move[] {
  const after = [...loads];
  for (const { from, slotDemand, slots, to } of moves) {
    after[from]! -= slots * slotDemand;
    after[to]! += slots * slotDemand;
  }
  const excess = ({ isRelief, to }: Move): number =>
    isRelief ? 0 : after[to]! - Math.max(roomOf(regions[to]!).target, loads[to]!) * (1 + ROUNDING);
  const kept = [...moves];
  for (;;) {
    const last = kept.findLastIndex((move) => excess(move) > 0);
    if (last < 0) return kept;
    const move = kept[last]!;
    const { from, slotDemand, slots, to } = move;
    const less = Math.min(slots, Math.ceil(excess(move) / slotDemand));
    after[from]! += less * slotDemand;
    after[to]! -= less * slotDemand;
    if (less === slots) kept.splice(last, 1);
    else kept[last] = { ...move, slots: slots - less };
  }
}

/** What can go there now: what will leave it later is still there. */
function roomFor(
  { from, to }: Move,
  loads: readonly number[],
  regions: readonly PlanRegion[],
): number {
  const [there, here] = [roomOf(regions[to]!), roomOf(regions[from]!)];
  const room = there.capacity - loads[to]!;
  if (room > 0) return room;
  // Where all have too much, from those who have more to those who have less.
  const excess = loads[from]! * there.capacity - loads[to]! * here.capacity;
  return here.capacity === 0
    ? Number.POSITIVE_INFINITY
    : Math.max(0, excess / (here.capacity + there.capacity));
}
