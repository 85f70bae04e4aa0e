import { steeringStep } from './registry.ts';
import type {
  Candidate,
  ChooseFunction,
  ClientNetwork,
  MapFunction,
  Tiers,
  Trace,
} from './step.ts';

/**
 * A policy is a chain of steps, compiled once. Its mapping steps and its choosing steps are kept
 * apart, because they are evaluated at different times (map.ts, decide.ts); inside each of the two
 * the order of the chain holds, but that `healthy` always chooses first: a step before it could
 * throw away the only healthy endpoint and keep a dead one.
 */
export type Policy = {
  readonly map: readonly { readonly kind: string; readonly run: MapFunction }[];
  readonly choose: readonly { readonly kind: string; readonly run: ChooseFunction }[];
  /** False when the chain has no `healthy` step: then only operators' overrides count. */
  readonly readsHealth: boolean;
  /** True when a step tells clients apart by where they are. */
  readonly readsClient: boolean;
};

/** The step that the ladder of decide.ts must know of. */
const HEALTH_STEP = 'healthy';

/**
 * Compiles a validated chain. Options go through their step's schema once more, so that defaults
 * are in place whoever calls. Throws on a kind or options that validation would have refused.
 */
export function compilePolicy(
  chain: readonly { readonly kind: string; readonly options: unknown }[],
): Policy {
  const map: { kind: string; run: MapFunction }[] = [];
  const choose: { kind: string; run: ChooseFunction }[] = [];
  let readsClient = false;
  for (const { kind, options } of chain) {
    const step = steeringStep(kind);
    if (step === undefined) throw new Error(`No steering step is called "${kind}".`);
    const parsed = step.options.parse(options ?? {});
    if (step.stage === 'map') {
      map.push({ kind, run: step.compile(parsed) });
      readsClient ||= step.readsClient;
    } else choose.push({ kind, run: step.compile(parsed) });
  }
  const isHealthy = ({ kind }: { readonly kind: string }): boolean => kind === HEALTH_STEP;
  return {
    map,
    choose: [...choose.filter(isHealthy), ...choose.filter((step) => !isHealthy(step))],
    readsHealth: choose.some(isHealthy),
    readsClient,
  };
}

/**
 * The candidates in tiers for one client network, best first: what the mapping steps make of them.
 * A chain without mapping steps has one tier. A step that leaves nothing is skipped.
 */
export function mapTiers(
  policy: Policy,
  candidates: readonly Candidate[],
  client: ClientNetwork,
  trace?: Trace,
): Tiers {
  let tiers: Tiers = candidates.length === 0 ? [] : [candidates];
  for (const { kind, run } of policy.map) {
    const mapped = run(tiers, client, trace).filter((tier) => tier.length > 0);
    if (mapped.length > 0) tiers = mapped;
    else if (tiers.length > 0) traceSkipped(kind, tiers.flat(), trace);
  }
  return tiers;
}

/** Says in `explain` that a step would have left nothing, and was therefore passed over. */
export function traceSkipped(kind: string, kept: readonly Candidate[], trace?: Trace): void {
  trace?.({
    step: kind,
    kept: kept.map((candidate) => candidate.name),
    dropped: [],
    note: 'would have left nothing: skipped',
  });
}
