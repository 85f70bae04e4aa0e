import {
  DETECTORS,
  type Detector,
  HELD,
  LEVEL,
  type OutlierRules,
  type OutlierState,
} from './outlier.ts';

/** In words: why a server is out or has less weight, or why it is not although something is wrong. */
export function explainOutlier(
  state: OutlierState,
  rules: OutlierRules,
  server: number,
  nowMs: number,
): string {
  const level = state.level[server];
  const detector = DETECTORS[state.detector[server]! - 1];
  if (detector === undefined) return 'in: no detector has anything against it';
  const why = outlierCause(state, rules, server);
  if (level === LEVEL.in) {
    const agoSeconds = Math.max(0, Math.round((nowMs - state.detectedAtMs[server]!) / 1000));
    return `in, although ${agoSeconds} s ago ${why}: ${heldWords(state, rules, server)}`;
  }
  const leftSeconds = Math.max(0, Math.ceil((state.untilMs[server]! - nowMs) / 1000));
  if (level === LEVEL.ejected) return `out for ${leftSeconds} s more: ${why}`;
  const percent = Math.round((rules.reducedWeight ?? 1) * 100);
  return `in at ${percent} % of its weight for ${leftSeconds} s more: ${why}`;
}

/** What a detector has seen of the server, how often in a row, and what keeps it from being out; '' = nothing. */
export function outlierCause(state: OutlierState, rules: OutlierRules, server: number): string {
  const detector = DETECTORS[state.detector[server]! - 1];
  if (detector === undefined) return '';
  const why = `${evidenceOf(detector, state.evidence[server]!, rules)} (${detector})`;
  if (state.level[server] === LEVEL.in) return why;
  const times = state.times[server]!;
  const again = times > 1 ? `, for the ${ordinal(times)} time in a row` : '';
  if (state.level[server] === LEVEL.ejected || state.held[server] === HELD.no) {
    return `${why}${again}`;
  }
  return `${why}${again}; not out, because ${heldWords(state, rules, server)}`;
}

function evidenceOf(detector: Detector, evidence: number, rules: OutlierRules): string {
  switch (detector) {
    case 'consecutive-local':
      return `${evidence} requests in a row got no connection or no answer`;
    case 'consecutive-gateway':
      return `${evidence} answers in a row were 502, 503 or 504`;
    case 'consecutive-5xx':
      return `${evidence} answers in a row were 5xx`;
    case 'success-rate':
      return `only ${percentOf(evidence)} of requests succeeded, far fewer than elsewhere in the pool`;
    case 'failure-percentage':
      return `${percentOf(evidence)} of requests failed`;
    case 'latency':
      return `answers took ${Math.round(evidence)} ms, over ${rules.latencyFactor} times the pool's median`;
  }
}

function heldWords(state: OutlierState, rules: OutlierRules, server: number): string {
  switch (state.held[server]) {
    case HELD.observed:
      return 'the detector only observes';
    case HELD.share: {
      const percent = percentOf(rules.ejectedShareMax);
      return `as many are out as may be (${percent} of ${state.level.length})`;
    }
    case HELD.last:
      return 'no other server takes new requests';
    default:
      return 'the detector acted';
  }
}

const percentOf = (share: number): string => `${Math.round(share * 100)} %`;

function ordinal(count: number): string {
  const isTeen = Math.floor((count % 100) / 10) === 1;
  const suffix = isTeen ? 'th' : (['th', 'st', 'nd', 'rd'][count % 10] ?? 'th');
  return `${count}${suffix}`;
}
