/**
 * Which of the possible outcomes this client gets now, and why: its part and the draw of the query path
 * (draw.ts), told as parts of the whole.
 */
import { formatPrefix, networkOf, type Prefix } from '../ip/prefix.ts';
import type { Decision } from '../steering/decide.ts';
import type { Outcome } from '../steering/step.ts';
import { outcomeOf, slotsOf, thresholdsOf } from './dealing.ts';
import { BUCKET_BITS_4, bucketBits6, drawOf, nameDrawOf, slotOf } from './draw.ts';

export type ExplainedDraw = {
  /** Clients in it draw alike: an IPv4 /24 or an IPv6 /48. */
  readonly bucket: string;
  /** Which part of the clients the bucket always belongs to. */
  readonly part: ExplainedPart;
  /** What the bucket gets of its part in this slot; for `random`, what it could get. */
  readonly outcome: Drawn;
  /** The draw stays the same until its end; slots are as long as the name's longest TTL. */
  readonly slot: { readonly seconds: number; readonly endsAtMs: number };
  readonly why: string;
};

/** The `number`th of `of` parts, which has `share` (0..1) of the clients; they go by the slot of their network. */
export type ExplainedPart = {
  readonly number: number;
  readonly of: number;
  readonly share: number;
  /** Of a part that a policy makes: `canary`, or the endpoint that its clients stay with. */
  readonly name: string;
  readonly slot: number;
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

/** The outcome drawn as `respond` draws; undefined = the sorry addresses. */
export function explainDraw(
  { stages }: Decision,
  network: Prefix,
  { atMs, bucket, nameHash, slotSeconds }: DrawInputs,
): { readonly chosen: Pick<Outcome, 'candidates'> | undefined; readonly draw: ExplainedDraw } {
  const parts = stages.flatMap((stage) =>
    stage.parts.map((part) => ({ ...part, share: part.share * stage.share })),
  );
  const own = slotOf(nameHash, bucket);
  const index = slotsOf(stages)?.[own] ?? 0;
  const { draw: mode, key, outcomes, share } = parts[index]!;
  const random =
    mode === 'name' ? nameDrawOf(nameHash) : drawOf(nameHash, bucket, atMs, slotSeconds);
  const outcome = drawn(
    outcomes.map((each) => each.share),
    random,
  );
  const slotMs = (slotSeconds > 0 ? slotSeconds : 1) * 1000;
  const { address } = network;
  const bucketBits = address.family === 4 ? BUCKET_BITS_4 : bucketBits6(address.bytes);
  const slot = {
    seconds: slotMs / 1000,
    endsAtMs: (Math.floor(atMs / slotMs) + 1) * slotMs,
  };
  const draw = {
    bucket: formatPrefix(networkOf(address, bucketBits)),
    part: { number: index + 1, of: parts.length, share, name: key, slot: own },
    outcome,
    slot,
  };
  return { chosen: outcomes[outcome.number - 1], draw: { ...draw, why: whyDrawn(draw, mode) } };
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

function whyDrawn(
  { bucket, outcome, part, slot }: Omit<ExplainedDraw, 'why'>,
  mode: 'spread' | 'random' | 'name',
): string {
  const texts: string[] = [];
  if (part.of > 1) {
    const named = part.name === '' ? '' : ` "${part.name}"`;
    texts.push(
      `the clients of ${bucket} are in slot ${part.slot}, which belongs to part${named} ${part.number} of ${part.of} (${percent(part.share)})`,
    );
  }
  if (outcome.of > 1) {
    const which = `outcome ${outcome.number} of ${outcome.of} (${range(outcome)})`;
    if (mode === 'random') texts.push(`each query draws one of ${outcome.of} outcomes`);
    else if (mode === 'name') texts.push(`the name draws ${number(outcome.draw)}: ${which}`);
    else {
      texts.push(
        `${bucket} draws ${number(outcome.draw)} in this slot of ${slot.seconds} s: ${which}`,
      );
    }
  }
  return texts.length === 0 ? 'one outcome: nothing to draw' : texts.join('; ');
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} % of the clients`;
const number = (value: number): string => value.toFixed(3);
const range = ({ from, to }: Drawn): string => `${number(from)} to ${number(to)}`;
