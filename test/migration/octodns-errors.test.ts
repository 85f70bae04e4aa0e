import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imported, lines } from './octodns-rig.ts';

/** What people are told of files that cannot be imported, or not as a whole: all of it, with its places. */

const NS = "'': { type: NS, value: ns.example.net. }\n";

/** The issues of a file `a.example.yaml`, without its name. */
function issuesOf(text: string, files: Readonly<Record<string, string>> = {}): readonly string[] {
  const result = imported({ 'a.example.yaml': text, ...files }, {}, ['a.example.yaml']);
  assert.ok(!result.ok, result.ok ? result.text : '');
  return lines(result.issues).map((line) => line.replace(/^a\.example\.yaml:/, ''));
}

function warningsOf(text: string): readonly string[] {
  const result = imported({ 'a.example.yaml': NS + text });
  assert.ok(result.ok, result.ok ? '' : lines(result.issues).join('\n'));
  return lines(result.warnings).map((line) => line.replace(/^a\.example\.yaml:/, ''));
}

/** A dynamic record `www`, from its second line on. */
const dynamic = (text: string, rest = 'type: A, value: 192.0.2.1'): string =>
  `www:\n  dynamic:\n${text.replace(/^/gm, '    ')}\n  ${rest.split(', ').join('\n  ')}\n`;

const POOLS = `pools:
  a: { values: [{ value: 192.0.2.1 }] }
  b: { values: [{ value: 192.0.2.2 }] }
`;

