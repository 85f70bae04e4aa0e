import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loopbackAddress } from '../node/free-addresses.ts';
import { run, serverWords } from './ask.ts';
import { startWorldNode, zone } from './world-node.ts';

/** Zones that are changed with Debian's nsupdate. */
const address = loopbackAddress();
const port = 5300;
const SECRETS = {
  'all.example': ['hmac-sha256', Buffer.alloc(32, 1).toString('base64')],
  'acme.example': ['hmac-sha384', Buffer.alloc(48, 2).toString('base64')],
  'far.example': ['hmac-sha512', Buffer.alloc(64, 3).toString('base64')],
  'none.example': ['hmac-sha256', Buffer.alloc(32, 4).toString('base64')],
} as const;
type KeyName = keyof typeof SECRETS;
const keys = Object.fromEntries(
  Object.entries(SECRETS).map(([name, [algorithm, secret]]) => [name, { algorithm, secret }]),
);
const update = {
  allow: [
    { key: 'all.example', names: ['**'], types: ['*'] },
    { key: 'acme.example', names: ['_acme-challenge.**'], types: ['TXT'] },
    { key: 'far.example', names: ['**'], types: ['*'], networks: ['192.0.2.0/24'] },
  ],
};
const scratch = mkdtempSync(join(tmpdir(), 'meridian-update-'));
const fixture = await startWorldNode(
  [`${address}:${port}`],
  {
    'gslb.example': { ...zone, update },
    'closed.example': { nameservers: ['ns.other.example.'] },
    'signed.example': { ...zone, update, dnssec: true },
  },
  { keys },
  {},
  join(scratch, 'state'),
);
after(async () => {
  await fixture.stop();
  rmSync(scratch, { recursive: true });
});

