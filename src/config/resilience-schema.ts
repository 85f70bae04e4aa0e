import { z } from 'zod';
import { DEFAULT_ADMISSION } from '../resilience/admission.ts';
import { DEFAULT_HEDGE_RULES } from '../resilience/hedging.ts';
import { DETECTORS } from '../resilience/outlier.ts';
import { DEFAULT_RESILIENCE } from '../resilience/settings.ts';
import { duration } from './values.ts';

/** What an upstream does about trouble with its servers (docs/RESILIENCE.md). */

const ATTEMPTS_MAX = 10;
const RESERVE_MAX = 10_000;
const {
  limits: LIMITS,
  outliers: OUTLIERS,
  panic: PANIC,
  retries: RETRIES,
  slowStart: SLOW_START,
} = DEFAULT_RESILIENCE;

const retries = z
  .strictObject({
    attempts: z
      .int()
      .min(1)
      .max(ATTEMPTS_MAX)
      .default(RETRIES.attempts)
      .describe('Attempts for one request, the first included; 1 = no retries.'),
    on: z
      .array(
        z
          .enum(['connect', 'closed', 'timeout', 'status'])
          .meta({ what: 'a failure', hint: 'connect, closed, timeout or status' }),
      )
      .default([...RETRIES.on])
      .describe(
        'What is retried: no connection (`connect`), one that ended before the response (`closed`), none in time (`timeout`), an answer with one of `statuses`.',
      ),
    statuses: z
      .array(
        z
          .int()
          .min(400)
          .max(599)
          .meta({ what: 'a status', hint: 'statuses of failures are from 400 to 599' }),
      )
      .default([...RETRIES.statuses])
      .describe('Answers that are retried; 429 only when it says until when (Retry-After).'),
    attemptTimeout: duration('10ms', '1h')
      .optional()
      .describe('How long one attempt may take to begin its response. Default: `responseTimeout`.'),
    backOff: duration('1ms', '10s')
      .prefault('25ms')
      .describe('The wait before the n-th retry is drawn from 0 to (2^n - 1) times this.'),
    backOffMax: duration('1ms', '1m').prefault('250ms').describe('No wait is drawn from more.'),
    budget: z
      .number()
      .min(0)
      .max(1)
      .meta({ hint: 'a share of the requests, from 0 to 1: 0.2' })
      .default(RETRIES.budgetShare)
      .describe(
        'Retries per request of the last ten seconds: they are never more, whatever fails.',
      ),
    reserve: z
      .number()
      .min(0)
      .max(RESERVE_MAX)
      .default(RETRIES.reservePerSecond)
      .describe('Retries per second and worker on top, so that a quiet upstream has some.'),
  })
  .prefault({})
  .describe('When a request goes to another server too.');

const hedging = z
  .strictObject({
    quantile: z
      .number()
      .min(0.5)
      .max(0.999)
      .meta({ hint: 'a share of the requests, from 0.5 to 0.999: 0.95' })
      .default(DEFAULT_HEDGE_RULES.quantile)
      .describe(
        'Of the times that requests of the same route have taken, so many of them less: then the second server is asked.',
      ),
    delayMin: duration('1ms', '1h').prefault('5ms').describe('It is never asked sooner.'),
  })
  .optional()
  .describe(
    'A request that may be sent twice, and takes longer than nearly all others, goes to a second server too; the first good answer counts. Each is a retry: one of `attempts`, out of their budget. Default: off; `{}` switches it on.',
  );

const detectorMode = z
  .enum(['off', 'observe', 'enforce'])
  .meta({ what: 'a mode', hint: 'off, observe (only says so) or enforce' });
const share = z.number().min(0).max(1).meta({ hint: 'a share from 0 to 1: 0.33' });

const outliers = z
  .strictObject({
    mode: detectorMode
      .default('enforce')
      .describe(
        '`observe`: no detector does more than say what it sees; `off`: none looks. `enforce`: each as `detectors` says.',
      ),
    detectors: z
      .partialRecord(
        z.enum(DETECTORS).meta({ what: 'a detector', hint: `one of ${DETECTORS.join(', ')}` }),
        detectorMode,
      )
      .prefault({})
      .describe(
        'Modes of single detectors. Default: `consecutive-local`, `consecutive-gateway` and `success-rate` enforce, `consecutive-5xx`, `failure-percentage` and `latency` observe.',
      ),
    consecutive: z
      .int()
      .min(1)
      .max(1000)
      .default(OUTLIERS.consecutive)
      .describe('Failures in a row that the consecutive detectors wait for.'),
    deviations: z
      .number()
      .min(0)
      .max(100)
      .default(OUTLIERS.stdevFactor)
      .describe(
        'Of `success-rate`: out below the mean of the pool less this many standard deviations.',
      ),
    failureShare: share
      .default(OUTLIERS.failureShare)
      .describe('Of `failure-percentage`: out when this share of its requests fails.'),
    latencyFactor: z
      .number()
      .min(1)
      .max(1000)
      .default(OUTLIERS.latencyFactor)
      .describe('Of `latency`: out above this many times the median of the pool.'),
    reducedWeight: share
      .default(OUTLIERS.reducedWeight ?? 0)
      .describe('The first step leaves a server this share of its weight; 0 = it is out at once.'),
    time: duration('1s', '1h')
      .prefault('30s')
      .describe('How long it is out, times how often it was in a row.'),
    timeMax: duration('1s', '24h').prefault('5m').describe('It is never out for longer.'),
    jitter: duration('0s', '10m')
      .prefault('5s')
      .describe('Up to so much longer, so that servers do not come back in one moment.'),
    shareMax: share
      .default(OUTLIERS.ejectedShareMax)
      .describe(
        'Of the pool may be out; of three or more at least one, never the last that is up.',
      ),
    probesEnd: z
      .boolean()
      .default(OUTLIERS.probeEndsEjection)
      .describe('Whether it is back at once when probes that found it down find it up again.'),
  })
  .prefault({})
  .describe('Servers whose answers are out of line lose weight, then all requests, for a while.');

