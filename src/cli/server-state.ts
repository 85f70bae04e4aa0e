import type { UpstreamStatus } from '../control/control-plane.ts';
import { timeText } from './output.ts';

type ServerStatus = UpstreamStatus['servers'][number];

/** One word for a server: what requests have shown of it comes before what probes say for it. */
export const serverState = ({ outlier, state }: ServerStatus): string =>
  isOut(state) ? state : (outlier?.level ?? state);

/** Why it is so, and until when. */
export function serverReason({ outlier, reason, state }: ServerStatus): string {
  if (outlier === undefined || isOut(state)) return reason;
  const { untilMs, why, workers, workersTotal } = outlier;
  const by = workersTotal > 1 ? ` (${workers} of ${workersTotal} workers)` : '';
  return `until ${timeText(untilMs)}: ${why}${by}`;
}

const isOut = (state: ServerStatus['state']): boolean => state === 'down' || state === 'unready';
