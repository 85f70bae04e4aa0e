import { type Command, InvalidArgumentError } from 'commander';
import { type ApiClient, createApiClient } from './api-client.ts';
import type { CliIo } from './io.ts';
import { createOutput, type Output, type OutputFormat } from './output.ts';

/** What every command gets: the world, the API as the global options name it, and where results go. */
export type CliContext = {
  readonly io: CliIo;
  api(): ApiClient;
  output(): Output;
  /** Wraps a command's work: what it returns is the exit code. */
  action<Arguments extends readonly unknown[]>(
    work: (...args: Arguments) => Promise<number>,
  ): (...args: Arguments) => Promise<void>;
};

export const ADMIN_URL_DEFAULT = 'http://127.0.0.1:8053';

/** `close` frees what commands opened; `exitCode` is what the last one returned. */
export function createContext(
  program: Command,
  io: CliIo,
): CliContext & { close(): Promise<void>; exitCode(): number } {
  let client: ApiClient | undefined;
  let exitCode = 0;
  const options = () =>
    program.opts<{ admin?: string; token?: string; output: OutputFormat; color: boolean }>();
  return {
    io,
    api() {
      const { admin, token } = options();
      client ??= createApiClient({
        url: nonEmpty(admin) ?? nonEmpty(io.env['MERIDIAN_ADMIN']) ?? ADMIN_URL_DEFAULT,
        token: nonEmpty(token) ?? nonEmpty(io.env['MERIDIAN_TOKEN']),
        user: userName(io),
      });
      return client;
    },
    output() {
      const { output, color } = options();
      return createOutput(io, { format: output, color });
    },
    action:
      (work) =>
      async (...args) => {
        exitCode = await work(...args);
      },
    close: async () => client?.close(),
    exitCode: () => exitCode,
  };
}

/** Reads `90s`, `10m`, `1h` or a bare number of seconds. */
export function parseSeconds(text: string): number {
  const match = /^(\d{1,9})(s|m|h|d)?$/.exec(text);
  const seconds = match === null ? 0 : Number(match[1]) * SECONDS_OF[match[2] ?? 's']!;
  if (seconds > 0) return seconds;
  throw new InvalidArgumentError('Give a time such as 90s, 10m or 1h.');
}

const SECONDS_OF: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Text for the end of a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join('')}`;
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

function userName(io: CliIo): string | undefined {
  const name = io.env['SUDO_USER'] ?? io.env['USER'] ?? io.env['LOGNAME'] ?? '';
  return /^[\w.@+-]{1,64}$/.test(name) ? name : undefined;
}
