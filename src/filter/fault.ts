import { z } from 'zod';
import type { FilterKind } from './filter.ts';

/** Less than all filters together may take. */
const DELAY_MS_MAX = 20_000;

const percent = () => z.number().min(0).max(100);

/** Makes a share of the requests wait, and a share fail: how do clients take it? */
export const fault: FilterKind<FaultOptions> = {
  kind: 'fault',
  summary: 'Delays or fails a share of the requests, on purpose.',
  options: z.strictObject({
    delay: z
      .strictObject({
        percent: percent().describe('How many of a hundred requests wait.'),
        ms: z.int().min(1).max(DELAY_MS_MAX).describe('How long, in milliseconds.'),
      })
      .optional()
      .describe('Requests that wait before they go on; give or take a tenth of a second.'),
    abort: z
      .strictObject({
        percent: percent().describe('How many of a hundred requests fail.'),
        status: z.int().min(400).max(599).default(503).describe('With which status.'),
      })
      .optional()
      .describe('Requests that are answered with an error, after their delay if they have one.'),
  }),
  waitsMs: ({ delay }) => delay?.ms ?? 0,
  compile:
    ({ abort, delay }) =>
    (exchange, next) => {
      // Two draws: who waits says nothing about who fails.
      const waits = delay !== undefined && exchange.draw() * 100 < delay.percent;
      const fails = abort !== undefined && exchange.draw() * 100 < abort.percent;
      const goOn = (): void => {
        if (fails) {
          exchange.answer({ status: abort.status, fields: [], body: 'fault injected\n' });
        } else next();
      };
      if (waits) exchange.wait(delay.ms, goOn);
      else goOn();
    },
};

export type FaultOptions = {
  readonly delay?: { readonly percent: number; readonly ms: number } | undefined;
  readonly abort?: { readonly percent: number; readonly status: number } | undefined;
};
