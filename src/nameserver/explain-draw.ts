/**
 * Which of the possible outcomes this client gets now, and why: the two draws of the query path
 * (draw.ts), told as parts of the whole.
 */
import { formatPrefix, networkOf, type Prefix } from '../ip/prefix.ts';
import type { Decision } from '../steering/decide.ts';
import type { Outcome } from '../steering/step.ts';
import { outcomeOf, thresholdsOf } from './answer.ts';
import { drawOf, stickyDrawOf } from './draw.ts';

export type ExplainedDraw = {
  /** Clients in it draw alike: an IPv4 /24 or an IPv6 /48. */
  readonly bucket: string;
  /** Which part of the clients the bucket always belongs to; of more than one only during a slow return. */
  readonly stage: Drawn;
  /** What the bucket gets in this slot. */
  readonly outcome: Drawn;
  /** The draw stays the same until its end; slots are as long as the name's longest TTL. */
  readonly slot: { readonly seconds: number; readonly endsAtMs: number };
  readonly why: string;
};

/** `draw`, 0..1, fell on the part `from` to `to`, the `number`th of `of`. */
export type Drawn = {
  readonly number: number;
  readonly of: number;
  readonly draw: number;
  readonly from: number;
  readonly to: number;
};

export type DrawInputs = {
  readonly nameHash: number;
  readonly bucket: number;
  readonly atMs: number;
  readonly slotSeconds: number;
};

const DRAWS = 2 ** 32;
const BUCKET_BITS_4 = 24;
const BUCKET_BITS_6 = 48;

/** The outcome drawn as `respond` draws; undefined = the sorry addresses. */
export function explainDraw(
  { stages }: Decision,
  network: Prefix,
  { atMs, bucket, nameHash, slotSeconds }: DrawInputs,
): { readonly chosen: Outcome | undefined; readonly draw: ExplainedDraw } {
  const stage = drawn(
    stages.map(({ share }) => share),
    stickyDrawOf(nameHash, bucket),
  );
  const outcomes = stages[stage.number - 1]?.outcomes ?? [];
  const outcome = drawn(
    outcomes.map(({ share }) => share),
    drawOf(nameHash, bucket, atMs, slotSeconds),
  );
  const slotMs = (slotSeconds > 0 ? slotSeconds : 1) * 1000;
  const { address } = network;
  const slot = {
    seconds: slotMs / 1000,
    endsAtMs: (Math.floor(atMs / slotMs) + 1) * slotMs,
  };
  const draw = {
    bucket: formatPrefix(networkOf(address, address.family === 4 ? BUCKET_BITS_4 : BUCKET_BITS_6)),
    stage,
    outcome,
    slot,
  };
  return { chosen: outcomes[outcome.number - 1], draw: { ...draw, why: whyDrawn(draw) } };
}

function drawn(shares: readonly number[], draw: number): Drawn {
  const thresholds = thresholdsOf(shares);
  const index = outcomeOf(thresholds, draw);
  const of = Math.max(1, shares.length);
  return {
    number: index + 1,
    of,
    draw: (draw >>> 0) / DRAWS,
    from: index === 0 ? 0 : thresholds[index - 1]! / DRAWS,
    // The last has no bound.
    to: index === of - 1 ? 1 : thresholds[index]! / DRAWS,
  };
}

function whyDrawn({ bucket, outcome, slot, stage }: Omit<ExplainedDraw, 'why'>): string {
  const parts: string[] = [];
  if (stage.of > 1) {
    parts.push(
      `slow return: the clients of ${bucket} are always at ${number(stage.draw)}, part ${stage.number} of ${stage.of} (${range(stage)})`,
    );
  }
  if (outcome.of > 1) {
    parts.push(
      `${bucket} draws ${number(outcome.draw)} in this slot of ${slot.seconds} s: outcome ${outcome.number} of ${outcome.of} (${range(outcome)})`,
    );
  }
  return parts.length === 0 ? 'one outcome: nothing to draw' : parts.join('; ');
}

const number = (value: number): string => value.toFixed(3);
const range = ({ from, to }: Drawn): string => `${number(from)} to ${number(to)}`;
