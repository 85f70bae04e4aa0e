import { z } from 'zod';
import { DEFAULT_RESILIENCE } from '../resilience/settings.ts';
import { duration } from './values.ts';

/** What an upstream does about trouble with its servers (docs/RESILIENCE.md). */

const ATTEMPTS_MAX = 10;
const RESERVE_MAX = 10_000;
const { retries: RETRIES } = DEFAULT_RESILIENCE;

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
      .default(RETRIES.budgetShare)
      .meta({ hint: 'a share of the requests, from 0 to 1: 0.2' })
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

export const resilienceFields = {
  totalTimeout: duration('10ms', '2h')
    .optional()
    .describe(
      'From the end of the request until its response begins, all attempts and waits included. Default: twice `responseTimeout`.',
    ),
  retries,
};

const resilience = z.strictObject(resilienceFields);
export type ResilienceFields = z.output<typeof resilience>;
