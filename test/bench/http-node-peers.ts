/**
 * Proxies on Node, which are no dependencies of this program: npm installs them into a cache of the user when they
 * are measured for the first time.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { HttpPeer } from './http-peers.ts';

const SOURCE = join(import.meta.dirname, 'http-peers');
const CACHE = join(
  process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  'meridian',
  'bench-http-peers',
);
const LOCK = 'package-lock.json';
const KINDS = ['http-proxy', 'fast-proxy', '@fastify/http-proxy', 'undici'] as const;

/** By the name of their packages. */
export const NODE_PEER_NAMES: readonly string[] = KINDS;

export const NODE_PEERS: readonly HttpPeer[] = KINDS.map((name) => ({
  name,
  program: process.execPath,
  install: '',
  start(scratch, { backend, core, port }) {
    const file = join(CACHE, `${name.replace('@', '').replace('/', '-')}.mjs`);
    const words = ['-c', String(core), process.execPath, file, String(port), String(backend)];
    return scratch.start('taskset', words);
  },
}));

/** @returns why they cannot be measured; undefined when they can */
export function installNodePeers(): string | undefined {
  mkdirSync(CACHE, { recursive: true });
  const isPresent =
    existsSync(join(CACHE, 'node_modules', '.package-lock.json')) &&
    textOf(join(CACHE, LOCK)) === textOf(join(SOURCE, LOCK));
  cpSync(SOURCE, CACHE, { recursive: true });
  if (isPresent) return undefined;
  const words = ['ci', '--no-audit', '--no-fund', '--ignore-scripts'];
  const { error, status, stderr } = spawnSync('npm', words, { cwd: CACHE, encoding: 'utf8' });
  if (status === 0) return undefined;
  // npm's first line of an error is its code; before it stand warnings, after it the place of a log.
  const reason = error?.message ?? stderr.match(/^npm error (.*)$/m)?.[1] ?? `exit code ${status}`;
  return `npm could not install ${KINDS.join(', ')} into ${CACHE} (is there a network?): ${reason}`;
}

/** Empty when there is no such file. */
const textOf = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** Of an installed peer. */
export function nodePeerVersion(name: string): string {
  const text = textOf(join(CACHE, 'node_modules', name, 'package.json'));
  return text === '' ? 'unknown' : (JSON.parse(text) as { version: string }).version;
}
