/**
 * The next plan after the one in force: towards the best there is, but no faster than caches can follow. Everybody is in
 * the region that is best for them until one has more than it is to have; then those leave who lose least.
 */
import { SLOTS } from '../steering/slots.ts';
import { assign } from './assign.ts';
import {
  type Piece,
  type PlanClass,
  type PlanRegion,
  piecesOf,
  roomOf,
  wholeSlots,
} from './plan.ts';

export type PlanRules = {
  /** Of all demand, the part that may leave regions that have too much, in one window; 0..1. */
  readonly stepShare: number;
  /** Likewise the part that may go where it is better off, which nobody needs; 0..1. */
  readonly returnShare: number;
  /** What must be gained for a client to be moved, milliseconds. */
  readonly stayMs: number;
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
};

export function nextPlan(
  known: readonly KnownClass[],
  regions: readonly PlanRegion[],
  rules: PlanRules,
): NextPlan {
  const classes = known.flatMap((each) => {
    const slots = each.slots ?? slotsOfBest(each.waysMs);
    return slots === undefined ? [] : [{ ...each, slots }];
  });
  const demand = classes.reduce((sum, each) => sum + each.demand, 0);
  const pieces = piecesOf(classes, rules.stayMs, () => true);
  const { flows } = assign(pieces, regions.map(roomOf));
  const exact = classes.map(({ slots }) => Float64Array.from(slots));
  const loads = loadsOf(pieces, regions.length);
  const moves = movesOf(pieces, flows, loads, regions);
  const budgets = { relief: rules.stepShare * demand, gain: rules.returnShare * demand };
  let [moved, waiting] = [0, 0];
  for (const move of moves) {
    const budget = move.isRelief ? 'relief' : 'gain';
    const amount = Math.min(move.amount, budgets[budget], roomFor(move, loads, regions));
    waiting += move.amount - amount;
    if (amount <= 0) continue;
    budgets[budget] -= amount;
    moved += amount;
    loads[move.from]! -= amount;
    loads[move.to]! += amount;
    const slots = (amount / classes[move.of]!.demand) * SLOTS;
    exact[move.of]![move.from]! -= slots;
    exact[move.of]![move.to]! += slots;
  }
  const whole = demand > 0 ? demand : 1;
  return {
    classes: classes.map((each, index) => ({ ...each, slots: wholeSlots(exact[index]!) })),
    movedShare: moved / whole,
    waitingShare: waiting / whole,
  };
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
  readonly amount: number;
  readonly isRelief: boolean;
  readonly gainMs: number;
};

/** Those first that a region needs, and of them those that cost least; then those that gain most. */
function movesOf(
  pieces: readonly Piece[],
  flows: readonly Float64Array[],
  loads: readonly number[],
  regions: readonly PlanRegion[],
): readonly Move[] {
  const moves = pieces.flatMap(({ costsMs, home, of }, index) =>
    [...flows[index]!].flatMap((amount, to): readonly Move[] => {
      if (to === home || amount <= 0) return [];
      const isRelief =
        costsMs[home] === Number.POSITIVE_INFINITY || loads[home]! > roomOf(regions[home]!).target;
      return [{ of, from: home, to, amount, isRelief, gainMs: costsMs[home]! - costsMs[to]! }];
    }),
  );
  return moves.sort(
    (a, b) =>
      Number(b.isRelief) - Number(a.isRelief) ||
      // Two that have nowhere to stay gain alike.
      (a.gainMs === b.gainMs ? 0 : b.gainMs - a.gainMs) ||
      a.of - b.of ||
      a.to - b.to,
  );
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
