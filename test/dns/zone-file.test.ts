import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { GENERATED_MAX } from '../../src/dns/generate.ts';
import { formatName, parseName } from '../../src/dns/name.ts';
import { formatRdata } from '../../src/dns/rdata/registry.ts';
import { typeName } from '../../src/dns/type-names.ts';
import {
  INCLUDE_DEPTH_MAX,
  lineOf,
  readZoneFile,
  ZONE_FILE_PROBLEMS_MAX,
  type ZoneFile,
  type ZoneText,
} from '../../src/dns/zone-file.ts';

const origin = parseName('example.com.')!;

function read(text: string, others: Readonly<Record<string, string>> = {}): ZoneFile {
  return readZoneFile(
    { name: 'test.zone', text },
    {
      origin,
      include(path: string): ZoneText | { readonly message: string } {
        const included = others[path];
        if (included === undefined) return { message: `${path}: there is no such file` };
        return { name: path, text: included };
      },
      extensions: new Set(['STEER']),
    },
  );
}

/** As lines of a master file. */
function linesOf({ records }: ZoneFile): string[] {
  return records.map(({ owner, rdata, ttlSeconds, type }) =>
    [formatName(owner), ttlSeconds, typeName(type), formatRdata(type, rdata)].join(' '),
  );
}

function problemsOf({ problems }: ZoneFile): string[] {
  return problems.map((problem) => {
    const { column, line } = lineOf(problem);
    return `${problem.file.name}:${line}:${column}: ${problem.message}`;
  });
}

test('readZoneFile() takes owner, TTL and origin from before where they are left out', () => {
  const file = read(
    [
      '$TTL 1h',
      '@ SOA ns1 host 1 2 3 4 5',
      ' NS ns1',
      '\tIN 5 NS ns2.example.net.',
      'ns1 5 IN A 192.0.2.1 ; a comment',
      '$ORIGIN sub',
      'x A ( 192.0.2.2 ; in the middle',
      ')',
      'y.example.org. class1 TXT a "b c"',
    ].join('\r\n'),
  );
  assert.deepEqual(problemsOf(file), []);
  assert.deepEqual(linesOf(file), [
    'example.com. 3600 SOA ns1.example.com. host.example.com. 1 2 3 4 5',
    'example.com. 3600 NS ns1.example.com.',
    'example.com. 5 NS ns2.example.net.',
    'ns1.example.com. 5 A 192.0.2.1',
    'x.sub.example.com. 3600 A 192.0.2.2',
    'y.example.org. 3600 TXT "a" "b c"',
  ]);
});

test('readZoneFile() without $TTL takes the TTL before it, and the SOA its minimum', () => {
  const file = read('@ SOA . . 1 2 3 4 77\n NS .\n 9 A 192.0.2.1\nx A 192.0.2.2\n');
  assert.deepEqual(
    file.records.map(({ ttlSeconds }) => ttlSeconds),
    [77, 77, 9, 9],
  );
  assert.deepEqual(problemsOf(read('x A 192.0.2.1')), ['test.zone:1:3: this record has no TTL']);
});

test('readZoneFile() reads all types, as the fixture has them', () => {
  const url = new URL('zones/types.zone', import.meta.url);
  const file = read(readFileSync(url, 'utf8'));
  assert.deepEqual(problemsOf(file), []);
  const lines = linesOf(file);
  assert.ok(lines.includes('host3.example.com. 5400 A 192.0.2.3'));
  assert.ok(lines.includes('net015.example.com. 5400 CNAME 0005.example.net.'));
  assert.ok(lines.includes('many2.example.com. 600 MX 12 mx\\$2.example.com.'));
  assert.ok(lines.includes('4.1.0.rev.example.com. 5400 PTR rev20.example.com.'));
  assert.ok(lines.includes('leaf.deep.example.com. 60 A 198.51.100.2'));
});

test('$INCLUDE has an origin of its own, and none of its settings but $TTL come out of it', () => {
  const file = read('$TTL 1\na A 192.0.2.1\n$INCLUDE hosts sub\n A 192.0.2.2\nb A 192.0.2.3\n', {
    hosts: '$TTL 2\nc A 192.0.2.4\n$ORIGIN other.\nd A 192.0.2.5\n',
  });
  assert.deepEqual(linesOf(file), [
    'a.example.com. 1 A 192.0.2.1',
    'c.sub.example.com. 2 A 192.0.2.4',
    'd.other. 2 A 192.0.2.5',
    'a.example.com. 2 A 192.0.2.2',
    'b.example.com. 2 A 192.0.2.3',
  ]);
});

