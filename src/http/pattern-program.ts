import { type Nodes, type PatternNode, parsePattern } from './pattern-syntax.ts';

/**
 * A pattern as a program: each instruction takes an octet, or says where to go on without one. Of two
 * ways at a `split` the first is the preferred one (Pike's machine; R. Cox, "Regular Expression
 * Matching: the Virtual Machine Approach").
 */
export type Instruction =
  | { readonly op: 'octet'; readonly set: Uint8Array }
  | { readonly op: 'split'; readonly first: number; readonly second: number }
  | { readonly op: 'jump'; readonly to: number }
  | { readonly op: 'save'; readonly slot: number }
  | { readonly op: 'match' };

/** Instructions of one pattern. */
export const PATTERN_PROGRAM_MAX = 256;

/** @returns the program, or in words what is wrong with the pattern */
export function programOf(text: string): readonly Instruction[] | string {
  const parsed = parsePattern(text);
  if (typeof parsed === 'string') return parsed;
  const program: Instruction[] = [];
  const whole: PatternNode = { kind: 'group', index: 0, of: parsed };
  if (!emit(program, whole)) return `is too long: at most ${PATTERN_PROGRAM_MAX} steps`;
  program.push({ op: 'match' });
  return program;
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
