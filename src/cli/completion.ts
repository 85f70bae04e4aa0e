import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';
import { examples } from './context.ts';

/**
 * `meridian completion SHELL` prints the script that makes the shell ask `meridian complete -- WORDS`
 * (hidden). Both come from the library and write to the process's standard output. To be added
 * last: the library looks at the commands that are there.
 */
export function addCompletion(program: Command): void {
  tab(program, { completionCommandName: 'completion' });
  program.commands
    .find((command) => command.name() === 'completion')
    ?.description('Print the completion script of a shell')
    .addHelpText(
      'after',
      examples(
        'source <(meridian completion bash)',
        'meridian completion zsh > ~/.zfunc/_meridian',
        'meridian completion fish > ~/.config/fish/completions/meridian.fish',
      ),
    );
}
