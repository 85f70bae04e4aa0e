import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Role } from '../config/config.ts';
import type { ControlPlane } from '../control/control-plane.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';
import type { Log } from '../telemetry/log.ts';
import { VERSION } from '../telemetry/version.ts';
import type { Thread } from '../workers/thread.ts';
import type { LoadedConfig } from './config-file.ts';
import { type NodeOptions, type RunningNode, type StartProblem, startNode } from './start-node.ts';

/**
 * A node as a process: starts it, says in sentences why it cannot, reloads on SIGHUP, opens the access
 * log anew on SIGUSR2, and ends on SIGINT and SIGTERM after what is in flight.
 */
export type RunProcess = {
  readonly file: string;
  readonly roles: readonly Role[] | undefined;
  readonly region: string | undefined;
  /** What `file` says, when it was read already. */
  readonly loaded: LoadedConfig;
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
/** A start that is told to end is finished first, so that it can be taken down in order; not for ever. */
const START_GRACE_MS = 5000;

/** Runs until a signal ends it, also while it starts; resolves to the exit code. */
export async function runNode(process_: RunProcess): Promise<number> {
  const { file, loaded, log, region, roles } = process_;
  const ended = endSignal();
  const reloadSignals = hearReloads(log);
  let node: RunningNode | undefined;
  // Not SIGUSR1, which is of Node's debugger. What only starts opens its files anyway.
  process.on('SIGUSR2', () => node?.reopenLogs());
  const options: NodeOptions = {
    file,
    roles,
    region,
    environment: process.env,
    loaded,
    log,
    version: VERSION,
    dashboardDirectory: findDashboard(),
  };
  const started = await Promise.race([startNode(options), givenUp(ended)]);
  if (!started) {
    process.stderr.write('meridian: ended by a signal while it was still starting.\n');
    await process_.onStopped();
    return EXIT_FAILED;
  }
  if (!started.ok) {
    process.stderr.write(describeProblem(started.problem));
    await process_.onStopped();
    return started.problem.kind === 'config' ? EXIT_CONFIG : EXIT_FAILED;
  }
  node = started.node;
  for (const { column, hint, line, message } of node.warnings) {
    log.warn('config.warning', `${file}:${line}:${column}: ${message}`, hint ? { hint } : {});
  }
  reloadSignals.serve(node.plane);
  log.info('node.ready', describeReady(node));
  process_.onStarted(node);
  await ended;
  log.info('node.stop', 'Stopping: finishing what is in flight.');
  await node.stop();
  await process_.onStopped();
  return 0;
}

/** Settles when a start that was told to end has had its time. */
async function givenUp(ended: Promise<void>): Promise<undefined> {
  await ended;
  await delay(START_GRACE_MS, undefined, { ref: false });
}

/** SIGHUP reloads; one that comes before the node serves does so then, instead of ending the process. */
function hearReloads(log: Log): { serve(plane: ControlPlane): void } {
  let plane: ControlPlane | undefined;
  let isWaiting = false;
  const reload = (): void => {
    isWaiting = plane === undefined;
    // A refused reload is an event; only a bug gets here.
    plane?.reload('SIGHUP').catch((error: unknown) => {
      log.error('config.reload-failed', `The reload failed: ${String(error)}.`);
    });
  };
  process.on('SIGHUP', reload);
  return {
    serve(next) {
      plane = next;
      if (isWaiting) reload();
    },
  };
}

const wordOf = ({ layer4 }: { readonly layer4?: { readonly protocol: string } }): string =>
  layer4?.protocol.toUpperCase() ?? 'HTTP';

/** What serves, where, and through which engine. */
function describeReady({ adminUrl, config, dns, threads }: RunningNode): string {
  const engines = threads().map(describeThread);
  const balances = config.node.roles.includes('balancer');
  const vips = balances ? config.balancer.listeners : [];
  const parts = [
    ...dns.map((at) => `DNS on ${formatSocketAddress(at)}`),
    ...vips.map((at) => `${wordOf(at)} on ${formatSocketAddress(at)}`),
    ...(adminUrl === undefined ? [] : [`admin API on ${adminUrl}`]),
    ...(engines.length === 0 ? [] : [`workers ${engines.join(', ')}`]),
  ];
  return `Ready. Roles ${config.node.roles.join(', ')}; ${parts.join('; ')}.`;
}

/** One that comes with the first keys may not have said yet what it is. */
export function describeThread({ engine, name }: Pick<Thread, 'name' | 'engine'>): string {
  const known = engine();
  return known === '' || known === name ? name : `${name} (${known})`;
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