const ERRORS: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'text that is no YAML',
    `${NS}www: { type: A, value: 192.0.2.1\nmail: { type: A }\n`,
    [
      '3:1: YAML: flow map in block collection must be sufficiently indented and end with a } (check the indentation, and that every bracket is closed)',
    ],
  ],
  [
    'a tab',
    'www:\n\ttype: A\n',
    ['2:1: YAML: tabs are not allowed as indentation (indent with spaces)'],
  ],
  [
    'a list',
    '- www\n',
    ['1:1: the file is a list, not a map (records by name: www: { type: A, … })'],
  ],
  [
    "octoDNS' own configuration",
    'providers: { config: { class: x } }\nzones: { a.example.: {} }\n',
    [
      '1:1: this is the configuration of octoDNS itself, not a zone (give the files of the zones: config/example.com.yaml)',
    ],
  ],
  [
    'a record without a type, one that is no map, and one that is there twice',
    'a: { value: 192.0.2.1 }\nb: 192.0.2.1\nc: [{ type: A, value: 192.0.2.1 }, { type: A, value: 192.0.2.2 }]\n',
    [
      '1:4: a record has no type (type: A)',
      '2:4: a record is a text, not a map ({ type: A, value: … })',
      '3:36: c.a.example has A twice (give one record all values)',
    ],
  ],
  [
    'a key that is there twice',
    `${NS}www: { type: A, value: 192.0.2.1 }\nwww: { type: A, value: 192.0.2.2 }\n`,
    ['3:1: the key "www" is there twice (keep one of the two)'],
  ],
  [
    'names that are none',
    "'@': { type: A, value: 192.0.2.1 }\n'a b': { type: A, value: 192.0.2.1 }\n",
    [
      '1:1: "@" is not a name that a record can have (the zone itself is \'\' in octoDNS)',
      '2:1: "a b" is not a name that a record can have',
    ],
  ],
  [
    'values that are missing, or of another form',
    `a: { type: A }
b: { type: MX, values: [{ preference: 10 }, 10 mail.a.example.] }
c: { type: CNAME, value: www.example.net }
d: { type: SRV, value: { priority: 1, weight: 1, port: 1 } }
e: { type: TXT, values: [{ text: x }] }
f: { type: A, ttl: 5m, value: 192.0.2.1 }
`,
    [
      '1:4: A has no values (value: …, or values: [ … ])',
      '2:25: a value of MX needs "exchange"',
      '2:45: a value of MX needs "preference"',
      '2:45: a value of MX needs "exchange"',
      '3:26: "www.example.net" has no dot at its end, without which octoDNS refuses it (write "www.example.net.", if that is the whole name)',
      '4:24: a value of SRV needs "target"',
      '5:26: a value of TXT is a map, not a text',
      '6:20: "5m" is not a TTL (whole seconds: 300)',
    ],
  ],
  [
    'what only our own checks find',
    `${NS}a: { type: A, values: [192.0.2.1, 192.0.2.256] }
b: [{ type: CNAME, value: a.a.example. }, { type: TXT, value: x }]
`,
    [
      '2:35: "192.0.2.256" is not an IPv4 address (write four numbers: 192.0.2.1)',
      '3:5: b.a.example. has a CNAME and also TXT (a CNAME stands alone: remove one or the other)',
    ],
  ],
  [
    'values of pools that are no addresses',
    NS +
      dynamic(
        'pools: { a: { values: [{ value: x }, { value: 192.0.2.1 }] } }\nrules: [{ pool: a }]',
      ),
    ['4:37: "x" is not an IP address (for instance 192.0.2.1 or 2001:db8::1, without a port)'],
  ],
  [
    'dynamic without pools and rules',
    dynamic('x: 1'),
    [
      '3:5: dynamic has no pools (pools: { eu: … })',
      '3:5: dynamic has no rules (rules: [{ pool: … }])',
    ],
  ],
  [
    'dynamic that is no map',
    'www: { type: A, value: 192.0.2.1, dynamic: yes }\n',
    ['1:44: dynamic is a text, not a map ({ pools: …, rules: … })'],
  ],
  [
    'dynamic and geo that are empty',
    `a: { type: A, value: 192.0.2.1, dynamic: }
b: { type: A, value: 192.0.2.1, dynamic: {} }
c: { type: A, value: 192.0.2.1, geo: }
d: { type: A, value: 192.0.2.1, geo: { EU: [] } }
e: { type: A, value: 192.0.2.1, geo: { EU: [[192.0.2.2]] } }
`,
    [
      '1:42: dynamic is nothing, not a map ({ pools: …, rules: … })',
      '2:42: dynamic has no pools (pools: { eu: … })',
      '2:42: dynamic has no rules (rules: [{ pool: … }])',
      '3:4: geo is not a map (values by place: { EU: [ … ] })',
      '4:44: the place has no values',
      '5:45: a value of A is a list, not a text',
    ],
  ],
  [
    'a CNAME that is steered beside addresses, and at the zone itself',
    `a: [{ type: A, value: 192.0.2.1, geo: { EU: [192.0.2.2] } }, { type: CNAME, value: b.example., dynamic: { pools: { x: { values: [{ value: c.example. }] } }, rules: [{ pool: x }] } }]
`,
    ['1:62: a.a.example has a CNAME beside other records (a CNAME stands alone)'],
  ],
  [
    'parameters of services of other forms',
    `a: { type: HTTPS, value: { svcpriority: 1, targetname: ., svcparams: [h2] } }
b: { type: SVCB, value: { svcpriority: 1, targetname: ., svcparams: { alpn: [[h2]] } } }
c: { type: CAA, value: { flags: [], tag: issue, value: x } }
d: { type: SOA, value: { mname: ns.example., serial: today } }
e: { type: SOA, value: x }
`,
    [
      '1:70: svcparams is a list, not a map ({ alpn: [h2], port: 443 })',
      '2:77: alpn is neither a text nor a list of texts',
      '3:24: a value of CAA needs "flags"',
      '4:54: "today" is not a serial of a SOA (a whole number)',
      '5:24: the value of SOA is not a map (mname, rname, serial …)',
    ],
  ],
  [
    'pools of other forms',
    dynamic(`pools:
  a: 192.0.2.1
  b: { values: { value: 192.0.2.1 } }
  c: { values: [192.0.2.1] }
  d: { values: [{ weight: 2 }, { value: 192.0.2.1, weight: many }, { value: 192.0.2.1, status: maybe }] }
  e: { values: [] }
  f: { values: [{ value: 192.0.2.1, weight: 101 }] }
rules: [{ pool: f }]`),
    [
      '4:10: the pool "a" is a text, not a map (a: { values: [{ value: … }] })',
      '5:10: the pool "b" has no values',
      '5:20: values of the pool "b" is a map, not a list',
      '6:21: a value of the pool "c" is a text, not a map ({ value: …, weight: … })',
      '7:21: a value of the pool "d" has no "value"',
      '7:64: "many" is not a weight (a whole number from 1 to 100)',
      '7:100: "maybe" is not a status (up, down, obey)',
      '8:10: the pool "e" has no values',
      '9:49: "101" is not a weight (a whole number from 1 to 100)',
    ],
  ],
  [
    'a rule with a pool that is not there, and one without',
    dynamic(`${POOLS}rules:
  - { geos: [EU], pool: c }
  - { geos: [AS] }
  - { geo: EU, pools: { 10: a } }
  - { pool: a }`),
    [
      '7:29: rule 1: there is no pool "c" (pools: a, b)',
      '8:9: rule 2 has no pool (pool: eu)',
      '9:9: rule 3 has no pool (rules have one "pool", and "geos")',
    ],
  ],
  [
    'a fallback that is not there, and fallbacks that go round',
    dynamic(`pools:
  a: { fallback: b, values: [{ value: 192.0.2.1 }] }
  b: { fallback: c, values: [{ value: 192.0.2.2 }] }
  c: { fallback: a, values: [{ value: 192.0.2.3 }] }
  d: { fallback: e, values: [{ value: 192.0.2.4 }] }
  f: { fallback: f, values: [{ value: 192.0.2.5 }] }
rules: [{ pool: a }]`),
    [
      '4:22: the fallbacks go round: a → b → c → a',
      '7:22: the fallback of "d" is no pool: "e" (pools: a, b, c, d, f)',
      '8:22: the fallbacks go round: f → f',
    ],
  ],
  [
    'places and networks that are none',
    dynamic(`${POOLS}rules:
  - { geos: [XX, EU-JP, AS-XX, NA-US-ZZ, EU, [AS]], pool: a }
  - { geos: AS, pool: a }
  - { subnets: [10.0.0.0/33, 10.1.1.1/8], pool: a }
  - { pool: a }`),
    [
      '7:18: "XX" is not a place that octoDNS knows (a continent, with a country and a state: EU, EU-DE, NA-US-CA)',
      '7:22: "EU-JP": JP is not in EU (it is in AS: AS-JP)',
      '7:29: "AS-XX": there is no country XX (a continent, with a country and a state: EU, EU-DE, NA-US-CA)',
      '7:36: "NA-US-ZZ": US has no state or province ZZ (a continent, with a country and a state: EU, EU-DE, NA-US-CA)',
      '7:50: geos has a list where a text belongs',
      '8:17: geos is a text, not a list',
      '9:21: "10.0.0.0/33" is not a network (for instance 192.0.2.0/24; bits after the prefix length must be zero)',
      '9:34: "10.1.1.1/8" is not a network (for instance 192.0.2.0/24; bits after the prefix length must be zero)',
    ],
  ],
  [
    'rules in an order in which some are never reached',
    dynamic(`${POOLS}rules:
  - { geos: [AF, NA-US], pool: a }
  - { geos: [AF-ZA, NA-US, NA], subnets: [10.0.0.0/8], pool: b }
  - { subnets: [10.1.0.0/16], pool: a }
  - { pool: a }
  - { geos: [AS], pool: b }`),
    [
      '8:18: rule 2 never has AF-ZA: rule 1 has AF (narrower places come first)',
      '8:25: rule 2 never has NA-US: rule 1 has it (narrower places come first)',
      '9:21: rule 3 never has 10.1.0.0/16: rule 2 has 10.0.0.0/8 (narrower networks come first)',
      '11:9: rule 5 is never reached: the one before it has everybody',
    ],
  ],
  [
    'no rule for everybody',
    dynamic(`${POOLS}rules: [{ geos: [EU], pool: a }]`),
    [
      '6:13: no rule is for everybody else: they get the values of the record (end the rules with { pool: … })',
    ],
  ],
  [
    'health checks of other forms',
    `www: { type: A, value: 192.0.2.1, octodns: { healthcheck: { protocol: UDP, port: 0 } } }
ftp: { type: A, value: 192.0.2.1, octodns: { healthcheck: HTTP } }
all: { type: A, value: 192.0.2.1, octodns: lenient }
`,
    [
      '1:71: "UDP" is not a protocol of a health check (one of: HTTP, HTTPS, TCP, ICMP)',
      '1:82: "0" is not a port of a health check (a number from 1 to 65535)',
      '2:59: healthcheck is not a map ({ host: …, path: …, port: …, protocol: … })',
      '3:44: octodns is not a map',
    ],
  ],
  [
    'a steered name with addresses that are the same for everybody',
    `www:
- { type: A, value: 192.0.2.1, geo: { EU: [192.0.2.2] } }
- { type: AAAA, value: "2001:db8::1" }
`,
    [
      '2:3: www.a.example is steered by A, and has AAAA that is the same for everybody (both families are answered from one decision here: make both dynamic, or take one out)',
    ],
  ],
  [
    'no nameservers',
    'www: { type: A, value: 192.0.2.1 }\n',
    [
      "1:1: the file does not say which nameservers a.example has (give --nameserver for each, or NS at '' in the file)",
    ],
  ],
];

