import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { BalancerCounts } from '../../src/balancer/counts.ts';
import type { BalancerReport, BalancerRequest } from '../../src/balancer/messages.ts';
import type { BalancerSnapshot } from '../../src/balancer/snapshot.ts';
import { probeRing } from '../../src/io/ring-probe.ts';
import { openSyscalls } from '../../src/io/syscall.ts';

/**
 * The balancer's worker in a process of its own, with the real clock: for what is measured of a process,
 * for one that is killed, and for clients that are programs.
 */
export type BalancerProcess = {
  readonly pid: number;
  readonly engine: string;
  readonly port: number;
  /** Settles when the snapshot is served. */
  serve(snapshot: BalancerSnapshot): Promise<void>;
  tell(request: BalancerRequest): void;
  counters(): Promise<BalancerCounts>;
  /** Octets of anonymous memory that the process holds now. */
  heldBytes(): number;
  /** Ends it at once, and settles when it is gone. */
  kill(): Promise<void>;
};

export type ToProcess =
  | { readonly type: 'start'; readonly hasRing: boolean; readonly snapshot: BalancerSnapshot }
  | { readonly type: 'serve'; readonly snapshot: BalancerSnapshot }
  | { readonly type: 'counters' }
  | { readonly type: 'tell'; readonly request: BalancerRequest };
export type FromProcess =
  | { readonly type: 'report'; readonly report: BalancerReport }
  | { readonly type: 'counters'; readonly counters: BalancerCounts };

const syscalls = openSyscalls();
const canRing = syscalls.ok && (await probeRing(syscalls.calls)) === undefined;

/** Both engines, or the one that this machine allows. */
export const ENGINES: readonly ('portable' | 'io_uring')[] = canRing
  ? ['portable', 'io_uring']
  : ['portable'];

export async function startBalancerProcess(
  snapshot: BalancerSnapshot,
  engine: 'portable' | 'io_uring',
): Promise<BalancerProcess> {
  const child = fork(new URL('./fixtures/balancer-process.ts', import.meta.url), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const heard: FromProcess[] = [];
  let changed = (): void => {};
  child.on('message', (message: FromProcess) => {
    heard.push(message);
    changed();
  });
  child.on('exit', () => changed());
  const say = (message: ToProcess): void => void child.send(message);
  const next = async <T>(choose: (message: FromProcess) => T | undefined): Promise<T> => {
    for (;;) {
      for (const [at, message] of heard.entries()) {
        const chosen = choose(message);
        if (chosen === undefined) continue;
        heard.splice(at, 1);
        return chosen;
      }
      if (child.exitCode !== null) throw new Error(`the balancer ended with ${child.exitCode}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      changed = resolve;
      await promise;
    }
  };
  say({ type: 'start', hasRing: engine === 'io_uring', snapshot });
  const ready = await next((message) =>
    message.type === 'report' && message.report.type === 'ready' ? message.report : undefined,
  );
  if (ready.problems.length > 0) {
    child.kill('SIGKILL');
    throw new Error(JSON.stringify(ready.problems));
  }
  return {
    pid: child.pid!,
    engine: ready.engine,
    port: ready.listeners[0]!.port,
    async serve(later) {
      say({ type: 'serve', snapshot: later });
      await next(
        (message) =>
          (message.type === 'report' &&
            message.report.type === 'serving' &&
            message.report.generation === later.generation) ||
          undefined,
      );
    },
    tell: (request) => say({ type: 'tell', request }),
    counters() {
      say({ type: 'counters' });
      return next((message) => (message.type === 'counters' ? message.counters : undefined));
    },
    heldBytes() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return 1024 * Number(/RssAnon:\s+(\d+)/.exec(status)?.[1]);
    },
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}
