import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../node/until.ts';
import { type Place, run, serverWords } from './ask.ts';

/** A PowerDNS Recursor of the test's own, which asks one server about one zone. Nothing of it outlives the test. */
export type PowerdnsOptions = {
  /** Where it serves its clients. */
  readonly place: Place;
  readonly zone: string;
  readonly server: Place;
  /** Further settings. */
  readonly lines?: readonly string[];
};
export type Powerdns = { stop(): Promise<void> };

const START_TIMEOUT_MS = 20_000;

export async function startPowerdns(options: PowerdnsOptions): Promise<Powerdns> {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-powerdns-'));
  writeFileSync(join(directory, 'recursor.conf'), configuration(directory, options));
  const child = spawn('pdns_recursor', [`--config-dir=${directory}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const hear = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-SAID_MAX);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(directory, { recursive: true });
  };
  const question = [...serverWords(options.place), '+tries=1', '+time=1', options.zone, 'SOA'];
  const isReady = async () => (await run('dig', question)).output.includes('status: NOERROR');
  try {
    await until(isReady, START_TIMEOUT_MS, () => `pdns_recursor answers: ${said}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

const SAID_MAX = 5000;

function configuration(directory: string, options: PowerdnsOptions): string {
  const { place, zone, server, lines = [] } = options;
  return [
    `local-address=${place.address}`,
    `local-port=${place.port}`,
    `query-local-address=${place.address}`,
    `forward-zones=${zone}=${server.address}:${server.port}`,
    'allow-from=0.0.0.0/0,::/0',
    // All of this machine is what should not be asked elsewhere.
    'dont-query=',
    'dnssec=off',
    `socket-dir=${directory}`,
    'security-poll-suffix=',
    'write-pid=no',
    'disable-syslog=yes',
    'daemon=no',
    'threads=1',
    ...lines,
    '',
  ].join('\n');
}
