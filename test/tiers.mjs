// Sets up and runs one tier of tests: `npm test` (all that is quick), `check` (types, lint, structure), `e2e`,
// `fuzz`, `sim`, `world`, `interop`, `lab`, `bench`, `soak`. Plain JavaScript: it must run on Node 20, before Node 26 is there.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { ensureDashboard, ensurePackages, findNode, ROOT } from '../src/setup.mjs';

/** Debian packages by the command that they bring, or by a path. */
const TOOLS = {
  test: {
    dig: 'bind9-dnsutils',
    kdig: 'knot-dnsutils',
    'named-checkzone': 'bind9-utils',
    'dnssec-keygen': 'bind9-utils',
    unbound: 'unbound',
    dnsperf: 'dnsperf',
    chromium: 'chromium',
    curl: 'curl',
    'redis-server': 'redis-server',
    'redis-cli': 'redis-tools',
    nginx: 'nginx-light',
    haproxy: 'haproxy',
    wrk: 'wrk',
    cc: 'gcc',
    '/usr/include/stdlib.h': 'libc6-dev',
  },
  e2e: {
    dig: 'bind9-dnsutils',
    curl: 'curl',
    'redis-server': 'redis-server',
    'redis-cli': 'redis-tools',
    haproxy: 'haproxy',
    wrk: 'wrk',
    cc: 'gcc',
    '/usr/include/stdlib.h': 'libc6-dev',
  },
  bench: {
    'redis-server': 'redis-server',
    gdnsd: 'gdnsd',
    knotd: 'knot',
    '/usr/share/doc/knot-module-geoip': 'knot-module-geoip',
    pdns_server: 'pdns-server',
    '/usr/share/doc/pdns-backend-geoip': 'pdns-backend-geoip',
    '/usr/share/doc/pdns-backend-bind': 'pdns-backend-bind',
    nsd: 'nsd',
    named: 'bind9',
    fstrm_capture: 'fstrm-bin',
    'dnssec-signzone': 'bind9-utils',
    h2load: 'nghttp2-client',
    wrk: 'wrk',
    haproxy: 'haproxy',
    nginx: 'nginx-light',
    '/usr/lib/nginx/modules/ngx_stream_module.so': 'libnginx-mod-stream',
    caddy: 'caddy',
    cc: 'gcc',
    '/usr/include/stdlib.h': 'libc6-dev',
  },
  soak: { cc: 'gcc', '/usr/include/stdlib.h': 'libc6-dev' },
  interop: {
    dig: 'bind9-dnsutils',
    kdig: 'knot-dnsutils',
    fstrm_capture: 'fstrm-bin',
    'dnstap-read': 'bind9-dnsutils',
    unbound: 'unbound',
    named: 'bind9',
    'named-checkconf': 'bind9-utils',
    nsd: 'nsd',
    'nsd-checkconf': 'nsd',
    knotd: 'knot',
    knotc: 'knot',
    'dnssec-signzone': 'bind9-utils',
    kresd: 'knot-resolver',
    pdns_recursor: 'pdns-recursor',
    ip: 'iproute2',
    delv: 'bind9-dnsutils',
    'ldns-verify-zone': 'ldnsutils',
    drill: 'ldnsutils',
    nsupdate: 'bind9-dnsutils',
    lego: 'lego',
    certbot: 'certbot',
    '/usr/lib/python3/dist-packages/certbot_dns_rfc2136': 'python3-certbot-dns-rfc2136',
    pebble: 'pebble',
    curl: 'curl',
    wrk: 'wrk',
    h2load: 'nghttp2-client',
    nginx: 'nginx-light',
    chromium: 'chromium',
    '/usr/lib/python3/dist-packages/websockets': 'python3-websockets',
    'redis-server': 'redis-server',
    'redis-cli': 'redis-tools',
  },
  lab: {
    ip: 'iproute2',
    nft: 'nftables',
    dig: 'bind9-dnsutils',
    curl: 'curl',
    socat: 'socat',
    unbound: 'unbound',
    'redis-server': 'redis-server',
    'redis-cli': 'redis-tools',
  },
};

