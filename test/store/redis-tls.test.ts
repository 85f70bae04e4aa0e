import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/control/clock.ts';
import { redis } from '../../src/store/redis.ts';
import type { Store } from '../../src/store/store.ts';
import { closedPort } from '../closed-port.ts';
import { createAuthority } from '../probe/certificates.ts';
import { type RedisServer, startRedis } from './redis-server.ts';

/** The store over TLS, with a certificate of one's own, and a user with a password. */

const authority = createAuthority();

type Secured = {
  readonly server: RedisServer;
  readonly tlsPort: number;
  file(name: string): string;
};

async function startSecured(t: TestContext): Promise<Secured> {
  const tlsPort = await closedPort();
  // The directory is made by the server's start: plain first, TLS by CONFIG SET.
  const server = await startRedis(t);
  const file = (name: string): string => join(server.directory, name);
  const own = authority.issue(['redis.example', '127.0.0.1']);
  const client = authority.issue(['node1.example']);
  writeFileSync(file('ca.pem'), authority.cert);
  writeFileSync(file('other-ca.pem'), createAuthority('Another CA').cert);
  writeFileSync(file('server.pem'), own.cert);
  writeFileSync(file('server.key'), own.key);
  writeFileSync(file('client.pem'), client.cert);
  writeFileSync(file('client.key'), client.key);
  const settings = ['tls-ca-cert-file', file('ca.pem'), 'tls-cert-file', file('server.pem')];
  settings.push('tls-key-file', file('server.key'), 'tls-port', `${tlsPort}`);
  await server.cli('config', 'set', ...settings);
  await server.cli('acl', 'setuser', 'lb', 'on', '>w0rd', '~*', '&*', '+@all');
  return { server, tlsPort, file };
}

async function openStore(t: TestContext, options: Readonly<Record<string, unknown>>) {
  const store = await redis.open(redis.options.parse(options), systemClock);
  t.after(() => store.close());
  return store;
}

function reasonOf(store: Store): string {
  const status = store.status();
  return status.state === 'away' ? status.reason : status.state;
}

test('TLS: certificates are shown and checked, and a wrong one is told plainly', async (t) => {
  const { tlsPort, file } = await startSecured(t);
  const tls = { ca: file('ca.pem'), cert: file('client.pem'), key: file('client.key') };
  const base = { servers: [`127.0.0.1:${tlsPort}`], username: 'lb', password: 'w0rd' };
  const store = await openStore(t, { ...base, tls });
  assert.equal(reasonOf(store), 'ready');
  assert.equal((await store.compareAndSet('a', 0, '1')).ok, true);
  const named = await openStore(t, { ...base, tls: { ...tls, serverName: 'redis.example' } });
  assert.equal((await named.get('a'))?.value, '1');
  const url = `rediss://lb:w0rd@127.0.0.1:${tlsPort}`;
  const unchecked = await openStore(t, { url, tls: { ...tls, verify: false } });
  assert.equal(reasonOf(unchecked), 'ready');

  const strange = await openStore(t, { ...base, tls: { ...tls, ca: file('other-ca.pem') } });
  assert.match(reasonOf(strange), /certificate/);
  const misnamed = await openStore(t, { ...base, tls: { ...tls, serverName: 'db.example' } });
  assert.match(reasonOf(misnamed), /altnames|does not match/i);
  const anonymous = await openStore(t, { ...base, tls: { ca: file('ca.pem') } });
  assert.match(reasonOf(anonymous), /certificate required|closed|ECONNRESET/i);
  const fileless = await openStore(t, { ...base, tls: { ...tls, key: file('nothing') } });
  assert.match(reasonOf(fileless), /cannot read .*nothing: ENOENT/);
});

test('TLS and plain text do not understand each other, and say so soon', async (t) => {
  const { server, tlsPort } = await startSecured(t);
  const plain = await openStore(t, { servers: [`127.0.0.1:${tlsPort}`] });
  assert.notEqual(reasonOf(plain), 'ready');
  const tls = await openStore(t, { servers: [`127.0.0.1:${server.port}`], tls: true });
  assert.notEqual(reasonOf(tls), 'ready');
});

test('a wrong password is told without repeating it', async (t) => {
  const { server } = await startSecured(t);
  const password = 'wr0ng-w0rd';
  const store = await openStore(t, {
    servers: [`127.0.0.1:${server.port}`],
    username: 'lb',
    password,
  });
  assert.match(reasonOf(store), /WRONGPASS/);
  await assert.rejects(store.get('a'), (error: Error) => !String(error.stack).includes(password));
  const none = await openStore(t, { servers: [`127.0.0.1:${server.port}`], password });
  assert.equal(reasonOf(none), 'ready', 'a password for a server that wants none does no harm');
});
