import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type Handlers,
  type OriginOptions,
  processIo,
  type QuickstartOptions,
  type RunOptions,
} from './cli/io.ts';
import { runOrigin } from './cli/origin.ts';
import { runCli } from './cli/program.ts';
import type { Role } from './config/config.ts';
import { loadConfig } from './node/config-file.ts';
import { eventLines, startOrigins, welcome } from './node/quickstart.ts';
import { describeProblem, EXIT_CONFIG, runNode } from './node/run-node.ts';
import { createLog } from './telemetry/log.ts';

/** The program: words of the command line in, an exit code out. */
const CONFIG_PLACES = ['./meridian.yaml', '/etc/meridian/meridian.yaml'];
const QUICKSTART_FILE = fileURLToPath(new URL('../config/quickstart.yaml', import.meta.url));

const io = processIo();
const handlers: Handlers = { run, quickstart, origin };
process.exit(await runCli(process.argv.slice(2), io, handlers));

async function run(options: RunOptions): Promise<number> {
  const file = options.config ?? process.env['MERIDIAN_CONFIG'] ?? firstExisting(CONFIG_PLACES);
  const roles = options.roles as readonly Role[] | undefined;
  const level = levelOf(file);
  return runNode({
    file,
    roles,
    region: options.region,
    log: createLog(level),
    onStarted: () => {},
    onStopped: async () => {},
  });
}

async function quickstart(options: QuickstartOptions): Promise<number> {
  const file = options.config ?? QUICKSTART_FILE;
  const loaded = loadConfig({ file, environment: process.env });
  if (!loaded.ok) {
    io.stderr.write(describeProblem({ kind: 'config', issues: loaded.issues }));
    return EXIT_CONFIG;
  }
  const origins = startOrigins(loaded.config);
  const lines = eventLines((text) => io.stdout.write(text));
  return runNode({
    file,
    roles: undefined,
    region: undefined,
    log: createLog('info', lines),
    onStarted: (node) => io.stdout.write(welcome(node, origins.running)),
    onStopped: origins.stop,
  });
}

async function origin({ listen, name }: OriginOptions): Promise<number> {
  return runOrigin({ name, listen });
}

/** The file's own level; its mistakes are told by runNode. */
function levelOf(file: string): 'trace' | 'debug' | 'info' | 'warn' | 'error' {
  const loaded = loadConfig({ file, environment: process.env });
  return loaded.ok ? loaded.config.log.level : 'info';
}

function firstExisting(places: readonly string[]): string {
  return places.find((place) => existsSync(place)) ?? places[0]!;
}
