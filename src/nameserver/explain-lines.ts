/**
 * An explanation as a few short lines of ASCII, for where there is nothing but text: the strings of a
 * TXT answer. The numbers in front keep the order when a program on the way sorts records.
 */
import type { ExplainProblem, Explanation } from './explain.ts';
import type { ExplainedCandidate } from './explain-candidates.ts';
import type { ExplainedDraw } from './explain-draw.ts';

/** Endpoints that are told one by one; the others are counted. */
export const CANDIDATES_TOLD_MAX = 16;
/** Octets of one line: the longest character-string (RFC 1035 3.3). */
export const LINE_LENGTH_MAX = 255;
/** Hexadecimal digits of the configuration's hash that tell it apart from others. */
const HASH_DIGITS = 12;

/** At most 40 lines or so, each at most 255 octets. */
export function explanationLines(explanation: Explanation): readonly string[] {
  const { candidates, draw, scope, steps, ttl } = explanation;
  const more = candidates.length - CANDIDATES_TOLD_MAX;
  return numbered([
    questionLine(explanation),
    answerLine(explanation),
    foundLine(explanation),
    ...candidates.slice(0, CANDIDATES_TOLD_MAX).map(candidateLine),
    ...(more > 0 ? [`and ${more} endpoints more: meridian explain tells all`] : []),
    ...steps.map(({ note, step }) => `step ${step}: ${note}`),
    ...(draw === undefined || isSettled(draw) ? [] : [`draw: ${draw.why}`]),
    `ttl ${ttl.seconds}: ${ttl.why}${ttl.endpoints.length === 0 ? '' : ` (${ttl.endpoints.join(' ')})`}`,
    `scope /${scope.prefixLength}: ${scope.why}`,
    servedLine(explanation),
    ...explanation.notes.map((note) => `note: ${note}`),
  ]);
}

/** Nothing was left to a draw. */
const isSettled = ({ outcome, part }: ExplainedDraw): boolean => outcome.of === 1 && part.of === 1;

/** Why there is no explanation. */
export function problemLines({ hint, message }: ExplainProblem): readonly string[] {
  return numbered([message, ...(hint === undefined ? [] : [hint])]);
}

function questionLine({ client, name, type }: Explanation): string {
  const from = client.from === 'client-subnet' ? 'client subnet' : "the resolver's address";
  const near = client.near === undefined ? '' : `; near ${client.near}`;
  return `${name} ${type} for ${client.network} (${from}; ${client.place}${near})`;
}

function answerLine({ answer, region, scope, ttl }: Explanation): string {
  const what = answer.length === 0 ? 'no address' : answer.join(' ');
  const where = region === undefined ? '' : ` of ${region}`;
  return `gets ${what}${where}, TTL ${ttl.seconds}, scope /${scope.prefixLength}`;
}

function foundLine({ classId, outcome, policy, pool, rung }: Explanation): string {
  const parts = [`found: ${outcome}`];
  if (policy !== undefined) parts.push(`policy ${policy}`);
  if (pool !== undefined) parts.push(`pool ${pool}`);
  if (classId !== undefined) parts.push(`class ${classId}`);
  if (rung !== undefined) parts.push(`rung ${rung}`);
  return parts.join(', ');
}

function candidateLine(candidate: ExplainedCandidate): string {
  const { answerShare, distanceKm, name, reason, seenFrom, share, state, tier, weight } = candidate;
  const parts = [tier === 0 ? 'left out' : `tier ${tier}`, state, `weight ${weight}`];
  if (distanceKm !== undefined) parts.push(`${distanceKm} km`);
  if (share < 1) parts.push(`${Math.round(share * 100)} % returned`);
  if (seenFrom !== undefined) parts.push(`as ${seenFrom} sees it`);
  if (answerShare > 0) parts.push(`answered to ${Math.round(answerShare * 100)} %`);
  return `${name}: ${parts.join(', ')}${reason === '' ? '' : `. ${reason}`}`;
}

function servedLine({ atMs, served }: Explanation): string {
  const parts = [
    ...(served.node === undefined ? [] : [served.node]),
    `generation ${served.generation}`,
    ...(served.revision === 0 ? [] : [`revision ${served.revision}`]),
    ...(served.config === undefined ? [] : [`config ${served.config.slice(0, HASH_DIGITS)}`]),
  ];
  return `served by ${parts.join(', ')} at ${new Date(atMs).toISOString()}`;
}

function numbered(lines: readonly string[]): readonly string[] {
  const digits = String(lines.length).length;
  return lines.map((line, index) =>
    clipped(`${String(index + 1).padStart(digits, '0')} ${ascii(line)}`),
  );
}

/** dig shows octets beyond ASCII as numbers, so accents are dropped and the rest is a question mark. */
function ascii(text: string): string {
  return text
    .replaceAll('’', "'")
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^ -~]/gu, '?');
}

const clipped = (line: string): string =>
  line.length <= LINE_LENGTH_MAX ? line : `${line.slice(0, LINE_LENGTH_MAX - 3)}...`;