for (const [what, text, expected] of ERRORS) {
  test(`an import says what is wrong with ${what}`, () =>
    assert.deepEqual(issuesOf(text), expected));
}

test('an import tells how A and AAAA of a name differ', () => {
  const pool = (id: string, values: string) => `${id}: { values: [${values}] }`;
  const record = (type: string, pools: string, rules: string, more = '') =>
    `- { type: ${type}, value: ${type === 'A' ? '192.0.2.1' : '"2001:db8::1"'}, dynamic: { pools: { ${pools} }, rules: [${rules}] }${more} }\n`;
  const two = (value: string, weight = 1) => `{ value: "${value}", weight: ${weight} }`;
  const a = `${pool('x', `${two('192.0.2.1')}, ${two('192.0.2.2', 2)}`)}`;
  const cases: readonly (readonly [string, string, string])[] = [
    [pool('y', two('2001:db8::1')), '{ pool: y }', 'only one of them has the pool "x"'],
    [
      pool('x', two('2001:db8::1')),
      '{ pool: x }',
      'the pool "x" has 2 values in one and 1 in the other',
    ],
    [
      pool('x', `${two('2001:db8::1', 2)}, ${two('2001:db8::2')}`),
      '{ pool: x }',
      'value 1 of the pool "x" has the weight 1 and 2',
    ],
    [
      pool('x', `${two('2001:db8::1')}, ${two('2001:db8::2', 2)}`),
      '{ geos: [EU], pool: x }, { pool: x }',
      'their numbers of rules are different',
    ],
  ];
  for (const [pools, rules, difference] of cases) {
    const text = `www:\n${record('A', a, '{ pool: x }')}${record('AAAA', pools, rules)}`;
    assert.deepEqual(issuesOf(text), [
      `3:3: A and AAAA of www.a.example are steered differently: ${difference} (both families are answered from one decision here: make them agree, or take one out)`,
    ]);
  }
  const same = pool('x', `${two('2001:db8::1')}, ${two('2001:db8::2', 2)}`);
  const check = ', octodns: { healthcheck: { path: /x } }';
  assert.match(
    issuesOf(
      `www:\n${record('A', a, '{ pool: x }')}${record('AAAA', same, '{ pool: x }', check)}`,
    )[0]!,
    /their health checks are different/,
  );
  const geo = '- { type: AAAA, value: "2001:db8::1", geo: { EU: ["2001:db8::2"] } }\n';
  assert.match(
    issuesOf(`www:\n${record('A', a, '{ pool: x }')}${geo}`)[0]!,
    /one has "dynamic", the other one "geo"/,
  );
});

