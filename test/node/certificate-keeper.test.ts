import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Certificate } from '../../src/dns-transport/listeners.ts';
import { CERTIFICATE_POLL_MS, openCertificates } from '../../src/node/certificate-keeper.ts';
import { certificateIndex, certificatesOf } from '../../src/workers/certificates.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { createConfig } from '../nameserver/fixture.ts';
import { createAuthority } from '../probe/certificates.ts';

const authority = createAuthority();
const listener = { address: '127.0.0.1', port: 853, protocol: 'tls' } as const;

function world(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-certificates-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const write = (name: string, { cert, key } = authority.issue(['a.example'])) => {
    const certificate = { file: join(folder, `${name}.pem`), keyFile: join(folder, `${name}.key`) };
    writeFileSync(certificate.file, cert);
    writeFileSync(certificate.keyFile, key);
    return certificate;
  };
  const events: string[] = [];
  const record = (kind: string, _: string, message: string, severity = 'info'): void => {
    events.push(`${severity} ${kind}: ${message.replaceAll(folder, '')}`);
  };
  return { write, events, record };
}

test('a certificate that changes on disk is told, one that cannot serve is not', async (t) => {
  const { events, record, write } = world(t);
  const clock = createMovedClock(Date.now());
  const certificate = write('one');
  const dns = { ...createConfig().dns, listeners: [{ ...listener, certificate }] };
  const opened = openCertificates(dns, clock, { record });
  assert.ok(opened.ok);
  const told: (readonly Certificate[])[] = [];
  opened.keeper.watch((certificates) => told.push(certificates));
  await clock.advance(10 * CERTIFICATE_POLL_MS);
  assert.deepEqual([told, events], [[], []]);
  const renewed = authority.issue(['a.example'], { fromDays: -1, toDays: 1 });
  write('one', renewed);
  await clock.advance(CERTIFICATE_POLL_MS);
  assert.deepEqual(told, [[{ chain: renewed.cert, key: renewed.key }]]);
  write('one', { cert: renewed.cert, key: 'nonsense' });
  await clock.advance(CERTIFICATE_POLL_MS);
  assert.equal(told.length, 1);
  assert.match(events[0]!, /^info dns\.certificate: The certificate in \/one\.pem was read again/);
  assert.match(events[1]!, /^warn dns\.certificate: The certificate was not read again: /);
  write('one', authority.issue(['a.example'], { fromDays: -20, toDays: -10 }));
  await clock.advance(CERTIFICATE_POLL_MS);
  assert.equal(told.length, 1, 'one that has ended takes no place of one that has not');
  const ended = /^warn dns\.certificate: The certificate in \/one\.pem has ended on .*\./;
  assert.match(events[2]!, new RegExp(`${ended.source} The one from before stays\\.$`));
  await clock.advance(2 * 24 * 3600_000);
  write('one', authority.issue(['a.example'], { fromDays: -30, toDays: -20 }));
  await clock.advance(CERTIFICATE_POLL_MS);
  assert.equal(told.length, 2, 'but of one that has ended too');
  assert.match(events[3]!, new RegExp(`${ended.source}$`));
  opened.keeper.close();
  assert.equal(clock.pending(), 0);
});

test('a node does not start with files that are no certificate and its key', (t) => {
  const { record, write } = world(t);
  const one = write('one');
  const two = write('two');
  const cases = [
    [{ ...one, keyFile: '/nowhere.key' }, /\/nowhere\.key cannot be read \(ENOENT\)/],
    [{ ...one, keyFile: two.keyFile }, /are no certificate with its key/],
  ] as const;
  for (const [certificate, message] of cases) {
    const dns = { ...createConfig().dns, listeners: [{ ...listener, certificate }] };
    const opened = openCertificates(dns, createMovedClock(), { record });
    assert.ok(!opened.ok);
    assert.match(opened.problems[0]!.message, message);
  }
});

test('listeners that show the same files share one certificate', (t) => {
  const { write } = world(t);
  const [one, two] = [write('one'), write('two')];
  const listeners = [
    { ...listener, certificate: one },
    { address: '127.0.0.1', port: 53, protocol: 'dns' as const },
    { ...listener, port: 443, certificate: two },
    { ...listener, port: 854, certificate: { ...one } },
  ];
  const dns = { ...createConfig().dns, listeners };
  assert.deepEqual(certificatesOf(dns), [one, two]);
  assert.deepEqual(
    listeners.map((each) => certificateIndex(dns, each)),
    [0, 0, 1, 0],
  );
});
