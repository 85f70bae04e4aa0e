/** Facts without which a result says nothing: when, which code, which machine, which programs. */
import { spawnSync } from 'node:child_process';
import { cpus, loadavg, release } from 'node:os';

/** Name and value of each fact, in the order to print. */
export type Facts = readonly (readonly [string, string])[];

/** `programs` are the versions of what was measured beside Node. */
export function machineFacts(programs: Facts, command: string): Facts {
  const [model, count] = [cpus()[0]?.model ?? 'unknown', cpus().length];
  return [
    ['date', `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`],
    ['commit', commit()],
    ['CPU', `${model}, ${count} ${count === 1 ? 'core' : 'cores'}`],
    ['kernel', release()],
    ['Node', process.versions.node],
    ...programs,
    ['load average before', loadavg()[0]!.toFixed(2)],
    ['command', `\`${command}\``],
  ];
}

/** The first number with dots in what a program says about itself. */
export function versionOf(command: string, words: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, words, { encoding: 'utf8' });
  return `${stdout}${stderr}`.match(/\d+(\.\d+)+/)?.[0] ?? 'unknown';
}

function commit(): string {
  const git = (...words: string[]): string =>
    (spawnSync('git', words, { cwd: import.meta.dirname, encoding: 'utf8' }).stdout ?? '').trim();
  const hash = git('rev-parse', '--short=10', 'HEAD');
  if (hash === '') return 'unknown';
  return git('status', '--porcelain', '--', '../../src') === '' ? hash : `${hash} with changes`;
}