const FLAGS = ['--disable-warning=ExperimentalWarning'];
const [tier = 'test', ...rest] = process.argv.slice(2);
const tiers = { test, check, e2e, fuzz, sim, world, interop, lab, bench, soak };
if (!Object.hasOwn(tiers, tier)) {
  process.stderr.write(`No tier "${tier}". There are: ${Object.keys(tiers).join(', ')}.\n`);
  process.exit(2);
}
ensurePackages(true);
const node = findNode();
process.env.PATH = [
  dirname(node),
  join(ROOT, 'node_modules', '.bin'),
  process.env.PATH,
  '/usr/sbin',
  '/sbin',
].join(delimiter);
// Every test file and every program under test loads the same sources: compile them once.
process.env.NODE_COMPILE_CACHE ??= join(ROOT, 'node_modules', '.cache', 'meridian');
ensureTools(TOOLS[tier] ?? {});

process.exit(tiers[tier]());

function check() {
  return examine() || runTests(['test/tidy.test.ts']);
}

function test() {
  if (rest.length > 0) return runTests(rest);
  ensureDashboard(node);
  return examine() || runTests(testFiles('test', ['e2e', 'interop', 'lab']));
}

/** Whole nodes as processes, and what is done to them. */
function e2e() {
  ensureDashboard(node);
  return runTests(rest.length > 0 ? rest : testFiles('test/e2e', []));
}

/** What needs no running: types, lint and format. */
function examine() {
  const tsc = join('node_modules', 'typescript', 'bin', 'tsc');
  const biome = join('node_modules', '@biomejs', 'biome', 'bin', 'biome');
  return (
    step('types', [tsc, '-p', 'tsconfig.json']) ||
    step('dashboard types', [tsc, '-p', join('src', 'dashboard', 'tsconfig.json')]) ||
    step('lint and format', [biome, 'check', 'src', 'test', 'geo', 'config'])
  );
}

/** The random tests of `npm test`, each many times longer (test/fuzz/effort.ts): a million hostile packets among others. */
function fuzz() {
  process.env.FUZZ_SCALE ??= '50';
  process.env.FUZZ_SEED ??= String(Math.floor(Math.random() * 2 ** 31));
  process.stdout.write(`FUZZ_SEED=${process.env.FUZZ_SEED} FUZZ_SCALE=${process.env.FUZZ_SCALE}\n`);
  return runTests(rest.length > 0 ? rest : testFiles('test/fuzz', []), { timeoutMs: 3_600_000 });
}

/** Who is sent where, by Meridian and by other rules: `npm run world -- --seed 7`. */
function world() {
  return step(`world ${rest.join(' ')}`, [...FLAGS, join('test', 'world', 'run.ts'), ...rest]);
}

/** Simulated worlds without end but the given one: `npm run sim -- --hours 5000 --seed 7`. */
function sim() {
  return step(`sim ${rest.join(' ')}`, [...FLAGS, join('test', 'sim', 'sim.ts'), ...rest]);
}

function interop() {
  return runTests(testFiles('test/interop', []));
}

/**
 * One file after the other: they measure times. All that can happen to three regions takes long and wants
 * the machine for itself: `npm run lab -- regions`, or one file of them.
 */
function lab() {
  const problem = namespaceProblem();
  if (problem === undefined) {
    const files = rest[0] === 'regions' ? testFiles('test/lab/regions', []) : rest;
    const few = [
      ...testFiles('test/lab', ['regions']),
      ...['cluster', 'judge', 'loss'].map((name) =>
        join('test', 'lab', 'regions', `${name}.test.ts`),
      ),
    ];
    return runTests(files.length > 0 ? files : few, { concurrency: 1, timeoutMs: 4_000_000 });
  }
  process.stderr.write(
    `The lab builds a network of namespaces, which is not permitted here: ${problem}\n  Run it as root (sudo npm run lab); in a container with --privileged, or with --cap-add NET_ADMIN --cap-add SYS_ADMIN\n  and no seccomp or AppArmor profile that forbids mounts.\n`,
  );
  return 1;
}

