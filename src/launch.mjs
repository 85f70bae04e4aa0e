// Sets up what is missing, then hands over to main.ts under Node 26 with the same words, the same
// terminal, and every signal passed on.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { NODE_FLAGS } from './node-flags.mjs';
import { ensureDashboard, ensurePackages, fail, findNode, ROOT } from './setup.mjs';

ensurePackages(false);
const node = findNode();
const words = process.argv.slice(2);
if (words[0] === 'quickstart' || words[0] === 'run') ensureDashboard(node);

const child = spawn(node, [...NODE_FLAGS, join(ROOT, 'src', 'main.ts'), ...words], {
  stdio: 'inherit',
  // Compiled code is kept between starts: a command then takes half the time.
  env: { NODE_COMPILE_CACHE: join(ROOT, 'node_modules', '.cache', 'meridian'), ...process.env },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'])
  process.on(signal, () => child.kill(signal));
// The quickstart belongs to a terminal: when that is closed, or npm is killed, it ends. A node of a
// service manager goes on: there SIGHUP means "reload".
if (words[0] === 'quickstart') {
  const parent = process.ppid;
  const end = () => child.kill('SIGTERM');
  process.on('SIGHUP', end);
  setInterval(() => process.ppid !== parent && end(), 500).unref();
}
child.on('error', (error) => fail(`Node 26 cannot be started: ${error.message}.`));
child.on('exit', (code, signal) =>
  process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1)),
);
