import { fileURLToPath } from 'node:url';
import { explainRequestIn } from './balancer/explain-config.ts';
import { configPath } from './cli/config-file.ts';
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
import { describeBindFailure } from './io/sockets.ts';
import {
  formatSocketAddress,
  parseSocketAddress,
  type SocketAddress,
} from './ip/socket-address.ts';
import { loadConfig } from './node/config-file.ts';
import { eventLines, startOrigins, welcome } from './node/quickstart.ts';
import { describeProblem, EXIT_CONFIG, EXIT_FAILED, endSignal, runNode } from './node/run-node.ts';
import { createLog } from './telemetry/log.ts';

/** The program: words of the command line in, an exit code out. */
const QUICKSTART_FILE = fileURLToPath(new URL('../config/quickstart.yaml', import.meta.url));

const io = processIo();
/** True while this process serves: then it outlives whoever reads its words. */
let isServing = false;
for (const stream of [process.stdout, process.stderr]) stream.on('error', onUnreadable);
const handlers: Handlers = {
  run: serving(run),
  quickstart: serving(quickstart),
  origin: serving(origin),
  explainRequest: (config, question) => {
    const sessions = { nowMs: Date.now(), memoryOf: () => undefined };
    return explainRequestIn(config, question, () => undefined, sessions);
  },
};
process.exit(await runCli(process.argv.slice(2), io, handlers));

async function run({ config, region, roles }: RunOptions): Promise<number> {
  const file = configPath(config, process.env);
  const loaded = loadConfig({ file, roles, region, environment: process.env });
  return runNode({
    file,
    roles,
    region,
    loaded,
    log: createLog(loaded.ok ? loaded.config.log.level : 'info'),
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
    loaded,
    log: createLog('info', lines),
    onStarted: (node) => io.stdout.write(welcome(node, origins.running)),
    onStopped: origins.stop,
  });
}

/** Serves until a signal ends it. */
async function origin({ listen, name }: OriginOptions): Promise<number> {
  const places = listen.map(parseSocketAddress);
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
    const at = running.servers.map(formatSocketAddress).join(' and ');
    io.stdout.write(`${name} answers at ${at}; Ctrl-C ends it.\n`);
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

function serving<Options>(
  serve: (options: Options) => Promise<number>,
): (options: Options) => Promise<number> {
  return (options) => {
    isServing = true;
    return serve(options);
  };
}

/** Whoever read the output has gone (`| head`): there is nothing left to say. */
function onUnreadable(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  if (!isServing) process.exit(0);
}