/** Why this user or machine cannot make a namespace with a packet filter; undefined when it can. */
function namespaceProblem() {
  const name = `meridian-lab-${process.pid}-try`;
  const run = (...words) => spawnSync('ip', ['netns', ...words], { encoding: 'utf8' });
  const made = run('add', name);
  const tried = made.status === 0 ? run('exec', name, 'nft', 'list', 'ruleset') : made;
  if (made.status === 0) run('delete', name);
  return tried.status === 0 ? undefined : String(tried.stderr || tried.error).trim();
}

function bench() {
  return step(`bench ${rest.join(' ')}`, [...FLAGS, join('test', 'bench', 'bench.ts'), ...rest]);
}

/** A node under load and change for minutes: `npm run soak -- --minutes 60`. */
function soak() {
  return step(`soak ${rest.join(' ')}`, [...FLAGS, join('test', 'bench', 'soak.ts'), ...rest]);
}

function testFiles(directory, without) {
  return readdirSync(join(ROOT, directory), { recursive: true })
    .filter((name) => name.endsWith('.test.ts') && !without.includes(name.split(/[\\/]/)[0]))
    .map((name) => relative(ROOT, join(ROOT, directory, name)))
    .sort();
}

function runTests(files, { concurrency = 3, timeoutMs = 120_000 } = {}) {
  return step(`${files.length} test files`, [
    ...FLAGS,
    '--expose-gc',
    '--test',
    `--test-concurrency=${concurrency}`,
    // A test that hangs is a failure, not a wait.
    `--test-timeout=${timeoutMs}`,
    '--test-reporter=spec',
    ...files,
  ]);
}

function step(title, words) {
  process.stdout.write(`— ${title}\n`);
  const run = spawnSync(node, words, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  return run.status ?? 1;
}

/** Installs what is missing by apt when root, else says what is missing and how to get it. */
function ensureTools(tools) {
  const missing = Object.entries(tools)
    .filter(([command]) => !onPath(command))
    .map(([, name]) => name);
  if (missing.length === 0) return;
  const packages = [...new Set(missing)];
  const root = process.getuid?.() === 0;
  if (!root || !onPath('apt-get')) {
    process.stderr.write(
      `These tests need programs that are missing: ${packages.join(' ')}.\n  On Debian or Ubuntu: sudo apt-get install --no-install-recommends ${packages.join(' ')}\n`,
    );
    process.exit(1);
  }
  process.stdout.write(`— installing ${packages.join(' ')}\n`);
  // Only the programs are wanted: their packages must not start services on this machine.
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const apt = (...words) =>
    spawnSync('apt-get', words, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status;
  const failed =
    apt('update', '-qq') || apt('install', '-y', '-qq', '--no-install-recommends', ...packages);
  if (ours) rmSync(policy, { force: true });
  disableServices(packages);
  if (failed) {
    process.stderr.write('apt-get could not install them; its words are above.\n');
    process.exit(1);
  }
}

/** Nor at the next boot. */
function disableServices(packages) {
  if (!onPath('systemctl')) return;
  for (const name of packages) {
    const { stdout } = spawnSync('dpkg', ['-L', name], { encoding: 'utf8' });
    const units =
      (stdout ?? '').match(/(?<=\/systemd\/system\/)[\w-]+\.(service|target|timer)$/gm) ?? [];
    if (units.length > 0) spawnSync('systemctl', ['disable', ...units], { stdio: 'ignore' });
  }
}

function onPath(command) {
  if (command.startsWith('/')) return existsSync(command);
  return process.env.PATH.split(delimiter).some(
    (directory) => directory && existsSync(join(directory, command)),
  );
}
