import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/**
 * The house itself, as a test: imports flow one way, pure rooms stay pure, every extension is in its
 * registry, and nothing is called by a name that hides a missing noun. `violations` is itself tested
 * on planted mistakes, so that a check that cannot fail would show.
 */

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Rooms in order; a room imports only from rooms before it. ○ pure, ● touches the world. */
const ROOMS: readonly { readonly name: string; readonly pure: boolean }[] = [
  { name: 'telemetry', pure: false },
  { name: 'ip', pure: true },
  { name: 'dns', pure: true },
  { name: 'http', pure: true },
  { name: 'geo', pure: true },
  { name: 'zone', pure: true },
  { name: 'health', pure: true },
  { name: 'clients', pure: true },
  { name: 'steering', pure: true },
  { name: 'capacity', pure: true },
  { name: 'balancing', pure: true },
  { name: 'resilience', pure: true },
  { name: 'filter', pure: true },
  { name: 'sessions', pure: true },
  { name: 'io', pure: false },
  { name: 'probe', pure: false },
  { name: 'store', pure: false },
  { name: 'config', pure: true },
  { name: 'migration', pure: true },
  { name: 'discovery', pure: true },
  { name: 'nameserver', pure: true },
  { name: 'secondary', pure: true },
  { name: 'signing', pure: true },
  { name: 'balancer', pure: true },
  { name: 'layer4', pure: true },
  { name: 'drill', pure: true },
  { name: 'dnstap', pure: false },
  { name: 'dns-transport', pure: false },
  { name: 'doctor', pure: true },
  { name: 'monitoring', pure: false },
  { name: 'cluster', pure: false },
  { name: 'workers', pure: false },
  { name: 'control', pure: false },
  { name: 'planning', pure: false },
  { name: 'latency', pure: false },
  { name: 'admin', pure: false },
  { name: 'cli', pure: false },
  { name: 'dashboard', pure: false },
  { name: 'node', pure: false },
];

/** Extension rooms: every file but the contract, the registry and the named companions is one kind. */
const EXTENSIONS: Readonly<Record<string, { readonly others: readonly string[] }>> = {
  'steering/steps': {
    others: ['client-match', 'fork-options', 'preferred-regions', 'region-order', 'rotation'],
  },
  balancing: {
    others: [
      ...['algorithm', 'bounded-load', 'hash-key', 'hashing'],
      ...['maglev-table', 'smooth', 'weighted-draw'],
    ],
  },
  filter: { others: ['filter', 'field-schema'] },
  probe: { others: ['probe', 'failure', 'course', 'connection', 'certificate', 'child'] },
  store: { others: ['store', 'remote-clock'] },
  doctor: {
    others: ['finding', 'observation', 'query', 'reading', 'standing', 'security'],
  },
  'dns/rdata': { others: ['rdata-type'] },
};

/** Composition roots at the top of src: they may import every room, nothing imports them. */
const ROOTS = [
  'main',
  'udp-worker',
  'stream-worker',
  'signer-worker',
  'balancer-worker',
  'compile-worker',
  'planner-worker',
  'copy-worker',
  'dnstap-worker',
];
const PURE_NODE_MODULES = ['node:crypto', 'node:zlib'];
const ATTIC = /(^|[-/])(utils?|helpers?|common|types|managers?|misc|shared)(\.ts$|\/|-)/;
const LINES_MAX = 500;

