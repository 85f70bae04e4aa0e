import type { Command } from 'commander';
import { validateFile } from './config-file.ts';
import { type CliContext, examples } from './context.ts';
import { CliExit, EXIT_CONFIG, EXIT_OK, EXIT_USAGE } from './exit.ts';
import type { CliIo } from './io.ts';
import { issueText, warningText } from './issue-text.ts';

/** `meridian check`: every problem of a configuration at once, where an editor can jump to it. */
export function addCheck(program: Command, context: CliContext): void {
  program
    .command('check')
    .description('Check a configuration file: every problem with its line, and what to do about it')
    .argument('[file]', 'the configuration')
    .option('--print-schema', 'print the JSON Schema for editors instead')
    .addHelpText(
      'after',
      examples(
        'meridian check /etc/meridian/meridian.yaml',
        'meridian check --print-schema > meridian.schema.json',
      ),
    )
    .action(
      context.action(async (file: string | undefined, options: { printSchema?: true }) => {
        if (options.printSchema === true) return printSchema(context.io);
        if (file !== undefined) return check(context, file);
        throw new CliExit(
          EXIT_USAGE,
          'Which file shall be checked?',
          'Write "meridian check FILE".',
        );
      }),
    );
}

async function printSchema(io: CliIo): Promise<number> {
  const { configJsonSchemaText } = await import('../config/json-schema.ts');
  io.stdout.write(configJsonSchemaText());
  return EXIT_OK;
}

async function check(context: CliContext, file: string): Promise<number> {
  const { io } = context;
  const result = await validateFile(io, file);
  const { placeKeyFolders } = await import('../workers/key-folders.ts');
  const issues = result.ok ? [] : result.issues;
  const warnings = result.ok
    ? [...result.warnings, ...placeKeyFolders(result.config, file).warnings]
    : [];
  await context.output().result({ ok: result.ok, issues, warnings }, () => {
    const lines = [...issues.map(issueText), ...warnings.map(warningText)];
    return `${lines.join('')}${summary(file, issues.length, warnings.length)}\n`;
  });
  return result.ok ? EXIT_OK : EXIT_CONFIG;
}

function summary(file: string, issues: number, warnings: number): string {
  const number = (count: number, word: string): string =>
    `${count} ${word}${count === 1 ? '' : 's'}`;
  if (issues > 0) return `${file}: ${number(issues, 'problem')}.`;
  return warnings > 0
    ? `${file} is valid, with ${number(warnings, 'warning')}.`
    : `${file} is valid.`;
}
