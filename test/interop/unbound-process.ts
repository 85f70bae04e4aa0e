import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Place, serverWords } from './ask.ts';

/**
 * An unbound of the test's own: a validating, caching, minimising resolver in its strictest mood, with
 * a private root. Nothing of it outlives the test.
 */
export type UnboundOptions = {
  /** Where it serves its clients. */
  readonly place: Place;
  /** Name and address of the only root server, which listens on port 53. */
  readonly root: { readonly name: string; readonly address: string };
  /** Further lines of the 'server:' clause. */
  readonly lines?: readonly string[];
  /** Further clauses, line by line. */
  readonly clauses?: readonly string[];
};
export type Unbound = { readonly place: Place; stop(): Promise<void> };

const START_TIMEOUT_MS = 20_000;

export async function startUnbound(options: UnboundOptions): Promise<Unbound> {
  const { place, root } = options;
  const directory = mkdtempSync(join(tmpdir(), 'meridian-unbound-'));
  const type = root.address.includes(':') ? 'AAAA' : 'A';
  writeFileSync(
    join(directory, 'root.hints'),
    `. 3600000 NS ${root.name}\n${root.name} 3600000 ${type} ${root.address}\n`,
  );
  const file = join(directory, 'unbound.conf');
  writeFileSync(file, configuration(directory, options));
  const child = spawn('unbound', ['-d', '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    }
    rmSync(directory, { recursive: true });
  };
  let said = '';
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  try {
    for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
      said += chunk;
      if (said.includes('start of service')) break;
      signal.throwIfAborted();
    }
    assert.ok(said.includes('start of service'), `unbound ended: ${said}`);
  } catch (error) {
    await stop();
    throw new Error(`unbound ${serverWords(place).join(' ')} does not start: ${said}`, {
      cause: error,
    });
  }
  // What it says later is nobody's business, but the pipe must not fill up.
  child.stderr.resume();
  return { place, stop };
}

function configuration(
  directory: string,
  { place, lines = [], clauses = [] }: UnboundOptions,
): string {
  const server = [
    `interface: ${place.address}@${place.port}`,
    'access-control: 0.0.0.0/0 allow',
    'access-control: ::0/0 allow',
    // Nothing of the machine: no other user, no root directory, no files but these.
    'username: ""',
    'chroot: ""',
    'pidfile: ""',
    `directory: "${directory}"`,
    'root-hints: root.hints',
    'use-syslog: no',
    'logfile: ""',
    'verbosity: 1',
    'num-threads: 1',
    'so-reuseport: no',
    'do-not-query-localhost: no',
    // As suspicious as it can be.
    'qname-minimisation: yes',
    'qname-minimisation-strict: yes',
    'use-caps-for-id: yes',
    'harden-glue: yes',
    'harden-below-nxdomain: yes',
    'harden-referral-path: yes',
    'aggressive-nsec: yes',
    ...lines,
  ];
  const control = ['remote-control:', '  control-enable: no'];
  return ['server:', ...server.map((line) => `  ${line}`), ...control, ...clauses, ''].join('\n');
}
