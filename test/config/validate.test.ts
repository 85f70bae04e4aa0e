// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this syntax is what is tested
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import type { Config } from '../../src/config/config.ts';
import {
  ALIAS_VALUES_MAX,
  CONFIG_LENGTH_MAX,
  type Environment,
} from '../../src/config/document.ts';
import { ISSUES_MAX, validateConfig } from '../../src/config/validate.ts';
import { centroids } from './centroids.ts';

const minimal = readFileSync(
  new URL('../../config/examples/minimal.yaml', import.meta.url),
  'utf8',
);

function validated(text: string, environment: Environment = {}): Config {
  const result = validateConfig(text, 'test.yaml', environment, centroids);
  if (!result.ok)
    assert.fail(result.issues.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  return result.config;
}

function issues(text: string): readonly { line: number; column: number; message: string }[] {
  const result = validateConfig(text, 'test.yaml', {}, centroids);
  return result.ok ? [] : result.issues;
}

test('validateConfig() fills in defaults when the file is minimal', () => {
  const config = validated(minimal, { HOSTNAME: 'host-7' });
  assert.deepEqual(config.node, {
    name: 'host-7',
    roles: ['nameserver', 'balancer', 'prober', 'admin'],
    workers: { dns: 0, balancer: 1 },
    canaries: [],
    vantages: [{ name: 'host-7', source: [] }],
  });
  assert.deepEqual(config.regions['virginia'], {
    location: {
      latitude: 38.8,
      longitude: -77.4,
      continent: 'NA',
      country: 'US',
      subdivision: 'VA',
    },
    vips: ['192.0.2.1'],
    capacity: 0,
  });
  const { options, ...monitor } = config.monitors['web']!;
  assert.deepEqual(monitor, {
    kind: 'http',
    intervalMs: 5000,
    timeoutMs: 2000,
    rise: 2,
    fall: 3,
    jitter: 0.1,
    recheckMs: 1250,
    idle: { afterMs: 600_000, intervalMs: 20_000 },
  });
  assert.equal((options as { path: string }).path, '/healthz');
  assert.deepEqual(config.pools['web']?.endpoints[1], {
    region: 'frankfurt',
    weight: 1,
    addresses: ['198.51.100.1'],
  });
  assert.deepEqual(
    config.policies['closest']?.chain.map(({ kind }) => kind),
    ['healthy', 'nearest', 'weighted', 'first'],
  );
  assert.deepEqual(config.dns.listeners, [{ address: '0.0.0.0', port: 53, protocol: 'dns' }]);
  assert.equal(config.dns.tcp.idleTimeoutMs, 10_000);
  assert.deepEqual(config.admin, { address: '127.0.0.1', port: 8053, tokens: [] });
  assert.deepEqual(config.store, { kind: 'memory', options: {} });
});

test('validateConfig() takes absolute owners in the root zone without a warning', () => {
  const records = { 'a.root.example.': { A: '192.0.2.1' }, 'org.': { NS: 'a.root.example.' } };
  const text = JSON.stringify({
    node: { roles: ['nameserver'] },
    zones: { '.': { nameservers: 'a.root.example.', records } },
    dns: { listeners: ['127.0.0.1:53'] },
  });
  const result = validateConfig(text, 'test.yaml', {}, centroids);
  assert.ok(result.ok, result.ok ? '' : result.issues.map(({ message }) => message).join());
  assert.deepEqual(result.warnings, []);
  const owners = Object.values(result.config.zones)[0]?.rrsets.map(({ owner }) => owner);
  assert.deepEqual(owners, ['.', 'a.root.example.', 'org.']);
});

test('validateConfig() gives zones absolute names and canonical data', () => {
  const zone = validated(minimal).zones['gslb.example']!;
  assert.deepEqual(zone.soa, {
    mname: 'ns1.gslb.example.',
    rname: 'hostmaster.gslb.example.',
    serial: 1,
    refresh: 3600,
    retry: 600,
    expire: 1_209_600,
    minimum: 60,
  });
  assert.deepEqual(zone.rrsets, [
    { owner: 'gslb.example.', type: 'NS', ttl: 300, data: ['ns1.gslb.example.'] },
    { owner: 'ns1.gslb.example.', type: 'A', ttl: 300, data: ['203.0.113.53'] },
  ]);
  assert.deepEqual(zone.steered, [
    { owner: 'www.gslb.example.', pool: 'web', policy: 'closest', ttlMin: 5, ttlMax: 30 },
  ]);
});

test('validateConfig() says how a zone is signed, and nothing of one that is not', () => {
  const text = (dnssec: string) => `
node: { stateDirectory: /var/lib/meridian }
zones: { a.example: { nameservers: ns.other.example., dnssec: ${dnssec} } }
`;
  const dnssec = (written: string) => validated(text(written)).zones['a.example']?.dnssec;
  const usual = {
    scheme: 'csk',
    algorithm: 'ecdsap256',
    denial: 'compact',
    validitySeconds: 1_209_600,
    refreshSeconds: 604_800,
  };
  assert.deepEqual(dnssec('true'), usual);
  assert.deepEqual(dnssec('{}'), usual);
  assert.equal(dnssec('false'), undefined);
  assert.deepEqual(dnssec('{ keys: ksk-zsk, algorithm: ed25519, validity: 36h, refresh: 1d }'), {
    ...{ scheme: 'ksk-zsk', algorithm: 'ed25519', denial: 'compact' },
    ...{ validitySeconds: 129_600, refreshSeconds: 86_400 },
  });
  assert.equal(dnssec('{ folder: /etc/keys }')?.folder, '/etc/keys');
});

test('validateConfig() says what a collector of dnstap is told, and nothing when there is none', () => {
  const dnstap = (said: string) => validated(`node: { name: ns1 }\ndns: ${said}\n`).dns.dnstap;
  assert.equal(dnstap('{}'), undefined);
  assert.deepEqual(dnstap('{ dnstap: { to: /run/tap.sock } }'), {
    to: { path: '/run/tap.sock' },
    messages: ['query', 'response'],
    identity: 'ns1',
    version: 'Meridian',
    sample: 1,
    bufferBytes: 4 * 2 ** 20,
  });
  const told = 'identity: { id: ams-1, version: false }';
  const rest = 'messages: [response, response], sample: 10, bufferMiB: 5';
  assert.deepEqual(dnstap(`{ ${told}, dnstap: { to: "[2001:db8::1]:6000", ${rest} } }`), {
    to: { host: '2001:db8::1', port: 6000 },
    messages: ['response'],
    identity: 'ams-1',
    sample: 10,
    bufferBytes: 8 * 2 ** 20,
  });
  const own = 'dnstap: { to: "collector.example:6000", identity: false, version: "9" }';
  const { identity, to, version } = dnstap(`{ ${told}, ${own} }`)!;
  assert.deepEqual([identity, version], [undefined, '9']);
  assert.deepEqual(to, { host: 'collector.example', port: 6000 });
});

test('validateConfig() reads TXT as one text when it has no quotes of its own', () => {
  const long = 'x'.repeat(300);
  const text = `${minimal}      unused: { pool: web }\n`.replace(
    '    records:\n',
    `    records:\n      a: { TXT: v=DKIM1; k=rsa; p=a\\b }\n      b: { TXT: ${long} }\n      c: { TXT: '"two" "strings"' }\n`,
  );
  const data = (owner: string) =>
    validated(text).zones['gslb.example']!.rrsets.find((set) => set.owner === owner)?.data;
  assert.deepEqual(data('a.gslb.example.'), ['"v=DKIM1; k=rsa; p=a\\\\b"']);
  assert.deepEqual(data('b.gslb.example.'), [`"${'x'.repeat(255)}" "${'x'.repeat(45)}"`]);
  assert.deepEqual(data('c.gslb.example.'), ['"two" "strings"']);
});

test('validateConfig() brings addresses and networks into their one form', () => {
  const config = validated(`
regions:
  a: { location: DE, vips: '2001:DB8:0:0::1' }
geo:
  overrides: [{ networks: ['2001:DB8:0::/48'], location: { latitude: 1, longitude: 2 } }]
dns: { listeners: ['[2001:DB8::1]:53'] }
admin: { address: '0::1' }
`);
  assert.deepEqual(config.regions['a']?.vips, ['2001:db8::1']);
  assert.deepEqual(config.geo.overrides[0], {
    networks: ['2001:db8::/48'],
    location: { latitude: 1, longitude: 2 },
  });
  assert.deepEqual(config.dns.listeners, [{ address: '2001:db8::1', port: 53, protocol: 'dns' }]);
  assert.equal(config.admin.address, '::1');
});

test('validateConfig() separates the options of an extension from the common keys', () => {
  const config = validated(`
regions: { a: { location: DE, vips: 127.0.0.1 } }
monitors: { m: { kind: tcp, port: 25, send: hello, interval: 1s } }
policies: { p: { chain: [healthy, { step: first, count: 2 }] } }
balancer:
  upstreams:
    u: { algorithm: { kind: least-request, scan: all }, servers: ['127.0.0.1:80'] }
  listeners:
    - { region: a, address: 127.0.0.1, port: 8080, routes: [{ hosts: WWW.example, upstream: u, filters: [{ kind: redirect, location: / }] }] }
`);
  const monitor = config.monitors['m']!;
  assert.deepEqual(monitor.options, { send: 'hello' });
  assert.equal(monitor.port, 25);
  assert.equal(monitor.timeoutMs, 500);
  assert.deepEqual(config.policies['p']?.chain, [
    { kind: 'healthy', options: { min: 1 } },
    { kind: 'first', options: { count: 2, across: false } },
  ]);
  assert.deepEqual(config.balancer.upstreams['u']?.algorithm, {
    kind: 'least-request',
    options: { scan: 'all' },
  });
  assert.deepEqual(config.balancer.listeners[0]?.routes[0], {
    hosts: ['www.example'],
    pathPrefix: '/',
    filters: [{ kind: 'redirect', options: { location: '/', status: 308 } }],
    upstream: 'u',
  });
});

test('validateConfig() lets a file replace the built-in policy', () => {
  const config = validated('policies: { closest: { chain: [healthy, failover, first] } }');
  assert.deepEqual(
    config.policies['closest']?.chain.map(({ kind }) => kind),
    ['healthy', 'failover', 'first'],
  );
});

test('validateConfig() puts variables in by type', () => {
  const text = 'node: { name: "${A}" }\nadmin:\n  port: ${B}\n  tokens: ["${C}", "$$${C}"]\n';
  const config = validated(text, { A: '123', B: '9000', C: '${A}: [x, y] # z' });
  assert.equal(config.node.name, '123');
  assert.equal(config.admin.port, 9000);
  assert.deepEqual(config.admin.tokens, ['${A}: [x, y] # z', '$${A}: [x, y] # z']);
});

test('validateConfig() refuses a file that is too long', () => {
  const [issue, ...more] = issues(`# ${'x'.repeat(CONFIG_LENGTH_MAX)}`);
  assert.match(issue?.message ?? '', /characters; the limit is/);
  assert.equal(more.length, 0);
});

test('validateConfig() refuses aliases that multiply', () => {
  const lines = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 8; i++) {
    const [last, next] = [String.fromCharCode(96 + i), String.fromCharCode(97 + i)];
    lines.push(`${next}: &${next} [${Array(10).fill(`*${last}`).join(', ')}]`);
  }
  const found = issues(lines.join('\n'));
  const expected = `aliases expand to more than ${ALIAS_VALUES_MAX} values`;
  assert.equal(found.filter(({ message }) => message === expected).length, 1);
});

