import { hash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Fact, readFact, TOMBSTONE_KEEP_MS } from './fact.ts';

/**
 * Durable facts over a restart, also when no store and no peer can be reached. One fact per line with
 * a check before it, so that a damaged line costs itself and nothing else; replaced in one step and
 * on the disk before anybody is told so. Sealed values stay sealed.
 */
export type FactFile = {
  /** Soon writes what `content` gives then; changes that come together are written together. */
  schedule(): void;
  /** Settles when everything up to now is on the disk: undefined, or why it is not. */
  flush(): Promise<string | undefined>;
  close(): Promise<string | undefined>;
};

export type FactFileContent = {
  readonly facts: readonly Fact[];
  /** What cluster-clock.ts saves. */
  readonly clock: unknown;
  /** By the cluster's clock. */
  readonly savedAtMs: number;
};

export type ReadFacts = {
  readonly facts: readonly Fact[];
  readonly clock?: unknown;
  /** Undefined: there was no file, or it does not say. */
  readonly savedAtMs?: number;
  /** What could not be read, in words. */
  readonly problems: readonly string[];
};

export const FACT_FILE_NAME = 'cluster-facts.jsonl';
/** A larger file is not ours. */
export const FACT_FILE_BYTES_MAX = 256 * 1024 * 1024;
const FORMAT = 'meridian-facts-1';
const DELAY_MS = 100;
const CHECK_LENGTH = 8;
/** Only the owner: sealed secrets are still nobody's business. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** What was saved. A file that is not there is the normal first start. */
export function readFactFile(directory: string): ReadFacts {
  const file = join(directory, FACT_FILE_NAME);
  let text: string;
  try {
    if (statSync(file).size > FACT_FILE_BYTES_MAX) {
      return { facts: [], problems: [`${file} is too large to be ours`] };
    }
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { facts: [], problems: code === 'ENOENT' ? [] : [`${file} cannot be read (${code})`] };
  }
  return { ...parseFactFile(text, file) };
}

/** @param file its name, for messages only */
export function parseFactFile(text: string, file: string): ReadFacts {
  const facts: Fact[] = [];
  let head: { clock?: unknown; savedAtMs?: unknown } = {};
  let damaged = 0;
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const content = readLine(line);
    if (index === 0 && isHead(content)) {
      head = content;
      continue;
    }
    const fact = readFact(content);
    if (fact) facts.push(fact);
    else damaged += 1;
  }
  const problems =
    damaged === 0 ? [] : [`${file} is damaged: ${damaged} of its lines are left out`];
  const savedAtMs = typeof head.savedAtMs === 'number' ? { savedAtMs: head.savedAtMs } : {};
  return { facts, clock: head.clock, ...savedAtMs, problems };
}

/**
 * What of a file may still be said. One that is older than tombstones are kept may hold words that
 * were cleared since and that nobody remembers: those that people can say again are left out.
 */
export function believable({ facts, savedAtMs }: ReadFacts, nowMs: number): readonly Fact[] {
  if (savedAtMs === undefined || nowMs - savedAtMs <= TOMBSTONE_KEEP_MS) return facts;
  return facts.filter(({ key }) => !key.startsWith('override/'));
}

export function formatFactFile({ facts, clock, savedAtMs }: FactFileContent): string {
  const lines = [{ format: FORMAT, savedAtMs, clock }, ...facts];
  return lines.map((line) => `${writeLine(JSON.stringify(line))}\n`).join('');
}

/**
 * @param directory made when it is not there
 * @param content what is to be saved, as of the moment of writing
 * @param onProblem called when writing begins to fail (with the reason) and when it works again
 */
export function openFactFile(
  directory: string,
  content: () => FactFileContent,
  clock: { setTimer(ms: number, run: () => void): () => void },
  onProblem: (problem: string | undefined) => void,
): FactFile {
  const file = join(directory, FACT_FILE_NAME);
  let cancel: (() => void) | undefined;
  let writing: Promise<string | undefined> = Promise.resolve(undefined);
  let problem: string | undefined;
  let isDirty = false;
  const write = async (): Promise<string | undefined> => {
    if (!isDirty) return problem;
    isDirty = false;
    cancel?.();
    cancel = undefined;
    const before = problem;
    problem = await replaceFile(file, formatFactFile(content()));
    // What was not written is still to be written, with the next change or at the end.
    if (problem !== undefined) isDirty = true;
    if ((before === undefined) !== (problem === undefined)) onProblem(problem);
    return problem;
  };
  const flush = (): Promise<string | undefined> => {
    writing = writing.then(write);
    return writing;
  };
  return {
    schedule() {
      isDirty = true;
      cancel ??= clock.setTimer(DELAY_MS, () => {
        cancel = undefined;
        void flush();
      });
    },
    flush,
    close: flush,
  };
}

/** The text under that name, and on the disk; or why not. */
async function replaceFile(file: string, text: string): Promise<string | undefined> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: DIRECTORY_MODE });
    const next = `${file}.next`;
    const handle = await open(next, 'w', FILE_MODE);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(next, file);
    const directory = await open(dirname(file), 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
    return undefined;
  } catch (error) {
    return `${file} cannot be written (${(error as NodeJS.ErrnoException).code})`;
  }
}

function writeLine(json: string): string {
  return `${checkOf(json)} ${json}`;
}

function readLine(line: string): unknown {
  const json = line.slice(CHECK_LENGTH + 1);
  if (line.slice(0, CHECK_LENGTH) !== checkOf(json)) return undefined;
  try {
    return JSON.parse(json);
  } catch {
    // A line that somebody made up with a right check: not ours all the same.
    return undefined;
  }
}

function isHead(content: unknown): content is { clock?: unknown; savedAtMs?: unknown } {
  return (content as { format?: unknown } | undefined | null)?.format === FORMAT;
}

function checkOf(json: string): string {
  return hash('sha256', json).slice(0, CHECK_LENGTH);
}
