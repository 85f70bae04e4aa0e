import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { decodeMessage } from '../../src/dns/decode.ts';
import { buildQuery, opt } from '../dns/query-builder.ts';
import { wireName } from '../nameserver/fixture.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { until } from '../node/until.ts';
import { ask, run, serverWords } from './ask.ts';
import { startWorldNode, zone } from './world-node.ts';

/** Signed zones as validators see them that know their keys, and as other tools check a copy. */
const address = loopbackAddress();
const server = { address, port: 5300 };
const scratch = mkdtempSync(join(tmpdir(), 'meridian-dnssec-'));
const transfer = { allow: ['127.0.0.0/8'] };
const ZONES = {
  'compact.example': { ...zone, transfer, dnssec: true },
  'chain.example': { ...zone, transfer, dnssec: { keys: 'ksk-zsk', denial: 'nsec' } },
  'edwards.example': { ...zone, transfer, dnssec: { algorithm: 'ed25519' } },
};
const fixture = await startWorldNode(
  [`${address}:${server.port}`],
  ZONES,
  {},
  {},
  join(scratch, 'state'),
);
after(async () => {
  await fixture.stop();
  rmSync(scratch, { recursive: true });
});

async function dig(...words: string[]): Promise<string> {
  return (await run('dig', [...serverWords(server), ...words])).output;
}

/** Whom `delv` is to trust: the zone's entry keys as they are. */
async function anchorOf(name: string): Promise<string> {
  const keys = (await dig('+tcp', '+short', name, 'DNSKEY')).trim().split('\n');
  const entries = keys
    .filter((key) => key.startsWith('257 '))
    .map((key) => {
      const [flags, protocol, algorithm, ...data] = key.split(' ');
      return `"${name}." static-key ${flags} ${protocol} ${algorithm} "${data.join('')}";`;
    });
  const file = join(scratch, `${name}.anchor`);
  writeFileSync(file, `trust-anchors { ${entries.join(' ')} };\n`);
  return file;
}

/** What there is to be asked, and how `delv` begins to speak of it. */
const POSITIVE = '; fully validated';
const NEGATIVE = '; negative response, fully validated';
const QUESTIONS: readonly (readonly [string, string, string])[] = [
  ['', 'SOA', POSITIVE],
  ['', 'NS', POSITIVE],
  ['', 'DNSKEY', POSITIVE],
  ['', 'CDS', POSITIVE],
  ['', 'CDNSKEY', POSITIVE],
  ['www.', 'A', POSITIVE],
  ['www.', 'AAAA', POSITIVE],
  ['app.', 'A', POSITIVE],
  ['a.b.wild-steered.', 'A', POSITIVE],
  ['a.b.wild-steered.', 'MX', NEGATIVE],
  ['www.', 'MX', NEGATIVE],
  ['v4.', 'AAAA', NEGATIVE],
  ['several.', 'A', POSITIVE],
  ['x.wild.', 'A', POSITIVE],
  ['x.wild.', 'AAAA', NEGATIVE],
  ['ent.', 'A', NEGATIVE],
  ['below.ent.', 'A', POSITIVE],
  ['alias.', 'A', POSITIVE],
  ['static-alias.', 'AAAA', POSITIVE],
  ['sub.', 'DS', NEGATIVE],
  ['nothing.', 'A', NEGATIVE],
  ['a.b.c.nothing.', 'TXT', NEGATIVE],
  ['big.', 'TXT', POSITIVE],
];

for (const name of Object.keys(ZONES)) {
  test(`delv validates every kind of answer of ${name}`, async () => {
    const anchor = await anchorOf(name);
    for (const [label, type, expected] of QUESTIONS) {
      const words = [
        '-a',
        anchor,
        `+root=${name}`,
        ...serverWords(server),
        `${label}${name}`,
        type,
      ];
      const { output } = await run('delv', words);
      const [first] = output.split('\n').filter((line) => !line.startsWith(';; resolution'));
      assert.equal(first, expected, `delv ${words.join(' ')}\n${output}`);
    }
  });

  test(`drill validates every kind of answer of ${name}, and follows it to the keys`, async () => {
    const keys = join(scratch, `${name}.keys`);
    writeFileSync(keys, await dig('+tcp', '+noall', '+answer', name, 'DNSKEY'));
    const place = ['-k', keys, '-p', `${server.port}`, `@${server.address}`];
    for (const [label, type, expected] of QUESTIONS) {
      const question = [`${label}${name}`, type];
      // It looks for the type that was asked for under the name that was asked for, alias or not.
      if (!label.includes('alias')) {
        const { output } = await run('drill', ['-a', '-D', ...place, ...question]);
        const isDenial = expected === NEGATIVE;
        assert.match(output, isDenial ? /^; Existence denied/m : /^; VALIDATED by/m, output);
      }
      // And wants a proof of no wildcard beside an NSEC record that shows names below the empty one.
      if (label === 'ent.' && name === 'chain.example') continue;
      const { output } = await run('drill', ['-a', '-S', ...place, ...question]);
      assert.match(output, /^;; Chase successful/m, output);
      assert.doesNotMatch(output, /bogus|no rrsig/i);
    }
  });

  test(`ldns-verify-zone and dnssec-verify find a copy of ${name} whole`, async () => {
    const file = join(scratch, `${name}.zone`);
    writeFileSync(file, await dig('+noall', '+answer', '+onesoa', name, 'AXFR'));
    const byLdns = await run('ldns-verify-zone', [file]);
    assert.equal(byLdns.code, 0, byLdns.output);
    const isOneKey = !JSON.stringify(ZONES[name as keyof typeof ZONES].dnssec).includes('ksk');
    const byBind = await run('dnssec-verify', [...(isOneKey ? ['-z'] : []), '-o', name, file]);
    assert.equal(byBind.code, 0, byBind.output);
    assert.match(byBind.output, /Zone fully signed/);
  });
}