test('readZoneFile() says what is wrong, where, and reads on', () => {
  const file = read(
    [
      '$TTL 60',
      'a A 192.0.2.256',
      'b NOPE x',
      'c MX 10',
      'd TXT "open',
      'e A 192.0.2.1 192.0.2.2',
      'f..g A 192.0.2.1',
      ' A 192.0.2.1',
      'h CH A 192.0.2.1',
      '$NOPE',
      '$ORIGIN',
      '$TTL soon',
      '$INCLUDE missing',
      '$GENERATE 2-1 a$ A 192.0.2.$',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: BIND's syntax
      '$GENERATE 1-2 a$ A 192.0.2.${x}',
      'i 1y A 192.0.2.1',
      'j IN',
      'k MX 10 "mail"',
      'good A 192.0.2.9 )',
      'last A 192.0.2.10',
    ].join('\n'),
    {},
  );
  assert.deepEqual(problemsOf(file), [
    'test.zone:2:5: "192.0.2.256" is not an IPv4 address',
    'test.zone:3:3: unknown record type "NOPE"',
    'test.zone:4:6: MX data have 1 field',
    'test.zone:5:7: a quoted string is not closed on its line',
    'test.zone:6:5: A data have 2 fields',
    'test.zone:7:1: the owner "f..g" is not a valid name',
    'test.zone:8:2: there is no owner',
    'test.zone:9:3: class CH is not served',
    'test.zone:10:1: unknown directive $NOPE',
    'test.zone:11:1: $ORIGIN needs one name',
    'test.zone:12:1: $TTL needs a number of seconds',
    'test.zone:13:10: missing: there is no such file',
    'test.zone:14:1: the range 2-1 is empty',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: BIND's syntax
    'test.zone:15:1: "192.0.2.${x}" has a broken ${offset,width,base}',
    'test.zone:16:3: the TTL "1y" is not a number of seconds',
    'test.zone:17:3: there is no record type',
    'test.zone:18:9: mail host "mail" is not a valid name',
    'test.zone:19:18: a ")" without a "("',
  ]);
  assert.deepEqual(linesOf(file), ['last.example.com. 60 A 192.0.2.10']);
  const open = read('$TTL 1\na A ( 192.0.2.1\nb A 192.0.2.2\n');
  assert.deepEqual(problemsOf(open), ['test.zone:2:5: a "(" without a ")"']);
  assert.deepEqual(linesOf(open), ['b.example.com. 1 A 192.0.2.2']);
});

test('a string that is not closed costs its line, not the rest of the file', () => {
  const file = read('$TTL 1\na TXT "open\nb TXT "closed"\nc A 192.0.2.1\n');
  assert.deepEqual(problemsOf(file), ['test.zone:2:7: a quoted string is not closed on its line']);
  assert.deepEqual(linesOf(file), [
    'b.example.com. 1 TXT "closed"',
    'c.example.com. 1 A 192.0.2.1',
  ]);
});

test('what a file can cost is bounded', () => {
  const loop = read('$INCLUDE loop', { loop: '$INCLUDE loop' });
  assert.equal(loop.problems.length, 1);
  assert.match(loop.problems[0]!.message, new RegExp(`more than ${INCLUDE_DEPTH_MAX} includes`));
  const generated = read(`$TTL 1\n$GENERATE 1-${GENERATED_MAX + 1} h$ A 192.0.2.1`);
  assert.equal(generated.records.length, 0);
  assert.match(generated.problems[0]!.message, /more than/);
  assert.equal(read('nonsense\n'.repeat(1000)).problems.length, ZONE_FILE_PROBLEMS_MAX);
});

test('records of a type that only the caller knows are handed over as they stand', () => {
  const file = read('www 30 IN STEER web policy=closest\n');
  assert.deepEqual(
    file.extensions.map(({ kind, owner, tokens, ttlSeconds }) => ({
      kind,
      owner: formatName(owner),
      ttlSeconds,
      tokens: tokens.map(({ text }) => text),
    })),
    [
      {
        kind: 'STEER',
        owner: 'www.example.com.',
        ttlSeconds: 30,
        tokens: ['web', 'policy=closest'],
      },
    ],
  );
});