test('a lenient record is carried over with warnings, as its first rule has it', () => {
  const text = dynamic(
    `${POOLS}rules:
  - { geos: [AF], pool: a }
  - { geos: [AF-ZA, AS], pool: b }`,
    'type: A, ttl: 300, value: 192.0.2.9, octodns: { lenient: true }',
  );
  assert.deepEqual(warningsOf(text), [
    '9:9: no rule is for everybody else: they get the values of the record (end the rules with { pool: … })',
    '9:18: rule 2 never has AF-ZA: rule 1 has AF (narrower places come first)',
  ]);
  const result = imported({ 'a.example.yaml': NS + text });
  assert.ok(result.ok);
  assert.match(result.text, /\{ continents: \[AF\], regions: \[a, backup\] \}/);
  assert.match(result.text, /\{ continents: \[AS\], regions: \[b, backup\] \}/);
  assert.match(result.text, /default: \[backup\]/);
});

test('an import warns of what it leaves out', () => {
  const record = 'type: A, ttl: 60, value: 192.0.2.9';
  assert.deepEqual(warningsOf(dynamic(`${POOLS}rules: [{ pool: b }]`, record)), [
    '5:7: the pool "a" is left out: no rule leads to it',
  ]);
  assert.deepEqual(
    warningsOf(dynamic(`${POOLS}rules: [{ geos: [NA-US-PR], pool: a }, { pool: b }]`, record)),
    ['7:22: NA-US-PR is carried over as the country PR: geo data have it as that'],
  );
  assert.deepEqual(
    warningsOf(`www: { type: A, value: 192.0.2.9, octodns: { included: [ns1], healthcheck: { http_version: 1 } } }
new: { type: BRAND, value: x }
no: { type: A, value: 192.0.2.9 }
1.10: { type: PTR, value: host.example.net. }
`),
    [
      '2:46: octodns.included is not carried over: octoDNS has the record at ns1 only',
      '2:63: nothing checks A of www.a.example: it is not dynamic',
      '2:78: healthcheck.http_version is not carried over (monitors have options of their own)',
      '3:6: BRAND of new.a.example is left out: the type is not known',
      '4:1: the key no is not quoted, so other programs may read something else; here it is the name "no" (quote it: \'no\')',
      '5:1: the key 1.10 is not quoted, so other programs may read something else; here it is the name "1.10" (quote it: \'1.10\')',
    ],
  );
});