test('whoever does not ask for signatures gets none, and NXDOMAIN', async () => {
  for (const name of Object.keys(ZONES)) {
    const plain = await ask('dig', server, '+nodnssec', `nothing.${name}`, 'A');
    assert.equal(plain.status, 'NXDOMAIN');
    assert.equal(plain.authority.length, 1);
    const positive = await ask('dig', server, '+nodnssec', `www.${name}`, 'A');
    assert.equal(positive.answer.length, 1);
  }
});

test('a compact proof says NXNAME, and NXDOMAIN to whoever knows of that (RFC 9824 3.1, 5)', async () => {
  const plain = await exchange('nothing.compact.example', 0x8000);
  assert.equal(plain.rcode, 0);
  const nsec = plain.authority.find(({ type }) => type === 47)!;
  assert.equal(nsec.text, '\\000.nothing.compact.example. RRSIG NSEC NXNAME');
  const knowing = await exchange('nothing.compact.example', 0xc000);
  assert.equal(knowing.rcode, 3);
  const chain = await exchange('nothing.chain.example', 0x8000);
  assert.equal(chain.rcode, 3);
  assert.equal(chain.authority.filter(({ type }) => type === 47).length, 2);
});

/** One query with these flags of EDNS, over UDP. */
async function exchange(name: string, flags: number) {
  const socket = createSocket('udp4');
  try {
    const reply = new Promise<Uint8Array>((resolve) => socket.once('message', resolve));
    socket.send(signedQuery(name, flags), server.port, address);
    const decoded = decodeMessage(await reply);
    assert.ok(decoded.ok);
    return decoded.message;
  } finally {
    socket.close();
  }
}

function signedQuery(name: string, flags = 0x8000): Uint8Array {
  const question = [...wireName(name), 0, 1, 0, 1];
  return buildQuery({ question, records: [opt([], 1232, [0, 0, flags >> 8, flags & 255])] });
}

/** More than are signed on demand in a second. */
const FLOOD = 6000;

test('a flood of names that are not there takes no answer from anybody else', async (t) => {
  const flood = createSocket('udp4');
  t.after(() => flood.close());
  const seen = { signed: 0, truncated: 0 };
  flood.on('message', (reply) => {
    if ((reply[2]! & 0x02) !== 0) seen.truncated += 1;
    else seen.signed += 1;
  });
  const slowest = { ms: 0 };
  for (let sent = 0; sent < FLOOD; sent += 200) {
    for (let index = 0; index < 200; index += 1) {
      flood.send(signedQuery(`n${sent + index}.compact.example`), server.port, address);
    }
    const before = performance.now();
    // Prepared ones cost nobody's time; over TCP another worker has room of its own.
    const foreseen = await exchange('www.compact.example', 0x8000);
    assert.equal(foreseen.answer.length, 2);
    slowest.ms = Math.max(slowest.ms, performance.now() - before);
  }
  const { answer, status } = await ask(
    'dig',
    server,
    '+tcp',
    '+dnssec',
    'x.wild.compact.example',
    'A',
  );
  assert.equal(status, 'NOERROR');
  assert.equal(answer.length, 2);
  await until(
    () => seen.truncated > 0,
    10_000,
    () => JSON.stringify(seen),
  );
  assert.ok(seen.signed > 100, JSON.stringify(seen));
  t.diagnostic(`${JSON.stringify(seen)}, slowest other answer ${slowest.ms.toFixed(1)} ms`);
});

test('a signer that dies is replaced, and answers go on', async () => {
  const signer = fixture.node.threads().find(({ name }) => name === 'signer')!;
  await signer.kill();
  const foreseen = await exchange('www.compact.example', 0x8000);
  assert.equal(foreseen.answer.length, 2, 'what was signed before is answered meanwhile');
  const isBack = async (): Promise<boolean> =>
    (await exchange(`again${Math.random()}.compact.example`, 0x8000)).authority.length === 4;
  await until(isBack, 30_000, () => `the signer is ${signer.state()}`);
});
