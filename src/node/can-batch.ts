import type { Config } from '../config/config.ts';
import { probeBatches } from '../io/batch-probe.ts';
import { type BatchCallsOrReason, openBatchCalls, type Syscalls } from '../io/syscall.ts';
import type { Log } from '../telemetry/log.ts';

/** Whether UDP is read by the batch; why not, or why it costs more than it should, is said once. */
export function canBatch(
  syscalls: Syscalls,
  udpEngine: Config['dns']['udpEngine'],
  log: Pick<Log, 'info' | 'warn'>,
  open: () => BatchCallsOrReason = openBatchCalls,
): boolean {
  const oneByOne = (reason: string): false => {
    log.info('sockets.one-by-one', `UDP is read one datagram after the other: ${reason}.`);
    return false;
  };
  if (udpEngine === 'portable') return oneByOne('dns.udpEngine is portable');
  const opened = open();
  const problem = probeBatches(syscalls, opened);
  if (problem !== undefined) return oneByOne(problem);
  if (opened.ok && !opened.calls.isDirect) {
    log.warn(
      'sockets.indirect',
      `Each batch over UDP costs more than it should: Node ${process.versions.node} looks at every argument of a call.`,
    );
  }
  return true;
}