const slowStart = z
  .strictObject({
    window: duration('0s', '1h')
      .prefault('30s')
      .describe('How long until it has its whole weight; 0s = at once.'),
    minimum: z
      .number()
      .min(0.01)
      .max(1)
      .default(SLOW_START.minFactor)
      .describe('The share of its weight that it begins with.'),
    aggression: z
      .number()
      .min(0.1)
      .max(10)
      .default(SLOW_START.aggression)
      .describe('1 = a straight line; more = faster at first.'),
    jitter: duration('0s', '10m')
      .prefault('3s')
      .describe('Each begins up to so much later, so that servers do not grow in step.'),
  })
  .prefault({})
  .describe('A server that comes back, or is new beside others, gets its weight bit by bit.');

const PRIORITY_MAX = 15;
export const serverPriority = z
  .int()
  .min(0)
  .max(PRIORITY_MAX)
  .optional()
  .describe(
    'Takes what the servers of lower numbers cannot: 1 is the reserve of 0. Default: 0, the first.',
  );

const COUNT_MAX = 1_000_000;
const limit = z.int().min(1).max(COUNT_MAX).optional();
const limits = z
  .strictObject({
    requests: limit.describe('Requests in flight to all servers together. Default: no limit.'),
    connections: limit.describe(
      'Connections in use, tunnels among them, to all servers together. Default: no limit.',
    ),
    retries: limit.describe('Retries under way. Default: what the budget gives.'),
    serverRequests: limit.describe('Requests in flight to each server. Default: no limit.'),
    serverConnections: limit.describe('Connections in use to each server. Default: no limit.'),
    adaptive: z
      .boolean()
      .default(false)
      .describe(
        'Limit the requests to each server to what it is found to take without becoming slower.',
      ),
    queueMax: z
      .int()
      .min(0)
      .max(COUNT_MAX)
      .default(LIMITS.queueMax)
      .describe('Requests that may wait for room; 0 = none, the answer is 503 at once.'),
    queueTimeout: duration('10ms', '10m')
      .prefault('5s')
      .describe('How long a request may wait for room; then 503.'),
    queueOrder: z
      .enum(['fifo', 'adaptive-lifo'])
      .default('fifo')
      .describe(
        'Who goes on first: the oldest; with `adaptive-lifo` the newest once the queue has not been empty for a second, and nobody waits longer than 100 ms then.',
      ),
  })
  .prefault({})
  .describe('How much may be under way at a time, in each worker.');

const shedding = z
  .strictObject({
    successRate: z
      .number()
      .min(0.01)
      .max(1)
      .default(DEFAULT_ADMISSION.threshold)
      .describe('Below this share of successes in two minutes requests are refused, at random.'),
    aggression: z
      .number()
      .min(0.1)
      .max(10)
      .default(DEFAULT_ADMISSION.aggression)
      .describe('1 = in proportion; more = sooner.'),
    requestsMin: z
      .number()
      .min(0)
      .max(COUNT_MAX)
      .default(DEFAULT_ADMISSION.ratePerSecondMin)
      .describe('Requests per second below which none is refused.'),
    refusedMax: share
      .default(DEFAULT_ADMISSION.rejectMax)
      .describe('Never more than this share is refused.'),
  })
  .optional()
  .describe(
    'An upstream that fails much is asked less, so that it can recover: 503 for some. Default: off; `{}` switches it on.',
  );

export const resilienceFields = {
  totalTimeout: duration('10ms', '2h')
    .optional()
    .describe(
      'From the end of the request until its response begins, all attempts and waits included. Default: twice `responseTimeout`.',
    ),
  retries,
  hedging,
  outliers,
  slowStart,
  degradedWeight: z
    .number()
    .min(0.01)
    .max(1)
    .default(DEFAULT_RESILIENCE.degradedWeight)
    .meta({ hint: 'a share from 0.01 to 1: 0.1' })
    .describe(
      'The share of its weight that a server keeps while its monitor calls it degraded: slow (`slowAbove`), or by its own answer (`degraded`).',
    ),
  limits,
  shedding,
  panicThreshold: share
    .default(PANIC.panicThreshold)
    .describe(
      'When fewer of the servers than this share are up, all are used: better some answers than those left run over. 0 = never: when all are down, the answer is 503.',
    ),
  overprovisioning: z
    .number()
    .min(1)
    .max(100)
    .default(PANIC.overprovisioning)
    .describe(
      'Servers of a priority that are up count this much: with 1.4, five of seven still take all.',
    ),
};

const resilience = z.strictObject(resilienceFields);
export type ResilienceFields = z.output<typeof resilience>;
