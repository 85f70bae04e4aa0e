import { type AdmissionRules, DEFAULT_ADMISSION } from '../resilience/admission.ts';
import type { Detector, DetectorMode, OutlierRules } from '../resilience/outlier.ts';
import {
  DEFAULT_RESILIENCE,
  type LimitSettings,
  type ResilienceSettings,
  type RetrySettings,
} from '../resilience/settings.ts';
import { present } from './present.ts';
import type { ResilienceFields } from './resilience-schema.ts';

/** The settings of an upstream for trouble, with the defaults that depend on others. */
export function resolveResilience(
  fields: ResilienceFields,
  responseTimeoutMs: number,
): ResilienceSettings {
  const { hedging, limits, outliers, overprovisioning, panicThreshold, retries } = fields;
  const { shedding, slowStart, totalTimeout } = fields;
  return {
    // One attempt that hangs leaves time for another.
    totalTimeoutMs: totalTimeout ?? 2 * responseTimeoutMs,
    retries: resolveRetries(retries),
    ...(hedging && { hedging: { quantile: hedging.quantile, leastMs: hedging.delayMin } }),
    outliers: resolveOutliers(outliers),
    slowStart: {
      windowMs: slowStart.window,
      minFactor: slowStart.minimum,
      aggression: slowStart.aggression,
      jitterMs: slowStart.jitter,
    },
    degradedWeight: fields.degradedWeight,
    panic: { overprovisioning, panicThreshold },
    limits: resolveLimits(limits),
    ...(shedding === undefined ? {} : { shedding: resolveShedding(shedding) }),
  };
}

function resolveLimits({ queueTimeout, ...limits }: ResilienceFields['limits']): LimitSettings {
  return { ...present(limits), queueTimeoutMs: queueTimeout };
}

function resolveShedding(shedding: NonNullable<ResilienceFields['shedding']>): AdmissionRules {
  return {
    ...DEFAULT_ADMISSION,
    threshold: shedding.successRate,
    aggression: shedding.aggression,
    ratePerSecondMin: shedding.requestsMin,
    rejectMax: shedding.refusedMax,
  };
}

function resolveOutliers(outliers: ResilienceFields['outliers']): OutlierRules {
  const { outliers: defaults } = DEFAULT_RESILIENCE;
  const modeOf = (detector: Detector): DetectorMode => {
    const own = outliers.detectors[detector] ?? defaults.modes[detector];
    if (outliers.mode === 'enforce' || own === 'off') return own;
    return outliers.mode;
  };
  return {
    ...defaults,
    modes: {
      'consecutive-local': modeOf('consecutive-local'),
      'consecutive-gateway': modeOf('consecutive-gateway'),
      'consecutive-5xx': modeOf('consecutive-5xx'),
      'success-rate': modeOf('success-rate'),
      'failure-percentage': modeOf('failure-percentage'),
      latency: modeOf('latency'),
    },
    consecutive: outliers.consecutive,
    stdevFactor: outliers.deviations,
    failureShare: outliers.failureShare,
    latencyFactor: outliers.latencyFactor,
    baseMs: outliers.time,
    maxMs: outliers.timeMax,
    jitterMs: outliers.jitter,
    ejectedShareMax: outliers.shareMax,
    reducedWeight: outliers.reducedWeight === 0 ? undefined : outliers.reducedWeight,
    probeEndsEjection: outliers.probesEnd,
  };
}

function resolveRetries(retries: ResilienceFields['retries']): RetrySettings {
  const { attemptTimeout, attempts, backOff, backOffMax, budget, on, reserve, statuses } = retries;
  return {
    attempts,
    on,
    statuses,
    ...(attemptTimeout === undefined ? {} : { attemptTimeoutMs: attemptTimeout }),
    backOffBaseMs: backOff,
    backOffMaxMs: backOffMax,
    budgetShare: budget,
    reservePerSecond: reserve,
  };
}