test('validateConfig() survives nesting that would exhaust the stack', () => {
  for (const text of [
    '['.repeat(20_000),
    `${'['.repeat(5000)}${']'.repeat(5000)}`,
    '- '.repeat(20_000),
  ]) {
    assert.ok(issues(text).some(({ message }) => message.includes('nested')));
  }
});

test('validateConfig() stops at a number of issues that people can read', () => {
  const keys = Array.from({ length: 3 * ISSUES_MAX }, (_, i) => `key${i}: 1`);
  assert.equal(issues(keys.join('\n')).length, ISSUES_MAX);
});

test('validateConfig() orders issues as the file does', () => {
  const places = issues('zones: 1\nlogg: 1\nadmin: { prt: 1, port: x }\n').map(
    ({ line, column }) => [line, column],
  );
  assert.deepEqual(places, [
    [1, 8],
    [2, 1],
    [3, 10],
    [3, 24],
  ]);
});

test('validateConfig() reads CRLF files and a byte order mark', () => {
  validated(`\ufeff${minimal.replaceAll('\n', '\r\n')}`);
});

test('validateConfig() refuses an RRset that no answer holds', () => {
  const texts = (count: number): string =>
    JSON.stringify(Array.from({ length: count }, (_, index) => `${index} ${'x'.repeat(240)}`));
  const zone = (count: number): string =>
    `zones: { z.test: { nameservers: [ns.else.test.], records: { big: { TXT: ${texts(count)} } } } }`;
  assert.deepEqual(issues(zone(200)), []);
  const [issue, ...others] = issues(zone(300));
  assert.match(issue!.message, /^TXT of big\.z\.test\. has \d+ octets: one answer holds 60000$/);
  assert.deepEqual(others, []);
});

test('validateConfig() is quick on a zone of ten thousand names', () => {
  const records = Array.from(
    { length: 10_000 },
    (_, i) => `      h${i}: { A: 192.0.2.${i % 256} }`,
  );
  const config = validated(
    minimal.replace('    records:\n', `    records:\n${records.join('\n')}\n`),
  );
  assert.equal(config.zones['gslb.example']?.rrsets.length, 10_002);
});
