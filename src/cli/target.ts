import type { OverrideStatus, Target } from '../control/control-plane.ts';
import { sharingText, timeText } from './output.ts';

/** What TARGET may be, for help texts. */
export const TARGET_HELP = "a region, an endpoint as pool/region, or a whole pool as 'pool/*'";

/** A region by its name, an endpoint as `pool/region`, a pool as `pool/*`. */
export function targetOf(text: string): Target {
  if (text.endsWith('/*')) return { kind: 'pool', name: text.slice(0, -2) };
  return text.includes('/') ? { kind: 'endpoint', name: text } : { kind: 'region', name: text };
}

/** What was done, as a sentence. */
export function overrideText(override: OverrideStatus): string {
  const { target, action, expiresAtMs, reason, sharing } = override;
  const done = DONE[action];
  const until =
    action === 'cleared'
      ? ''
      : expiresAtMs === undefined
        ? ' until it is cleared'
        : ` until ${timeText(expiresAtMs)}`;
  const why = reason === '' || action === 'cleared' ? '' : ` (${reason})`;
  return `The ${target.kind} ${target.name} ${done}${until}${why}.\n${sharingText(sharing)}`;
}

const DONE = {
  drain: 'is drained',
  up: 'is forced up',
  down: 'is forced down',
  cleared: 'is judged by its probes again',
} as const;
