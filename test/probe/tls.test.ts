import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { ProbeResult } from '../../src/probe/probe.ts';
import { tls } from '../../src/probe/tls.ts';
import { createAuthority } from './certificates.ts';
import { serve } from './fixture-server.ts';
import { authority, caFile, good, overTls } from './tls-server.ts';

const never = new AbortController().signal;
const DAY_MS = 86_400_000;
const dayOf = (days: number): string =>
  new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);
const idle = (): void => undefined;

function run(port: number, options: unknown, address = '127.0.0.1'): Promise<ProbeResult> {
  return tls.run({ address, port }, tls.options.parse(options), never);
}

test('run() is content with a valid certificate, and says when it expires', async (t) => {
  const server = await serve(t, overTls(idle));
  const result = await run(server.port, { ca: caFile(t), sni: 'localhost' });
  assert.equal(result.ok, true, result.reason);
  assert.equal(result.reason, 'TLSv1.3');
  assert.ok(Math.abs(result.expiresAtMs! - Date.now() - 90 * DAY_MS) < DAY_MS);
  assert.equal(result.warning, undefined);
  assert.ok(result.timings!.connectMs! > 0 && result.timings!.tlsMs! > 0);
  assert.ok(result.timings!.connectMs! + result.timings!.tlsMs! <= result.rttMs);
  await server.idle();
});

test('run() says in words what is wrong with a certificate', async (t) => {
  const ca = caFile(t);
  const other = createAuthority('Nobody');
  const cases = [
    [authority.issue(['localhost'], { toDays: -3.5 }), {}, `certificate expired on ${dayOf(-3.5)}`],
    [authority.issue(['localhost'], { fromDays: 2 }), {}, 'certificate is not valid yet'],
    [authority.issue(['example.org']), {}, 'certificate is not for localhost'],
    [other.issue(['localhost']), {}, 'certificate is not signed by a known authority'],
    [
      authority.issue(['localhost'], { toDays: 5.5 }),
      { daysLeftMin: 7 },
      'certificate expires in 5 days, wanted 7',
    ],
  ] as const;
  for (const [certificate, more, reason] of cases) {
    const server = await serve(t, overTls(idle, certificate));
    const result = await run(server.port, { ca, sni: 'localhost', ...more });
    assert.deepEqual([result.ok, result.reason], [false, reason]);
    assert.notEqual(result.local, true);
    assert.ok(result.expiresAtMs !== undefined, 'its expiry is known all the same');
  }
});

test('run() trusts the usual authorities when none are given', async (t) => {
  const server = await serve(t, overTls(idle));
  const result = await run(server.port, { sni: 'localhost' });
  assert.equal(result.reason, 'certificate is not signed by a known authority');
});

test('run() warns of a certificate that expires soon', async (t) => {
  const server = await serve(t, overTls(idle, authority.issue(['localhost'], { toDays: 5.5 })));
  const ca = caFile(t);
  const result = await run(server.port, { ca, sni: 'localhost' });
  assert.deepEqual([result.ok, result.warning], [true, 'certificate expires in 5 days']);
  const calm = await run(server.port, { ca, sni: 'localhost', daysLeftWarn: 3 });
  assert.equal(calm.warning, undefined);
});

test('run() judges no certificate when told not to', async (t) => {
  const server = await serve(t, overTls(idle, authority.issue(['x'], { toDays: -1 })));
  const result = await run(server.port, { verify: false });
  assert.deepEqual([result.ok, result.warning], [true, `certificate expired on ${dayOf(-1)}`]);
});

test('run() wants the address in the certificate when no name is told', async (t) => {
  const ca = caFile(t);
  const server = await serve(t, overTls(idle));
  assert.equal((await run(server.port, { ca })).ok, true);
  const named = await serve(t, overTls(idle, authority.issue(['localhost'])));
  assert.equal((await run(named.port, { ca })).reason, 'certificate is not for 127.0.0.1');
  const six = await serve(t, overTls(idle), '::1');
  assert.equal((await run(six.port, { ca }, '::1')).ok, true);
});

test('run() wants one of the protocols that it offers', async (t) => {
  const ca = caFile(t);
  const server = await serve(t, overTls(idle, good, ['h2']));
  const both = await run(server.port, { ca, alpn: ['http/1.1', 'h2'] });
  assert.deepEqual([both.ok, both.reason], [true, 'TLSv1.3, h2']);
  const result = await run(server.port, { ca, alpn: ['imap'] });
  assert.deepEqual(
    [result.ok, result.reason],
    [false, 'the server speaks none of these protocols (ALPN)'],
  );
});

test('run() reads the CA file again when it has changed, and blames this host when it cannot', async (t) => {
  const server = await serve(t, overTls(idle));
  const ca = caFile(t, createAuthority('Other').cert);
  assert.equal((await run(server.port, { ca })).ok, false);
  writeFileSync(ca, `${authority.cert}\n`);
  assert.equal((await run(server.port, { ca })).ok, true);
  const missing = await run(server.port, { ca: '/nowhere/ca.pem' });
  assert.deepEqual([missing.ok, missing.local], [false, true]);
  assert.match(missing.reason, /cannot use the CA file \/nowhere\/ca.pem/);
});

test('run() says so when the answer is not TLS', async (t) => {
  const server = await serve(t, (socket) => socket.write('220 mail.example ESMTP\r\n'));
  const result = await run(server.port, {});
  assert.deepEqual([result.ok, result.reason], [false, 'the answer is not TLS']);
});
