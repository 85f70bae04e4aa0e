import { type Instruction, programOf } from './pattern-program.ts';
import { type PatternTable, STATE_DEAD, STATE_START, tableOf } from './pattern-table.ts';

/**
 * Regular expressions over octets, matched in time that grows with the text and never faster, whatever
 * the pattern and whoever wrote the text. A match is of the whole text. Whether there is one costs a
 * step an octet (`pattern-table.ts`); only then, and only for who wants them, are the groups looked
 * for, by Pike's machine, in `PATTERN_WIDTH_MAX` steps an octet at most. Why not V8's:
 * docs/decisions/0035-patterns.md.
 */
export type Pattern = {
  readonly program: readonly Instruction[];
  readonly table: PatternTable;
  /** Of one text at a time. */
  readonly scratch: Scratch;
};

type Thread = { readonly at: number; readonly saved: readonly number[] };
type Scratch = {
  /** By instruction: the last mark under which it was come to. */
  readonly seen: Uint32Array;
  mark: number;
  /** Look-ups and instructions since the pattern was made. */
  steps: number;
};

/** @returns the pattern, or in words what is wrong with it */
export function compilePattern(text: string): Pattern | string {
  const program = programOf(text);
  if (typeof program === 'string') return program;
  const table = tableOf(program);
  if (typeof table === 'string') return table;
  return { program, table, scratch: { seen: new Uint32Array(program.length), mark: 0, steps: 0 } };
}

/** How many groups it has besides the whole. */
export const groupsOf = ({ program }: Pattern): number =>
  Math.max(...program.map((each) => (each.op === 'save' ? each.slot >> 1 : 0)));

/** Whether all of `text` (one octet a UTF-16 unit) matches. */
export function patternMatches({ table, scratch }: Pattern, text: string): boolean {
  const { accepting, classes, classOf, next } = table;
  let state = STATE_START;
  let at = 0;
  while (at < text.length && state !== STATE_DEAD) {
    state = next[state * classes + classOf[text.charCodeAt(at) & 0xff]!]!;
    at++;
  }
  scratch.steps += at;
  return accepting[state] === 1;
}

/**
 * Matches all of `text` (one octet a UTF-16 unit).
 * @returns what its groups hold, the whole first, undefined for one that took no part; or undefined
 */
export function matchPattern(
  pattern: Pattern,
  text: string,
): readonly (string | undefined)[] | undefined {
  if (!patternMatches(pattern, text)) return undefined;
  const { program, scratch } = pattern;
  let now: Thread[] = [];
  nextMark(scratch);
  addThread(program, scratch, now, 0, 0, []);
  for (let at = 0; at < text.length; at++) {
    const octet = text.charCodeAt(at) & 0xff;
    const next: Thread[] = [];
    nextMark(scratch);
    for (const thread of now) {
      const instruction = program[thread.at]!;
      if (instruction.op !== 'octet' || instruction.set[octet] !== 1) continue;
      addThread(program, scratch, next, thread.at + 1, at + 1, thread.saved);
    }
    now = next;
  }
  const found = now.find((thread) => program[thread.at]!.op === 'match');
  if (found === undefined) return undefined;
  const groups: (string | undefined)[] = [];
  for (let slot = 0; slot < found.saved.length; slot += 2) {
    const [from, to] = [found.saved[slot], found.saved[slot + 1]];
    groups.push(from === undefined || to === undefined ? undefined : text.slice(from, to));
  }
  return groups;
}

/** Follows what takes no octet; each instruction waits once a mark, for the first that came to it. */
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
    if (scratch.seen[at] === scratch.mark) continue;
    scratch.seen[at] = scratch.mark;
    scratch.steps++;
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

function nextMark(scratch: Scratch): void {
  scratch.mark++;
  if (scratch.mark < MARKS_MAX) return;
  scratch.mark = 1;
  scratch.seen.fill(0);
}

const MARKS_MAX = 2 ** 31;
