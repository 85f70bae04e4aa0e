import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { runCommand } from '../node/program.ts';
import { startPebble } from './pebble-process.ts';

/**
 * Certificates by dns-01, from the first word to the last: Debian's clients get them from Debian's pebble, which
 * finds their challenges by asking Meridian.
 */
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const SECRET = Buffer.alloc(32, 1).toString('base64');
const KEY = 'acme.gslb.example';
const address = loopbackAddress();
const port = 5300;
const adminPort = await freePort();
const fixture = await startNodeFixture({
  node: { roles: ['nameserver', 'admin'], workers: { dns: 1 } },
  admin: { port: adminPort },
  zones: {
    'gslb.example': {
      nameservers: ['ns.other.example.'],
      update: { allow: [{ key: KEY, names: ['_acme-challenge.**'], types: ['TXT'] }] },
    },
  },
  dns: { listeners: [`${address}:${port}`], keys: { [KEY]: { secret: SECRET } } },
});
const pebble = await startPebble(`${address}:${port}`);
after(async () => {
  pebble.stop();
  await fixture.stop();
});
const env = {
  ...process.env,
  LEGO_CA_CERTIFICATES: pebble.authorityFile,
  REQUESTS_CA_BUNDLE: pebble.authorityFile,
  MERIDIAN_ADMIN: `http://127.0.0.1:${adminPort}`,
};
const at = (name: string): string => join(pebble.directory, name);
const serialNow = (): number => fixture.node.plane.zones()[0]!.serial;
const challenges = async () => {
  const listed = fixture.node.plane.acmeChallenges('gslb.example');
  assert.ok(!('problem' in listed));
  return listed;
};

test('lego gets a certificate with its rfc2136 provider, and leaves nothing behind', async (t) => {
  const before = serialNow();
  const words = ['--server', pebble.url, '--accept-tos', '--email', 'test@gslb.example'];
  words.push('--path', at('lego'), '--dns', 'rfc2136', '--dns.disable-cp');
  words.push('--dns.resolvers', `${address}:${port}`);
  words.push('-d', 'www.gslb.example', '-d', '*.gslb.example', 'run');
  const result = await runCommand(t, 'lego', words, {
    env: {
      ...env,
      RFC2136_NAMESERVER: `${address}:${port}`,
      RFC2136_TSIG_ALGORITHM: 'hmac-sha256.',
      RFC2136_TSIG_KEY: KEY,
      RFC2136_TSIG_SECRET: SECRET,
      RFC2136_POLLING_INTERVAL: '1',
      RFC2136_SEQUENCE_INTERVAL: '1',
    },
  });
  assert.equal(result.code, 0, result.stdout + result.stderr);
  assert.match(readFileSync(at('lego/certificates/www.gslb.example.crt'), 'utf8'), /BEGIN CERT/);
  assert.deepEqual(await challenges(), []);
  assert.equal(serialNow(), before + 4, 'two set and cleared');
});

const certbot = (name: string, ...words: string[]): string[] => [
  ...['certonly', '--non-interactive', '--agree-tos', '-m', 'test@gslb.example'],
  ...['--server', pebble.url, '--config-dir', at(name), '--work-dir', at(`${name}-work`)],
  ...['--logs-dir', at(`${name}-logs`), ...words],
];

test('certbot gets a certificate with its dns-rfc2136 plugin', async (t) => {
  const file = at('rfc2136.ini');
  const lines = { server: address, port, name: KEY, secret: SECRET, algorithm: 'HMAC-SHA256' };
  const text = Object.entries(lines).map(([key, value]) => `dns_rfc2136_${key} = ${value}\n`);
  writeFileSync(file, text.join(''), { mode: 0o600 });
  const words = ['--dns-rfc2136', '--dns-rfc2136-credentials', file];
  words.push('--dns-rfc2136-propagation-seconds', '0');
  const before = serialNow();
  const all = certbot('plugin', ...words, '-d', 'www.gslb.example', '-d', 'a.b.gslb.example');
  const result = await runCommand(t, 'certbot', all, { env });
  assert.equal(result.code, 0, result.stdout + result.stderr);
  assert.ok(existsSync(at('plugin/live/www.gslb.example/fullchain.pem')));
  assert.deepEqual(await challenges(), []);
  assert.equal(serialNow(), before + 4);
});

test('certbot gets a certificate with the hooks of the CLI', async (t) => {
  const hook = (name: string): string =>
    `${process.execPath} --disable-warning=ExperimentalWarning ${MAIN} acme ${name}`;
  const words = ['--manual', '--preferred-challenges', 'dns'];
  words.push('--manual-auth-hook', hook('auth-hook'));
  words.push('--manual-cleanup-hook', hook('cleanup-hook'));
  const all = certbot('hooks', ...words, '-d', '*.gslb.example', '-d', 'gslb.example');
  const result = await runCommand(t, 'certbot', all, { env });
  assert.equal(result.code, 0, result.stdout + result.stderr);
  assert.ok(existsSync(at('hooks/live/gslb.example/fullchain.pem')));
  assert.deepEqual(await challenges(), []);
  const events = await fixture.node.plane.events('', 1000);
  const told = events.filter(({ kind }) => kind === 'zone.acme-challenge');
  assert.equal(told.length, 4, 'both names are proved at one');
});