/** What nsupdate prints after these lines; '' when all went well. */
async function nsupdate(key: KeyName | undefined, lines: readonly string[], ...words: string[]) {
  const [algorithm, secret] = key === undefined ? [] : SECRETS[key];
  const signed = key === undefined ? [] : ['-y', `${algorithm}:${key}:${secret}`];
  const child = spawn('nsupdate', [...signed, ...words], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(`${[`server ${address} ${port}`, ...lines, 'send'].join('\n')}\n`);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  await new Promise((resolve) => child.on('close', resolve));
  return output.trim();
}

async function look(name: string, type: string): Promise<string[]> {
  const { output } = await run('dig', [
    ...serverWords({ address, port }),
    ...['+short', '+norec', name, type],
  ]);
  return output.trim().split('\n').filter(Boolean).toSorted();
}

async function serial(): Promise<number> {
  return Number((await look('gslb.example', 'SOA'))[0]?.split(' ')[2]);
}

test('nsupdate adds, replaces and removes records, over UDP and TCP, and each change counts', async () => {
  const first = await serial();
  assert.equal(first, 7);
  const add = ['zone gslb.example', 'update add new.gslb.example 60 A 192.0.2.100'];
  assert.equal(await nsupdate('all.example', add), '');
  assert.deepEqual(await look('new.gslb.example', 'A'), ['192.0.2.100']);
  assert.equal(await serial(), 8);
  assert.equal(await nsupdate('all.example', add), '', 'again: nothing to do');
  assert.equal(await serial(), 8);
  const more = [
    'update add new.gslb.example 60 A 192.0.2.101',
    'update add new.gslb.example 60 TXT "one two" three',
    'update delete new.gslb.example A 192.0.2.100',
    'update add alias2.gslb.example 60 CNAME NEW.gslb.example.',
    'update add _sip._udp.gslb.example 60 SRV 1 2 5060 mail.gslb.example.',
  ];
  assert.equal(await nsupdate('all.example', more, '-v'), '');
  assert.deepEqual(await look('new.gslb.example', 'A'), ['192.0.2.101']);
  assert.deepEqual(await look('new.gslb.example', 'TXT'), ['"one two" "three"']);
  assert.deepEqual(await look('alias2.gslb.example', 'A'), ['192.0.2.101', 'NEW.gslb.example.']);
  const gone = ['update delete new.gslb.example', 'update delete alias2.gslb.example CNAME'];
  assert.equal(await nsupdate('all.example', gone), '');
  assert.deepEqual(await look('new.gslb.example', 'TXT'), []);
  assert.deepEqual(await look('alias2.gslb.example', 'CNAME'), []);
  assert.equal(await serial(), 10);
});

test('nsupdate is told when prerequisites are not met', async () => {
  for (const [line, said] of [
    ['prereq nxdomain mail.gslb.example', 'YXDOMAIN'],
    ['prereq yxdomain nobody.gslb.example', 'NXDOMAIN'],
    ['prereq nxrrset mail.gslb.example A', 'YXRRSET'],
    ['prereq yxrrset mail.gslb.example TXT', 'NXRRSET'],
    ['prereq yxrrset mail.gslb.example A 192.0.2.26', 'NXRRSET'],
    ['prereq nxrrset www.gslb.example AAAA', 'YXRRSET'],
  ] as const) {
    const output = await nsupdate('all.example', [line, 'update add p.gslb.example 60 TXT p']);
    assert.equal(output, `update failed: ${said}`, line);
  }
  const met = [
    'prereq nxdomain p.gslb.example',
    'prereq yxdomain mail.gslb.example',
    'prereq yxrrset mail.gslb.example A 192.0.2.25',
    'update add p.gslb.example 60 TXT p',
  ];
  assert.equal(await nsupdate('all.example', met), '');
  assert.equal(await nsupdate('all.example', met), 'update failed: YXDOMAIN');
});

test('what is written or steered is refused, and so are keys without the right', async () => {
  const txt = 'update add _acme-challenge.www.gslb.example 30 TXT token';
  for (const [key, line] of [
    ['all.example', 'update delete mail.gslb.example A'],
    ['all.example', 'update delete mail.gslb.example'],
    ['all.example', 'update add www.gslb.example 60 A 192.0.2.1'],
    ['all.example', 'update add www.gslb.example 60 CNAME mail.gslb.example.'],
    ['all.example', 'update add gslb.example 60 NS other.gslb.example.'],
    [
      'all.example',
      'update add x.sub.gslb.example 60 DNAME a.\nupdate add y.x.sub.gslb.example 1 TXT y',
    ],
    ['acme.example', 'update add www.gslb.example 30 TXT token'],
    ['acme.example', 'update add _acme-challenge.gslb.example 30 CAA 0 issue a'],
    ['far.example', txt],
    ['none.example', txt],
    [undefined, txt],
  ] as const) {
    const output = await nsupdate(key, ['zone gslb.example', ...line.split('\n')]);
    assert.equal(output, 'update failed: REFUSED', `${key}: ${line}`);
  }
  assert.equal(await nsupdate('acme.example', ['zone gslb.example', txt]), '');
  assert.deepEqual(await look('_acme-challenge.www.gslb.example', 'TXT'), ['"token"']);
  const events = await fixture.node.plane.events('', 1000);
  const refused = events.filter(({ kind }) => kind === 'zone.update-refused');
  assert.match(refused[0]?.message ?? '', /key all\.example\. at 127\..*is in the configuration/);
});

test('other zones are NOTAUTH, names outside are NOTZONE, and wrong signatures are told', async () => {
  for (const [lines, said] of [
    [['zone elsewhere.example', 'update add a.elsewhere.example 1 TXT a'], 'NOTAUTH'],
    [['zone closed.example', 'update add a.closed.example 1 TXT a'], 'REFUSED'],
    [['zone gslb.example', 'update add a.closed.example 1 TXT a'], 'NOTZONE'],
  ] as const) {
    assert.equal(await nsupdate('all.example', lines), `update failed: ${said}`);
  }
  const txt = ['zone gslb.example', 'update add a.gslb.example 1 TXT a'];
  const [algorithm] = SECRETS['all.example'];
  for (const [words, said] of [
    [`${algorithm}:all.example:${SECRETS['none.example'][1]}`, /BADSIG/],
    [`${algorithm}:unknown.example:${SECRETS['none.example'][1]}`, /BADKEY/],
    [`hmac-sha512:all.example:${SECRETS['all.example'][1]}`, /BADKEY/],
  ] as const) {
    assert.match(await nsupdate(undefined, txt, '-y', words), said);
  }
});

test('what comes to a signed zone is signed, and delv believes it', async () => {
  const name = 'signed.example';
  const [flags, protocol, algorithm, ...data] = (await look(name, 'DNSKEY'))[0]!.split(' ');
  const anchor = join(scratch, 'anchor');
  const key = `"${name}." static-key ${flags} ${protocol} ${algorithm} "${data.join('')}";`;
  writeFileSync(anchor, `trust-anchors { ${key} };\n`);
  const judged = async (label: string, type: string): Promise<string | undefined> => {
    const words = ['-a', anchor, `+root=${name}`, ...serverWords({ address, port })];
    const { output } = await run('delv', [...words, `${label}.${name}`, type]);
    return output.split('\n').find((line) => !line.startsWith(';; resolution'));
  };
  const soa = async (): Promise<number> => Number((await look(name, 'SOA'))[0]?.split(' ')[2]);
  const before = await soa();
  const send = (line: string) => nsupdate('all.example', [`zone ${name}`, line]);
  assert.equal(await send(`update add new.${name} 60 TXT fresh`), '');
  assert.equal(await soa(), before + 1);
  const shown = fixture.node.plane.zones().find((each) => each.name === name);
  assert.equal(shown?.serial, before + 1, 'with what signing adds to it');
  assert.equal(await judged('new', 'TXT'), '; fully validated');
  assert.equal(await judged('new', 'A'), '; negative response, fully validated');
  assert.equal(await judged('www', 'A'), '; fully validated');
  assert.equal(await send(`update delete new.${name} TXT`), '');
  assert.equal(await judged('new', 'TXT'), '; negative response, fully validated');
  const cds = await send(`update add ${name} 60 CDS 0 0 0 00`);
  assert.equal(cds, 'update failed: REFUSED');
});

test('a changed zone outlives its node', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-update-'));
  const own = loopbackAddress();
  const config = (serialNumber: number) => ({
    node: { roles: ['nameserver'], workers: { dns: 1 }, stateDirectory: directory },
    zones: {
      'gslb.example': {
        nameservers: ['ns.other.example.'],
        soa: { serial: serialNumber },
        update: { allow: [{ key: 'all.example', names: ['**'], types: ['*'] }] },
      },
    },
    dns: { keys, listeners: [`${own}:${port}`] },
  });
  const { startNodeFixture } = await import('../node/node-fixture.ts');
  const ask = async (type: string): Promise<string> =>
    (await run('dig', [...serverWords({ address: own, port }), '+short', 'gslb.example', type]))
      .output;
  const send = async (line: string): Promise<void> => {
    const file = join(directory, 'lines');
    writeFileSync(file, `server ${own} ${port}\nzone gslb.example\n${line}\nsend\n`);
    const [algorithm, secret] = SECRETS['all.example'];
    const words = ['-y', `${algorithm}:all.example:${secret}`, file];
    const { output } = await run('nsupdate', words);
    assert.equal(output, '');
  };
  let node = await startNodeFixture(config(5));
  await send('update add gslb.example 60 TXT kept');
  await node.stop();
  node = await startNodeFixture(config(5));
  assert.match(await ask('TXT'), /kept/);
  assert.match(await ask('SOA'), / 6 /);
  await send('update delete gslb.example TXT');
  await node.stop();
  node = await startNodeFixture(config(5));
  assert.equal(await ask('TXT'), '');
  assert.match(await ask('SOA'), / 7 /, 'although nothing is left');
  await node.stop();
  rmSync(directory, { recursive: true });
});
