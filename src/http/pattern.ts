import { type Nodes, type PatternNode, parsePattern } from './pattern-syntax.ts';

/**
 * Regular expressions over octets, matched in time that grows with the text and never faster, whatever
 * the pattern and whoever wrote the text (Pike's machine, R. Cox, "Regular Expression Matching: the
 * Virtual Machine Approach"). A match is of the whole text. Why not V8's: docs/decisions/0035-patterns.md.
 */
export type Pattern = {
  readonly program: readonly Instruction[];
  /** Of one text at a time: which instructions wait for the next octet, and since which step. */
  readonly scratch: Scratch;
};

type Instruction =
  | { readonly op: 'octet'; readonly set: Uint8Array }
  | { readonly op: 'split'; readonly first: number; readonly second: number }
  | { readonly op: 'jump'; readonly to: number }
  | { readonly op: 'save'; readonly slot: number }
  | { readonly op: 'match' };

type Thread = { readonly at: number; readonly saved: readonly number[] };
type Scratch = { readonly seen: Uint32Array; step: number };

/** Instructions of one pattern; times the longest path it is the most that one request may cost. */
export const PATTERN_PROGRAM_MAX = 256;

/** @returns the pattern, or in words what is wrong with it */
export function compilePattern(text: string): Pattern | string {
  const parsed = parsePattern(text);
  if (typeof parsed === 'string') return parsed;
  const program: Instruction[] = [];
  const whole: PatternNode = { kind: 'group', index: 0, of: parsed };
  if (!emit(program, whole)) return `is too long: at most ${PATTERN_PROGRAM_MAX} steps`;
  program.push({ op: 'match' });
  return { program, scratch: { seen: new Uint32Array(program.length), step: 0 } };
}

/**
 * Matches all of `text` (one octet a UTF-16 unit).
 * @returns what its groups hold, the whole first, undefined for one that took no part; or undefined
 */
export function matchPattern(
  { program, scratch }: Pattern,
  text: string,
): readonly (string | undefined)[] | undefined {
  let now: Thread[] = [];
  addThread(program, scratch, now, 0, 0, []);
  for (let at = 0; at < text.length && now.length > 0; at++) {
    const octet = text.charCodeAt(at) & 0xff;
    const next: Thread[] = [];
    nextStep(scratch);
    for (const thread of now) {
      const instruction = program[thread.at]!;
      if (instruction.op !== 'octet' || instruction.set[octet] !== 1) continue;
      addThread(program, scratch, next, thread.at + 1, at + 1, thread.saved);
    }
    now = next;
  }
  nextStep(scratch);
  const found = now.find((thread) => program[thread.at]!.op === 'match');
  if (found === undefined) return undefined;
  const groups: (string | undefined)[] = [];
  for (let slot = 0; slot < found.saved.length; slot += 2) {
    const [from, to] = [found.saved[slot], found.saved[slot + 1]];
    groups.push(from === undefined || to === undefined ? undefined : text.slice(from, to));
  }
  return groups;
}

export const patternMatches = (pattern: Pattern, text: string): boolean =>
  matchPattern(pattern, text) !== undefined;

/** Follows what takes no octet; each instruction waits once a step, for the first that came to it. */
function addThread(
  program: readonly Instruction[],
  scratch: Scratch,
  list: Thread[],
  start: number,
  position: number,
  from: readonly number[],
): void {
  const open: Thread[] = [{ at: start, saved: from }];
  while (open.length > 0) {
    const { at, saved } = open.pop()!;
    if (scratch.seen[at] === scratch.step + 1) continue;
    scratch.seen[at] = scratch.step + 1;
    const instruction = program[at]!;
    if (instruction.op === 'jump') open.push({ at: instruction.to, saved });
    else if (instruction.op === 'split') {
      open.push({ at: instruction.second, saved }, { at: instruction.first, saved });
    } else if (instruction.op === 'save') {
      const more = saved.slice();
      more[instruction.slot] = position;
      open.push({ at: at + 1, saved: more });
    } else list.push({ at, saved });
  }
}

function nextStep(scratch: Scratch): void {
  scratch.step++;
  if (scratch.step < STEPS_MAX) return;
  scratch.step = 0;
  scratch.seen.fill(0);
}

/** @returns false when the program would be too long */
function emit(program: Instruction[], node: PatternNode): boolean {
  if (program.length >= PATTERN_PROGRAM_MAX) return false;
  switch (node.kind) {
    case 'octet':
      program.push({ op: 'octet', set: node.set });
      return true;
    case 'sequence':
      return node.of.every((each) => emit(program, each));
    case 'group':
      if (node.index < 0) return emit(program, node.of);
      program.push({ op: 'save', slot: 2 * node.index });
      if (!emit(program, node.of)) return false;
      program.push({ op: 'save', slot: 2 * node.index + 1 });
      return true;
    case 'either':
      return emitEither(program, node.of);
    case 'repeat':
      return emitRepeat(program, node);
  }
}

function emitEither(program: Instruction[], branches: Nodes): boolean {
  const ends: number[] = [];
  for (const [index, branch] of branches.entries()) {
    const isLast = index === branches.length - 1;
    const split = program.length;
    if (!isLast) program.push({ op: 'jump', to: 0 });
    if (!emit(program, branch)) return false;
    if (isLast) continue;
    ends.push(program.length);
    program.push({ op: 'jump', to: 0 });
    program[split] = { op: 'split', first: split + 1, second: program.length };
  }
  for (const end of ends) program[end] = { op: 'jump', to: program.length };
  return true;
}

function emitRepeat(
  program: Instruction[],
  { of, least, most, lazy }: Extract<PatternNode, { kind: 'repeat' }>,
): boolean {
  const fork = (at: number, inside: number, outside: number): void => {
    const [first, second] = lazy ? [outside, inside] : [inside, outside];
    program[at] = { op: 'split', first, second };
  };
  for (let count = 0; count < least; count++) if (!emit(program, of)) return false;
  if (most === Number.POSITIVE_INFINITY) {
    const loop = program.length;
    program.push({ op: 'jump', to: 0 });
    if (!emit(program, of)) return false;
    program.push({ op: 'jump', to: loop });
    fork(loop, loop + 1, program.length);
    return true;
  }
  const forks: number[] = [];
  for (let count = least; count < most; count++) {
    forks.push(program.length);
    program.push({ op: 'jump', to: 0 });
    if (!emit(program, of)) return false;
  }
  for (const at of forks) fork(at, at + 1, program.length);
  return true;
}

const STEPS_MAX = 2 ** 31;
