/**
 * Which priority takes how much of the traffic, and where health is no longer believed (Envoy
 * `load_balancer_impl.cc` and its documents "priority levels" and "panic threshold"). A priority takes all
 * that it can while 1 / overprovisioning of its servers are healthy, and what it cannot take goes to the
 * next. Only when all priorities together cannot take it all do those with too few healthy servers send
 * to every server: better some answers than the rest of the pool run over.
 *
 * Computed when health changes, not per request. Shares are exact here; Envoy's are whole percent.
 */
export function planPriorities(
  priorities: readonly PriorityHealth[],
  rules: PanicRules,
): PriorityPlan {
  const capacities = priorities.map(({ healthy, servers }) =>
    servers === 0 ? 0 : Math.min(1, (rules.overprovisioning * healthy) / servers),
  );
  const available = Math.min(1, sum(capacities));
  const panic = priorities.map(
    ({ healthy, servers }) =>
      servers > 0 && available < 1 && healthy / servers < rules.panicThreshold,
  );
  // Nothing healthy, and panic is switched off: refuse at once instead of trying what is down.
  if (available === 0 && rules.panicThreshold === 0) {
    return { shares: priorities.map(() => 0), panic, refuses: true };
  }
  const isTotal = priorities.every(({ servers }, level) => servers === 0 || panic[level] === true);
  const shares = isTotal ? sharesBySize(priorities) : sharesByCapacity(capacities, available);
  return { shares, panic, refuses: sum(shares) === 0 };
}

/** Servers of a priority, by weight or by number. */
export type PriorityHealth = { readonly servers: number; readonly healthy: number };

export type PanicRules = {
  /** A priority is as good as whole with 1 / this of its servers healthy. */
  readonly overprovisioning: number;
  /** Healthy share below which a priority panics, 0..1; 0 = never. */
  readonly panicThreshold: number;
};

export const DEFAULT_PANIC_RULES: PanicRules = { overprovisioning: 1.4, panicThreshold: 0.5 };

/** One entry per priority, in order. */
export type PriorityPlan = {
  /** Of all traffic, 0..1; their sum is 1 unless it refuses. */
  readonly shares: readonly number[];
  /** In a priority that panics every server is used, whatever its health. */
  readonly panic: readonly boolean[];
  /** No server may be used: answer 503. */
  readonly refuses: boolean;
};

/**
 * The priority for one request.
 * @param draw a random number in [0, 1)
 * @returns -1 when the plan refuses
 */
export function pickPriority({ shares }: PriorityPlan, draw: number): number {
  let point = draw;
  let last = -1;
  for (const [level, share] of shares.entries()) {
    if (share === 0) continue;
    last = level;
    point -= share;
    if (point < 0) return level;
  }
  return last;
}

function sharesByCapacity(capacities: readonly number[], available: number): number[] {
  let left = 1;
  return capacities.map((capacity) => {
    const share = Math.min(left, available === 0 ? 0 : capacity / available);
    left -= share;
    return share;
  });
}

/** When every priority panics health says nothing, so servers count alike. */
function sharesBySize(priorities: readonly PriorityHealth[]): number[] {
  const all = sum(priorities.map(({ servers }) => servers));
  return priorities.map(({ servers }) => (all === 0 ? 0 : servers / all));
}

const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, number) => total + number, 0);
