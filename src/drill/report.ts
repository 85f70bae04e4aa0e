import { meanShares, type NamePrediction } from './predict.ts';

/**
 * What a drill found: predicted and observed shares per region, as rows for a table and in words.
 * The prediction counts addresses and the observation counts answers, so they differ by how
 * demand is spread; what must agree is that the region fell silent and came back.
 */
export type DrillReport = {
  readonly rows: readonly DrillRow[];
  readonly sentences: readonly string[];
};

/** Shares 0..1; an observed one is undefined when the phase saw no answer at all. */
export type DrillRow = {
  readonly region: string;
  readonly predictedBefore: number;
  readonly observedBefore: number | undefined;
  readonly predictedDuring: number;
  readonly observedDuring: number | undefined;
  readonly observedAfter: number | undefined;
};

export type Counts = readonly { readonly region: string; readonly answers: number }[];

/** Compares what was predicted for the drilled region's loss with the answers that were given. */
export function reportDrill(
  prediction: { readonly region: string; readonly names: readonly NamePrediction[] },
  observed: { readonly before: Counts; readonly during: Counts; readonly after: Counts },
): DrillReport {
  const before = meanShares(prediction.names, 'before');
  const during = meanShares(prediction.names, 'during');
  const regions = new Set([
    ...before.keys(),
    ...[observed.before, observed.during, observed.after].flat().map(({ region }) => region),
  ]);
  const rows = [...regions].map((region) => ({
    region,
    predictedBefore: before.get(region) ?? 0,
    observedBefore: shareOf(observed.before, region),
    predictedDuring: during.get(region) ?? 0,
    observedDuring: shareOf(observed.during, region),
    observedAfter: shareOf(observed.after, region),
  }));
  return { rows, sentences: describe(prediction.region, rows, observed.during) };
}

function describe(drilled: string, rows: readonly DrillRow[], during: Counts): readonly string[] {
  const row = rows.find(({ region }) => region === drilled);
  if (row === undefined) return [`${drilled} answers no name: nothing was rehearsed.`];
  if (row.observedDuring === undefined) {
    return [`No query came while ${drilled} was drained: only the prediction is known.`];
  }
  const late = during.find(({ region }) => region === drilled)?.answers ?? 0;
  return [
    late === 0
      ? `While drained, ${drilled} was in no answer.`
      : `While drained, ${drilled} was still in ${late} answers (${percent(row.observedDuring)}).`,
    ...rows
      .filter(({ region, observedDuring }) => region !== drilled && observedDuring !== undefined)
      .map(describeTakeover),
    describeReturn(drilled, row),
  ];
}

function describeTakeover(row: DrillRow): string {
  const { region, observedBefore, observedDuring = 0, predictedDuring } = row;
  const from = observedBefore === undefined ? '' : ` from ${percent(observedBefore)}`;
  return `${region} went${from} to ${percent(observedDuring)} of the answers; ${percent(predictedDuring)} of the address space was predicted.`;
}

function describeReturn(drilled: string, row: DrillRow): string {
  if (row.observedAfter === undefined) return `No query came after ${drilled} was let back in.`;
  if (row.observedAfter === 0 && (row.observedBefore ?? row.predictedBefore) > 0) {
    return `${drilled} has not come back: it was in no answer after the drill.`;
  }
  return `After the drill, ${drilled} was in ${percent(row.observedAfter)} of the answers again.`;
}

function shareOf(counts: Counts, region: string): number | undefined {
  const total = counts.reduce((sum, { answers }) => sum + answers, 0);
  if (total === 0) return undefined;
  const own = counts.find((count) => count.region === region);
  return (own?.answers ?? 0) / total;
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
