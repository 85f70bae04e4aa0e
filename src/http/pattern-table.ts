import type { Instruction } from './pattern-program.ts';

/**
 * All states that a pattern can be in, made beforehand (subset construction; M. O. Rabin and D. Scott,
 * "Finite Automata and Their Decision Problems", 1959): a text then costs one look-up an octet, whatever
 * the pattern and whoever wrote the text. What would need too many states is refused.
 */
export type PatternTable = {
  /** Octets that no part of the pattern tells apart share a class. */
  readonly classOf: Uint8Array;
  readonly classes: number;
  /** The next state by `state * classes + class`. */
  readonly next: Uint16Array;
  readonly accepting: Uint8Array;
  /** The most instructions that an octet leads to at once: what finding groups costs for each. */
  readonly width: number;
};

/** From here no text matches. */
export const STATE_DEAD = 0;
export const STATE_START = 1;

/** Each takes two octets of memory for each class of octets. */
export const PATTERN_STATES_MAX = 1024;
export const PATTERN_WIDTH_MAX = 128;

/** @returns the table, or in words why there is none */
export function tableOf(program: readonly Instruction[]): PatternTable | string {
  const { classOf, members } = classesOf(program);
  const first = reach(program, [0]);
  const places = new Map<string, number>([
    ['', STATE_DEAD],
    [first.waiting.join(), STATE_START],
  ]);
  const states: (readonly number[])[] = [[], first.waiting];
  const next: number[] = [];
  let width = first.visited;
  for (let state = 0; state < states.length; state++) {
    for (const octet of members) {
      const reached = reach(program, after(program, states[state]!, octet));
      width = Math.max(width, reached.visited);
      if (width > PATTERN_WIDTH_MAX) {
        return `has too many ways at once: an octet may lead to ${PATTERN_WIDTH_MAX} steps at most`;
      }
      const key = reached.waiting.join();
      const known = places.get(key) ?? states.length;
      if (known === states.length) {
        if (known === PATTERN_STATES_MAX) {
          return `has more than ${PATTERN_STATES_MAX} states: it has to remember too much of the text, as ".*a.{10}" does`;
        }
        places.set(key, known);
        states.push(reached.waiting);
      }
      next.push(known);
    }
  }
  return {
    classOf,
    classes: members.length,
    next: Uint16Array.from(next),
    accepting: Uint8Array.from(states, (waiting) => (endsIn(program, waiting) ? 1 : 0)),
    width,
  };
}

/** Where the instructions that take this octet lead. */
function after(
  program: readonly Instruction[],
  waiting: readonly number[],
  octet: number,
): readonly number[] {
  const starts: number[] = [];
  for (const at of waiting) {
    const instruction = program[at]!;
    if (instruction.op === 'octet' && instruction.set[octet] === 1) starts.push(at + 1);
  }
  return starts;
}

/** Follows what takes no octet. `waiting`: instructions that take one, or are the end, in order. */
function reach(
  program: readonly Instruction[],
  starts: readonly number[],
): { readonly waiting: readonly number[]; readonly visited: number } {
  const seen = new Set<number>();
  const waiting: number[] = [];
  const open = [...starts];
  while (open.length > 0) {
    const at = open.pop()!;
    if (seen.has(at)) continue;
    seen.add(at);
    const instruction = program[at]!;
    if (instruction.op === 'jump') open.push(instruction.to);
    else if (instruction.op === 'split') open.push(instruction.second, instruction.first);
    else if (instruction.op === 'save') open.push(at + 1);
    else waiting.push(at);
  }
  return { waiting: waiting.sort((a, b) => a - b), visited: seen.size };
}

const endsIn = (program: readonly Instruction[], waiting: readonly number[]): boolean =>
  waiting.some((at) => program[at]!.op === 'match');

/** `members` holds one octet of each class. */
function classesOf(program: readonly Instruction[]): {
  readonly classOf: Uint8Array;
  readonly members: readonly number[];
} {
  let classOf = new Uint8Array(256);
  const sets = new Set(program.map((each) => (each.op === 'octet' ? each.set : undefined)));
  for (const set of sets) {
    if (set === undefined) continue;
    const places = new Map<number, number>();
    classOf = classOf.map((former, octet) => {
      const key = 2 * former + set[octet]!;
      const place = places.get(key) ?? places.size;
      places.set(key, place);
      return place;
    });
  }
  const members: number[] = [];
  for (const [octet, place] of classOf.entries()) members[place] ??= octet;
  return { classOf, members };
}
