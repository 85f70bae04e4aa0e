import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Role } from '../config/config.ts';
import type { Log } from '../telemetry/log.ts';
import { VERSION } from '../telemetry/version.ts';
import { type NodeOptions, type RunningNode, type StartProblem, startNode } from './start-node.ts';

/**
 * A node as a process: starts it, says in sentences why it cannot, reloads on SIGHUP, and ends on
 * SIGINT and SIGTERM after what is in flight.
 */
export type RunProcess = {
  readonly file: string;
  readonly roles: readonly Role[] | undefined;
  readonly region: string | undefined;
  readonly log: Log;
  /** Called once the node serves. */
  onStarted(node: RunningNode): void;
  /** Called after the node has stopped. */
  onStopped(): Promise<void>;
};

export const EXIT_FAILED = 1;
/** EX_CONFIG of sysexits.h. */
export const EXIT_CONFIG = 78;
/** A second Ctrl-C this long after the first means "now"; a terminal sends some twice at once. */
const IMPATIENT_AFTER_MS = 500;

/** Runs until a signal ends it; resolves to the exit code. */
export async function runNode(process_: RunProcess): Promise<number> {
  const { file, log, region, roles } = process_;
  const options: NodeOptions = {
    file,
    roles,
    region,
    environment: process.env,
    log,
    version: VERSION,
    dashboardDirectory: findDashboard(),
  };
  const started = await startNode(options);
  if (!started.ok) {
    process.stderr.write(describeProblem(started.problem));
    await process_.onStopped();
    return started.problem.kind === 'config' ? EXIT_CONFIG : EXIT_FAILED;
  }
  const { node } = started;
  for (const { column, hint, line, message } of node.warnings) {
    log.warn('config.warning', `${file}:${line}:${column}: ${message}`, hint ? { hint } : {});
  }
  process.on('SIGHUP', () => void node.plane.reload('SIGHUP'));
  log.info('node.ready', describeReady(node));
  process_.onStarted(node);
  await endSignal();
  log.info('node.stop', 'Stopping: finishing what is in flight.');
  await node.stop();
  await process_.onStopped();
  return 0;
}

/** What serves, where, and through which engine. */
function describeReady(node: RunningNode): string {
  const engines = node.threads().map((thread) => `${thread.name} (${thread.engine()})`);
  const dns = node.dns.map(({ address, port }) => `DNS on ${address}:${port}`);
  const admin = node.adminUrl === undefined ? [] : [`admin API on ${node.adminUrl}`];
  return `Serving ${[...dns, ...admin].join(', ')}; workers ${engines.join(', ')}.`;
}

/** Resolves at the first SIGINT or SIGTERM; a later second one ends the process at once. */
export function endSignal(): Promise<void> {
  return new Promise((resolve) => {
    let firstAtMs = 0;
    const onSignal = (): void => {
      const nowMs = performance.now();
      if (firstAtMs === 0) {
        firstAtMs = nowMs;
        resolve();
      } else if (nowMs - firstAtMs > IMPATIENT_AFTER_MS) process.exit(EXIT_FAILED);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

/** Every problem as a sentence and what to do; never a stack trace. */
export function describeProblem(problem: StartProblem): string {
  switch (problem.kind) {
    case 'config':
      return problem.issues
        .map(({ column, file, hint, line, message }) => {
          const advice = hint === undefined ? '' : `  hint: ${hint}\n`;
          return `${file}:${line}:${column}: ${message}\n${advice}`;
        })
        .join('');
    case 'sockets':
      return problem.problems
        .map(({ hint, message }) => `meridian: ${message}\n  ${hint}\n`)
        .join('');
    case 'compile':
      return problem.reasons.map((reason) => `meridian: ${reason}\n`).join('');
  }
}

function findDashboard(): string | undefined {
  const directory = fileURLToPath(new URL('../../dist/dashboard', import.meta.url));
  return existsSync(`${directory}/index.html`) ? directory : undefined;
}
