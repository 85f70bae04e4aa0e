import type { DrawMode, Outcome } from './step.ts';

/** A part of the clients, always the same ones as long as no share changes, and what they are answered. */
export type Part = {
  /** Tells parts apart, also between states: clients are dealt out by it (slots.ts). */
  readonly key: string;
  /** Of the clients, 0..1; those of all parts sum to 1. */
  readonly share: number;
  readonly draw: DrawMode;
  /** Their shares sum to 1. */
  readonly outcomes: readonly Pick<Outcome, 'share' | 'candidates'>[];
};

/** The parts that a distribution has. */
export function partsOf(outcomes: readonly Outcome[]): readonly Part[] {
  const [only] = outcomes;
  if (only === undefined) return [{ key: '', share: 1, draw: 'spread', outcomes: [] }];
  if (outcomes.every(({ part }) => part === only.part)) {
    return [{ key: only.part, share: 1, draw: only.draw, outcomes }];
  }
  const byPart = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    const part = byPart.get(outcome.part);
    if (part === undefined) byPart.set(outcome.part, [outcome]);
    else part.push(outcome);
  }
  return [...byPart].map(([key, members]) => {
    const share = members.reduce((sum, outcome) => sum + outcome.share, 0);
    const own = members.map(({ candidates, share: ofAll }) => ({
      share: ofAll / share,
      candidates,
    }));
    return { key, share, draw: members[0]!.draw, outcomes: own };
  });
}

/** Whether the same clients get the same. */
export function sameParts(a: readonly Part[], b: readonly Part[]): boolean {
  return a === b || textOf(a) === textOf(b);
}

function textOf(parts: readonly Part[]): string {
  return parts
    .map(({ draw, key, outcomes, share }) => {
      const lists = outcomes.map(
        (outcome) =>
          `${outcome.share} ${outcome.candidates.map(({ endpoint }) => endpoint).join(' ')}`,
      );
      return `${key} ${share} ${draw}: ${lists.join('|')}`;
    })
    .join(';');
}

/** Outcomes of one part with the same list become one, so that an answer is interned and drawn once. */
export function mergeEqual(outcomes: readonly Outcome[]): readonly Outcome[] {
  // Lists that begin with different endpoints are different, and mostly they do.
  const firsts = new Set(outcomes.map(({ candidates }) => candidates[0]?.endpoint));
  if (firsts.size === outcomes.length) return outcomes;
  const byList = new Map<string, Outcome>();
  for (const outcome of outcomes) {
    const { candidates, draw, part } = outcome;
    const key = `${part} ${draw} ${candidates.map((candidate) => candidate.endpoint).join(' ')}`;
    const share = outcome.share + (byList.get(key)?.share ?? 0);
    byList.set(key, { ...outcome, share });
  }
  return [...byList.values()];
}
