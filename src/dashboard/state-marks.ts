import type { HealthState } from '../control/control-plane.ts';

/** Health never by colour alone: a sign, of the plainest fonts, and a word with every tone. */
export const STATE_MARKS: Readonly<
  Record<HealthState, { readonly sign: string; readonly word: string; readonly tone: string }>
> = {
  up: { sign: '✓', word: 'up', tone: 'good' },
  degraded: { sign: '!', word: 'degraded', tone: 'warn' },
  unknown: { sign: '?', word: 'not yet judged', tone: 'warn' },
  down: { sign: '✕', word: 'down', tone: 'bad' },
  frozen: { sign: '!', word: 'down, kept in', tone: 'bad' },
  drained: { sign: '‖', word: 'drained', tone: 'off' },
  'forced-up': { sign: '✓', word: 'forced up', tone: 'warn' },
  'forced-down': { sign: '✕', word: 'forced down', tone: 'bad' },
};
