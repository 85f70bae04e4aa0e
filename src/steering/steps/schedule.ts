import { z } from 'zod';
import type { ForkStep } from '../step.ts';
import { isTimeZone, type TimeWindow } from '../time-window.ts';
import { chainOf, fence, type NamedChain, policyName } from './fork-options.ts';

const WINDOWS_MAX = 64;
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

const clock = z
  .string()
  .regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/)
  .meta({ what: 'a time of day', hint: 'hours and minutes of 24 hours: 09:30' });

const window = z.strictObject({
  days: z
    .array(z.enum(DAYS))
    .max(DAYS.length)
    .default([])
    .describe('Days on which it begins: sun, mon, tue, wed, thu, fri, sat. Default: every day.'),
  from: clock.describe('When it begins, on the local clock: `22:00`.'),
  to: clock.describe('When it ends; at or before the beginning means on the next day.'),
});

const options = z
  .strictObject({
    windows: z.array(window).min(1).max(WINDOWS_MAX).describe('When it is in force.'),
    zone: z
      .string()
      .default('UTC')
      .refine(isTimeZone, { params: { said: 'is not a time zone' } })
      .meta({ hint: 'an IANA name: Europe/Berlin' })
      .describe('Whose clock: an IANA time zone.'),
    policy: policyName
      .optional()
      .describe('What clients go by meanwhile. Default: the rest of this chain.'),
    regions: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('Regions that may answer meanwhile. Default: all.'),
  })
  .refine((value) => value.policy !== undefined || value.regions !== undefined, {
    params: { said: 'needs a policy, regions, or both' },
  });

/** Another way at some times of the week: follow the sun, keep a region free at night. */
export const schedule: ForkStep<z.infer<typeof options> & NamedChain> = {
  kind: 'schedule',
  stage: 'fork',
  summary: 'Goes another way at some times of the week.',
  options,
  reads: () => [],
  compile: (named, { follow, rest }) => {
    const { policy, regions, windows, zone } = named;
    const fences = regions === undefined ? [] : [fence(regions)];
    return {
      kind: 'schedule',
      label: policy ?? regions!.join('+'),
      windows: windows.map((each) => timeWindow(each, zone)),
      during: follow([...fences, ...(chainOf(named) ?? rest)]),
      otherwise: follow(),
    };
  },
};

function timeWindow({ days, from, to }: z.infer<typeof window>, zone: string): TimeWindow {
  return {
    days: days.map((day) => DAYS.indexOf(day)),
    fromMinute: minuteOf(from),
    toMinute: minuteOf(to),
    zone,
  };
}

const minuteOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
