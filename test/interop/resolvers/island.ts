import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcesses, type LabProcess, type Outcome } from '../../lab/processes.ts';

/**
 * An internet of its own on one machine: a network namespace without a way out, where every server,
 * resolver and client is an address of the loopback interface. Port 53 is free there, and no address
 * of it is an address of the machine.
 */
export type Island = {
  /** For files of this run; removed with everything else. */
  readonly directory: string;
  start(words: readonly string[], environment?: Readonly<Record<string, string>>): LabProcess;
  /** Runs a program to its end. */
  run(words: readonly string[]): Promise<Outcome>;
  /** Kills every process and removes every trace; also called when this process ends in any way. */
  close(): void;
};

const NAME = 'meridian-resolvers';

/** Why this user or machine cannot make one; undefined when it can. */
export function islandProblem(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may make a network namespace';
  const name = `${NAME}-${process.pid}-try`;
  const run = (...words: string[]) => spawnSync('ip', ['netns', ...words], { encoding: 'utf8' });
  const made = run('add', name);
  const tried = made.status === 0 ? run('exec', name, 'true') : made;
  if (made.status === 0) run('delete', name);
  return tried.status === 0 ? undefined : `no namespaces: ${tried.error ?? tried.stderr}`.trim();
}

/** Throws with the words of `ip` when this user or machine does not permit namespaces. */
export function openIsland(addresses: readonly string[]): Island {
  removeLeftovers();
  const name = `${NAME}-${process.pid}-island`;
  const directory = mkdtempSync(join(tmpdir(), `${NAME}-${process.pid}-`));
  const processes = createProcesses(() => name);
  const close = (): void => {
    processes.killAll();
    removeNamespace(name);
    rmSync(directory, { recursive: true, force: true });
    process.off('exit', close);
  };
  process.on('exit', close);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(1));
  }
  ip(['netns', 'add', name]);
  ip(['netns', 'exec', name, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6']);
  const own = addresses.map(
    (address) => `address add ${address}/${address.includes(':') ? 128 : 32} dev lo`,
  );
  ip(['-n', name, '-batch', '-'], ['link set lo up', ...own].join('\n'));
  return {
    directory,
    start: (words, environment) => processes.start('', words, environment),
    run: (words) => processes.run('', words),
    close,
  };
}

function ip(words: readonly string[], input = ''): void {
  execFileSync('ip', words, { input, stdio: ['pipe', 'ignore', 'pipe'] });
}

/** Also ends whatever still runs inside: it was started by a run of this test. */
function removeNamespace(namespace: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
  for (const pid of (stdout ?? '').split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
  spawnSync('ip', ['netns', 'delete', namespace]);
}

/** What runs left behind that were killed before they could clean up. */
function removeLeftovers(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  const namespaces = (stdout ?? '').split('\n').map((line) => line.split(' ')[0] ?? '');
  for (const namespace of namespaces.filter(isLeftover)) removeNamespace(namespace);
  for (const directory of readdirSync(tmpdir()).filter(isLeftover)) {
    rmSync(join(tmpdir(), directory), { recursive: true, force: true });
  }
}

function isLeftover(name: string): boolean {
  const pid = new RegExp(`^${NAME}-(\\d+)-`).exec(name)?.[1];
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch {
    return true;
  }
}
