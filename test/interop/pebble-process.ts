import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import { until } from '../node/until.ts';
import { createAuthority } from '../probe/certificates.ts';

/** A certificate authority of the test's own (RFC 8555), which looks at challenges by asking one nameserver. */
export type Pebble = {
  /** URL of its directory. */
  readonly url: string;
  /** What its own TLS certificate is signed by. */
  readonly authorityFile: string;
  readonly directory: string;
  stop(): void;
};

const START_TIMEOUT_MS = 20_000;

export async function startPebble(nameserver: string): Promise<Pebble> {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-pebble-'));
  const put = (name: string, text: string): string => {
    const file = join(directory, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const authority = createAuthority();
  const address = loopbackAddress();
  const own = authority.issue([address]);
  const port = await freePort(address);
  const url = `${address}:${port}`;
  const config = {
    pebble: {
      listenAddress: url,
      managementListenAddress: `${address}:${await freePort(address)}`,
      certificate: put('cert.pem', own.cert),
      privateKey: put('key.pem', own.key),
      httpPort: 5002,
      tlsPort: 5001,
    },
  };
  const child: ChildProcess = spawn(
    'pebble',
    ['-config', put('config.json', JSON.stringify(config)), '-dnsserver', nameserver],
    { env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0' } },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk;
    });
  }
  const stop = (): void => {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  await until(
    async () => /ACME directory available/.test(output),
    START_TIMEOUT_MS,
    () => output,
  );
  return {
    url: `https://${url}/dir`,
    authorityFile: put('ca.pem', authority.cert),
    directory,
    stop,
  };
}
