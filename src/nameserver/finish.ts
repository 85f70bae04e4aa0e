/** How every response ends: OPT, and the counts of its header. */
import { FLAG_AA, RCODE_NOERROR } from '../dns/constants.ts';
import { EDE_NONE, writeOpt } from '../dns/edns.ts';
import { finishReply, truncate } from '../dns/encode.ts';
import { DELEGATION } from '../zone/lookup.ts';
import { COUNT_TRUNCATED, rcodeSlot } from './counters.ts';
import type { WorkerState } from './worker-state.ts';

/**
 * @param flags FLAG_AA, FLAG_TC
 * @param scope of the client subnet that is echoed
 * @param edeCode EDE_NONE = that of the zone, if there is one
 * @returns the response's length in octets
 */
export function finish(
  worker: WorkerState,
  rcode: number,
  flags: number,
  scope: number,
  udpSizeMax: number,
  edeCode: number,
): number {
  const { counters, reply } = worker;
  const slot = rcodeSlot(rcode);
  counters[slot] = counters[slot]! + 1;
  writeOpt(reply, udpSizeMax, scope, edeCode === EDE_NONE ? worker.zoneEde : edeCode);
  return finishReply(reply, rcode, flags);
}

/** Header, question and OPT only: the client comes back over TCP. */
export function finishTruncated(worker: WorkerState, udpSizeMax: number, scope: number): number {
  const { counters, reply, result } = worker;
  counters[COUNT_TRUNCATED] = counters[COUNT_TRUNCATED]! + 1;
  truncate(reply);
  const isReferral = result.outcome === DELEGATION && result.chainLength === 0;
  return finish(worker, RCODE_NOERROR, isReferral ? 0 : FLAG_AA, scope, udpSizeMax, EDE_NONE);
}
