import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EXIT_USAGE } from './cli/exit.ts';
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
import { describeBindFailure, type SocketAddress } from './io/sockets.ts';
import { parseAddress } from './ip/address.ts';
import { loadConfig } from './node/config-file.ts';
import { eventLines, startOrigins, welcome } from './node/quickstart.ts';
import { describeProblem, EXIT_CONFIG, EXIT_FAILED, endSignal, runNode } from './node/run-node.ts';
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
  await origins.ready;
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

/** Serves until a signal ends it. */
async function origin({ listen, name }: OriginOptions): Promise<number> {
  const places = listen.map(parsePlace);
  const wrong = listen.find((_, index) => places[index] === undefined);
  if (wrong !== undefined) {
    io.stderr.write(`meridian: "${wrong}" is not ADDRESS:PORT, as 127.0.1.1:9001 is.\n`);
    return EXIT_USAGE;
  }
  try {
    const running = await runOrigin({
      name,
      listen: places.filter((place) => place !== undefined),
    });
    process.send?.('listening');
    await Promise.race([endSignal(), parentGone()]);
    await running.close();
    return 0;
  } catch (error) {
    const { address, code, port } = error as NodeJS.ErrnoException & SocketAddress;
    const { hint, message } = describeBindFailure('TCP', { address, port }, code ?? 'UNKNOWN');
    io.stderr.write(`meridian: ${message}\n  ${hint}\n`);
    return EXIT_FAILED;
  }
}

/** An origin of the quickstart must not outlive it, however that ended. */
function parentGone(): Promise<void> {
  return new Promise((resolve) => process.once('disconnect', resolve));
}

function parsePlace(text: string): SocketAddress | undefined {
  const colon = text.lastIndexOf(':');
  const address = text.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const port = Number(text.slice(colon + 1));
  const isPort = Number.isInteger(port) && port > 0 && port < 65_536;
  return parseAddress(address) && isPort ? { address, port } : undefined;
}

/** The file's own level; its mistakes are told by runNode. */
function levelOf(file: string): 'trace' | 'debug' | 'info' | 'warn' | 'error' {
  const loaded = loadConfig({ file, environment: process.env });
  return loaded.ok ? loaded.config.log.level : 'info';
}

function firstExisting(places: readonly string[]): string {
  return places.find((place) => existsSync(place)) ?? places[0]!;
}