/** Impure words in a pure room: clock, randomness, timers, process, console. */
const IMPURE =
  /\b(Date\.now|new Date\(\)|Math\.random|setTimeout|setInterval|setImmediate|performance\.now|process\.|console\.|crypto\.random|randomBytes|randomUUID|fetch\()/;

type Source = { readonly path: string; readonly text: string };

export function violations(sources: readonly Source[]): string[] {
  const found: string[] = [];
  for (const source of sources) {
    found.push(...placeViolations(source), ...importViolations(source), ...wordViolations(source));
    found.push(...clientViolations(source));
  }
  found.push(...registryViolations(sources));
  return found;
}

test('the house keeps its own rules', () => {
  const found = violations(readSources());
  assert.deepEqual(found, [], found.join('\n'));
});

test('violations() reports planted mistakes', () => {
  const planted: readonly (readonly [string, string, RegExp])[] = [
    ['src/dns/name.ts', `import { x } from '../nameserver/respond.ts';`, /imports upward/],
    ['src/dns/name.ts', `import net from 'node:net';`, /pure room imports node:net/],
    ['src/steering/steps/healthy.ts', 'export const now = Date.now();', /impure word/],
    ['src/zone/utils.ts', 'export const x = 1;', /attic name/],
    ['src/cupboard/thing.ts', 'export const x = 1;', /no place in the list of rooms/],
    ['src/config/a.ts', `import '../main.ts';`, /imports a composition root/],
    ['src/ip/long.ts', 'x\n'.repeat(LINES_MAX + 2), /longer than/],
    ['src/io/other.ts', `import ffi from 'node:ffi';`, /only src\/io\/syscall.ts/],
    ['src/probe/lonely.ts', 'export const lonely = 1;', /not in src\/probe\/registry.ts/],
    ['src/nameserver/a.ts', `import Fastify from 'fastify';`, /pure room imports fastify/],
    ['src/cli/a.ts', `import { x } from '../control/drills.ts';`, /knows the API only/],
    ['src/dashboard/a.ts', `const x = await import('../admin/api.ts');`, /knows the API only/],
  ];
  for (const [path, text, expected] of planted) {
    const registry = { path: 'src/probe/registry.ts', text: '' };
    assert.match(violations([{ path, text }, registry]).join('\n'), expected, path);
  }
});

function readSources(): Source[] {
  return readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') || name.endsWith('.tsx'))
    .map((name) => ({
      path: posix.join('src', relative('.', name).replaceAll('\\', '/')),
      text: readFileSync(join(ROOT, 'src', name), 'utf8'),
    }));
}

function roomOf(path: string): string | undefined {
  const parts = path.split('/');
  return parts.length > 2 ? parts[1] : undefined;
}

function placeViolations({ path, text }: Source): string[] {
  const found: string[] = [];
  const room = roomOf(path);
  if (ATTIC.test(path.slice('src/'.length)))
    found.push(`${path}: attic name; which noun is missing?`);
  if (room === undefined && !ROOTS.some((root) => path === `src/${root}.ts`)) {
    found.push(`${path}: not a composition root, so it belongs in a room`);
  }
  if (room !== undefined && !ROOMS.some(({ name }) => name === room)) {
    found.push(`${path}: room "${room}" has no place in the list of rooms`);
  }
  const lines = text.split('\n').length;
  if (lines > LINES_MAX) found.push(`${path}: ${lines} lines, longer than ${LINES_MAX}`);
  return found;
}

/** Package imports that a pure room may have: they compute and touch nothing. */
const PURE_PACKAGES = ['zod', 'yaml', 'maxmind', 'mmdb-lib'];

function importViolations({ path, text }: Source): string[] {
  const found: string[] = [];
  const room = ROOMS.find(({ name }) => name === roomOf(path));
  for (const target of importsOf(text)) {
    if (target === 'node:ffi' && path !== 'src/io/syscall.ts') {
      found.push(`${path}: imports node:ffi, which only src/io/syscall.ts may`);
    }
    if (target.startsWith('.')) found.push(...roomImportViolations(path, target));
    else if (room?.pure) {
      const allowed = PURE_NODE_MODULES.includes(target) || PURE_PACKAGES.includes(target);
      if (!allowed) found.push(`${path}: pure room imports ${target}`);
    }
  }
  return found;
}

function roomImportViolations(path: string, target: string): string[] {
  const resolved = posix.join(dirname(path), target);
  const own = roomOf(path);
  const other = roomOf(resolved);
  if (!resolved.startsWith('src/')) return [];
  if (other === undefined) return [`${path}: imports a composition root, ${resolved}`];
  if (own === undefined || own === other) return [];
  const order = (name: string): number => ROOMS.findIndex((room) => room.name === name);
  if (order(other) > order(own)) return [`${path}: imports upward, ${resolved}`];
  return [];
}

/** Whoever talks to a node through the API may know its words, never its works. */
const CLIENTS = ['cli', 'dashboard'];
const WORKS =
  /(?:^|\n)import (?!type\b)[^;]*?from '\.\.\/(control|admin|monitoring|store|balancer|nameserver)\/|import\('\.\.\/(control|admin|monitoring|store|balancer|nameserver)\//;

function clientViolations({ path, text }: Source): string[] {
  const isClient = CLIENTS.includes(roomOf(path) ?? '');
  if (!isClient || !WORKS.test(text)) return [];
  return [`${path}: imports a node's works, but it knows the API only`];
}

function importsOf(text: string): string[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s+['"]([^'"]+)['"]|(?:^|\n)\s*import\s+['"]([^'"]+)['"]|\b(?:import|require)\(\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

function wordViolations({ path, text }: Source): string[] {
  const room = ROOMS.find(({ name }) => name === roomOf(path));
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(^|[^:])\/\/.*$/gm, '$1');
  const found: string[] = [];
  if (room?.pure) {
    const word = IMPURE.exec(code)?.[0];
    if (word) found.push(`${path}: impure word "${word}" in a pure room`);
  }
  return found;
}

function registryViolations(sources: readonly Source[]): string[] {
  const found: string[] = [];
  for (const [room, { others }] of Object.entries(EXTENSIONS)) {
    const registry = sources.find(({ path }) => path === `src/${room}/registry.ts`);
    for (const { path } of sources) {
      if (dirname(path) !== `src/${room}`) continue;
      const name = path.slice(`src/${room}/`.length, -'.ts'.length);
      if (name === 'registry' || others.includes(name)) continue;
      if (!registry?.text.includes(`./${name}.ts`)) {
        found.push(`${path}: not in src/${room}/registry.ts`);
      }
    }
  }
  return found;
}
