import { existsSync } from 'node:fs';
import type { Validation } from '../config/validate.ts';
import { CliExit, EXIT_NO } from './exit.ts';
import type { CliIo } from './io.ts';

/** Where a configuration is looked for when nobody says where it is. */
const CONFIG_PLACES = ['./meridian.yaml', '/etc/meridian/meridian.yaml'] as const;

/** The file that is given, or MERIDIAN_CONFIG, or the first that is there. */
export function configPath(given: string | undefined, env: CliIo['env']): string {
  return given ?? env['MERIDIAN_CONFIG'] ?? CONFIG_PLACES.find(existsSync) ?? CONFIG_PLACES[0];
}

/** Reads and validates a configuration file as a node would; that it cannot be read ends the command. */
export async function validateFile(io: CliIo, file: string): Promise<Validation> {
  const text = await readText(io, file);
  // Only commands that judge a file need the schemas and the places; the others start faster without.
  const [{ validateConfig }, { readPlaces }, { openZoneFiles }] = await Promise.all([
    import('../config/validate.ts'),
    import('../workers/geo-files.ts'),
    import('../workers/zone-files.ts'),
  ]);
  return validateConfig(text, file, io.env, readPlaces(), openZoneFiles(file));
}

async function readText(io: CliIo, file: string): Promise<string> {
  try {
    return await io.readFile(file);
  } catch (error) {
    throw new CliExit(
      EXIT_NO,
      `${file} cannot be read: ${whyUnreadable(error)}.`,
      'Check the path and its permissions.',
    );
  }
}

/** Why a file cannot be read, in words. */
export function whyUnreadable(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  return (code !== undefined && READ_ERRORS[code]) || message;
}

const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};
