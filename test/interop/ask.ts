import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';

/**
 * Questions to a server by `dig` and `kdig`, and their replies as values. Both programs complain in
 * words about what they don't like in a reply; every complaint fails the test.
 */
export type Reply = {
  readonly status: string;
  readonly opcode: string;
  readonly flags: readonly string[];
  readonly question: string;
  /** `owner ttl class type data` with single blanks, without OPT. */
  readonly answer: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
  readonly hasEdns: boolean;
  /** As shown: `198.51.100.0/24/25`, the last being the scope. */
  readonly subnet: string | undefined;
  readonly transport: string;
};

/** `server` as words for either program: `@address -p port`. */
export type Place = { readonly address: string; readonly port: number };
export type Tool = 'dig' | 'kdig';

export const serverWords = ({ address, port }: Place): string[] => [`@${address}`, '-p', `${port}`];

/** The one reply to one question. */
export async function ask(tool: Tool, server: Place, ...words: string[]): Promise<Reply> {
  const replies = await askAll(tool, server, ...words);
  assert.equal(replies.length, 1, `${tool} ${words.join(' ')} had ${replies.length} replies`);
  return replies[0]!;
}

/** The replies to all questions of one command, in order. */
export async function askAll(tool: Tool, server: Place, ...words: string[]): Promise<Reply[]> {
  const all = ['+norec', ...serverWords(server), ...words];
  const { output, code } = await run(tool, all);
  const command = `${tool} ${all.join(' ')}`;
  assert.equal(code, 0, `${command}\n${output}`);
  for (const line of output.split('\n')) {
    if (!COMPLAINT.test(line) || TRUNCATED.test(line)) continue;
    assert.fail(`${command}\n${output}`);
  }
  return parseReplies(output);
}

/** Records with the TTL 30 where a resolver was told up to a tenth less (src/nameserver/jitter.ts). */
export const withoutJitter = (records: readonly string[] = []): string[] =>
  records.map((record) => record.replace(/ (?:27|28|29) IN /, ' 30 IN '));

const COMPLAINT = /warning|malformed|error|mismatch|\bbad |unexpected|timed out|failed|extra/i;
/** kdig warns that it comes back over TCP, which is what it should do; and says `ext-rcode: NOERROR`. */
const TRUNCATED = /truncated|NOERROR|FORMERR/i;

/** A copy of a large zone. */
const OUTPUT_MAX = 256 * 1024 * 1024;

/** Runs a program to its end; both outputs in one. */
export function run(
  program: string,
  words: readonly string[],
): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(
      program,
      words,
      { encoding: 'utf8', maxBuffer: OUTPUT_MAX },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, output: stdout + stderr });
      },
    );
  });
}

export function parseReplies(output: string): Reply[] {
  return output
    .split(/(?=^;; ->>HEADER<<-)/m)
    .filter((text) => text.startsWith(';; ->>HEADER<<-'))
    .map(parseReply);
}

function parseReply(text: string): Reply {
  const find = (pattern: RegExp): string | undefined => pattern.exec(text)?.[1];
  return {
    opcode: find(/opcode: (\w+)/) ?? '',
    status: find(/status: (\w+)/) ?? '',
    flags: (find(/^;; flags:([^;]*)/im) ?? '').trim().split(/\s+/),
    question: (find(/QUESTION SECTION:\n;+\s*(.*)/) ?? '').replaceAll(/\s+/g, ' ').trim(),
    answer: section(text, 'ANSWER'),
    authority: section(text, 'AUTHORITY'),
    additional: section(text, 'ADDITIONAL'),
    hasEdns: /^;+ (EDNS: )?version: 0/im.test(text),
    subnet: find(/CLIENT-SUBNET: (\S+)/),
    transport: find(/\((UDP|TCP)\)/) ?? '',
  };
}

function section(text: string, title: string): readonly string[] {
  const start = text.indexOf(`;; ${title} SECTION:\n`);
  if (start === -1) return [];
  const [, ...lines] = text.slice(start).split('\n');
  const end = lines.findIndex((line) => line === '' || line.startsWith(';;'));
  return lines
    .slice(0, end === -1 ? lines.length : end)
    .map((line) => line.replaceAll(/\s+/g, ' ').trim());
}