test('an import warns of keys that mean nothing', () => {
  const text = dynamic(
    `pools: { a: { values: [{ value: 192.0.2.1, wieght: 2 }], falback: b } }
rules: [{ pool: a, geo: EU }]
rule: []`,
    'type: A, tttl: 60, value: 192.0.2.9',
  );
  assert.deepEqual(warningsOf(text), [
    '4:48: "wieght" means nothing in a value of the pool "a", and is not carried over',
    '4:62: "falback" means nothing in the pool "a", and is not carried over',
    '5:24: "geo" means nothing in rule 1, and is not carried over',
    '6:5: "rule" means nothing in dynamic, and is not carried over',
    '8:3: "tttl" means nothing in a record, and is not carried over',
  ]);
});

test('with isLenient every record is lenient', () => {
  const files = { 'a.example.yaml': `${NS}a: { type: CNAME, value: b.example }\n` };
  assert.ok(!imported(files).ok);
  const result = imported(files, { isLenient: true });
  assert.ok(result.ok);
  assert.match(result.text, /CNAME: b\.example\./);
  assert.equal(result.warnings.length, 1);
});

test('names may be in any script', () => {
  const result = imported({
    'bücher.example.yaml': `${NS}'*.straße': { type: A, value: 192.0.2.1 }\n`,
  });
  assert.ok(result.ok);
  assert.match(result.text, /\n {2}xn--bcher-kva\.example:\n/);
  assert.match(result.text, /\n {6}"\*\.xn--strae-oqa":\n/);
});

test('records of steered names, pools and files that look alike keep apart', () => {
  const pools =
    'pools: { a: { values: [{ value: 192.0.2.1 }, { value: 192.0.2.2 }] }, a-1: { fallback: backup, values: [{ value: 192.0.2.3 }] }, backup: { values: [{ value: 192.0.2.4 }] }, "a 1": { values: [{ value: 192.0.2.5 }] } }';
  const rules = 'rules: [{ geos: [EU], pool: a }, { geos: [AS], pool: a 1 }, { pool: a-1 }]';
  const record = `{ type: A, ttl: 60, value: 192.0.2.9, dynamic: { ${pools}, ${rules} } }`;
  const long = `${'l'.repeat(60)}.${'m'.repeat(60)}`;
  const result = imported({
    'a.example.yaml': `${NS}'*': ${record}\nwild.card: ${record}\n${long}1: ${record}\n${long}2: ${record}\n`,
  });
  assert.ok(result.ok, result.ok ? '' : lines(result.issues).join('\n'));
  const endpoints = result.text.match(/- \{ region: .*/g)!.slice(0, 6);
  assert.deepEqual(
    endpoints.map((line) => /region: (\S+), (?:name: (\S+),)?/.exec(line)!.slice(1, 3).join(' ')),
    ['a a-1-3', 'a a-2', 'a-1 ', 'backup-2 ', 'a-1-2 ', 'backup '],
  );
});

test('files that cannot be read, or are of no zone, are errors of their own', () => {
  const result = imported({}, {}, ['none.example.yaml', '$a.example.yaml', 'a b.yaml']);
  assert.deepEqual(result.ok ? [] : lines(result.issues), [
    'none.example.yaml:1:1: none.example.yaml cannot be read: there is no such file',
    '$a.example.yaml:1:1: the name of the file is not that of a zone (files are named as their zones: example.com.yaml)',
    'a b.yaml:1:1: the name of the file is not that of a zone (files are named as their zones: example.com.yaml)',
  ]);
});
