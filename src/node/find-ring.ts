import type { Config } from '../config/config.ts';
import { openRingCalls, type RingCalls, type RingCallsOrReason } from '../io/ring-calls.ts';
import { probeRing } from '../io/ring-probe.ts';
import type { Syscalls } from '../io/syscall.ts';
import type { Log } from '../telemetry/log.ts';

/** The calls of io_uring, if balancer workers read and write by it; why not, or why it costs more than it should, is said once. */
export async function findRing(
  syscalls: Syscalls,
  engine: Config['balancer']['engine'],
  log: Pick<Log, 'info' | 'warn'>,
  open: () => RingCallsOrReason = openRingCalls,
): Promise<RingCalls | undefined> {
  const withoutRing = (reason: string): undefined => {
    log.info('sockets.without-ring', `Balancer workers read and write by node:net: ${reason}.`);
  };
  if (engine === 'portable') return withoutRing('balancer.engine is portable');
  const opened = open();
  const problem = await probeRing(syscalls, opened);
  if (!opened.ok || problem !== undefined) return withoutRing(problem ?? '');
  if (!opened.calls.isDirect) {
    log.warn(
      'sockets.indirect',
      `Each call to io_uring costs more than it should: Node ${process.versions.node} looks at every argument of a call.`,
    );
  }
  return opened.calls;
}
