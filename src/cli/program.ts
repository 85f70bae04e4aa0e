import { Command, CommanderError, Option } from 'commander';
import { VERSION } from '../telemetry/version.ts';
import { addAcme } from './acme.ts';
import { addCapacity } from './capacity.ts';
import { addCheck } from './check.ts';
import { addCompletion } from './completion.ts';
import { addConfig } from './config.ts';
import { ADMIN_URL_DEFAULT, createContext, examples } from './context.ts';
import { addDnssec } from './dnssec.ts';
import { addDoctor } from './doctor.ts';
import { addDrain } from './drain.ts';
import { addDrill } from './drill.ts';
import { addDrills } from './drills.ts';
import { addEvents } from './events.ts';
import { CliExit, EXIT_OK, EXIT_USAGE } from './exit.ts';
import { addExplain } from './explain.ts';
import { addForce } from './force.ts';
import { addGeo } from './geo.ts';
import { addHealthcheck } from './healthcheck.ts';
import { addImport } from './import.ts';
import type { CliIo, Handlers } from './io.ts';
import { issueText } from './issue-text.ts';
import { addLoad } from './load.ts';
import { addMap } from './map.ts';
import { addNodes } from './nodes.ts';
import { OUTPUT_FORMATS } from './output.ts';
import { addQuery } from './query.ts';
import { addRecords } from './records.ts';
import { addReload } from './reload.ts';
import { addRun } from './run.ts';
import { addServers } from './servers.ts';
import { addStatus } from './status.ts';
import { addTop } from './top.ts';
import { addUndrain } from './undrain.ts';
import { addZone } from './zone.ts';

/**
 * The command line: every command is a client of the admin API without privileges, but for those that
 * start something (`run`, `quickstart`, `origin`, injected as handlers) or work on files and the net
 * alone (`check`, `map`, `import`, `geo`, `query`, `doctor`).
 */
export function createProgram(io: CliIo, handlers: Handlers): Command {
  return assemble(io, handlers).program;
}

/** Runs one command line (without node and script); resolves to the exit code, never rejects for bad input. */
export async function runCli(
  argv: readonly string[],
  io: CliIo,
  handlers: Handlers,
): Promise<number> {
  const { program, context } = assemble(io, handlers);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return context.exitCode();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    if (error instanceof CliExit) return explainExit(error, io);
    throw error;
  } finally {
    await context.close();
  }
}

function assemble(io: CliIo, handlers: Handlers) {
  const program = new Command('meridian')
    .description('Meridian: DNS-based global server load balancing.')
    .usage('COMMAND [OPTIONS]')
    .version(`Meridian ${VERSION}\nIP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0`)
    .option('--admin <url>', `the admin API (env MERIDIAN_ADMIN, default ${ADMIN_URL_DEFAULT})`)
    .option('--token <token>', 'bearer token of the admin API (env MERIDIAN_TOKEN)')
    .addOption(
      new Option('-o, --output <format>', 'how results are written')
        .choices(OUTPUT_FORMATS)
        .default('table'),
    )
    .option('--no-color', 'no colours (as does the environment variable NO_COLOR)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError('Try "meridian help COMMAND".')
    .addHelpText(
      'after',
      examples('meridian quickstart', 'meridian status --watch', 'meridian help drill'),
    )
    .addHelpText('after', EXIT_CODES);
  const context = createContext(program, io);
  addRun(program, context, handlers);
  addCheck(program, context);
  addStatus(program, context);
  addTop(program, context);
  addExplain(program, context, handlers);
  addMap(program, context);
  addQuery(program, context);
  addDoctor(program, context);
  addDnssec(program, context);
  addCapacity(program, context);
  addLoad(program, context);
  addDrain(program, context);
  addUndrain(program, context);
  addForce(program, context);
  addDrill(program, context);
  addDrills(program, context);
  addServers(program, context);
  addNodes(program, context);
  addEvents(program, context);
  addReload(program, context);
  addZone(program, context);
  addConfig(program, context);
  addImport(program, context);
  addAcme(program, context);
  addRecords(program, context);
  addGeo(program, context);
  addHealthcheck(program, context);
  addCompletion(program);
  return { program, context };
}

function explainExit(exit: CliExit, io: CliIo): number {
  for (const issue of exit.issues) io.stderr.write(issueText(issue));
  io.stderr.write(`meridian: ${exit.message}\n`);
  if (exit.hint !== undefined) io.stderr.write(`  hint: ${exit.hint}\n`);
  return exit.code;
}

const EXIT_CODES = `
Exit codes:
  0   done; the answer is yes
  1   the answer is no, or the node refused
  2   the command line is wrong
  69  the admin API or the nameserver does not answer
  78  the configuration is wrong
`;
