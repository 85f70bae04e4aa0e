import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { z } from 'zod';

/** Small files of the node's state, that are written as a whole and read as a whole. */

/** What is in it; undefined = there is none. A `problem` is in words. */
export type WholeFile<T> =
  | { readonly ok: true; readonly value: T | undefined }
  | { readonly ok: false; readonly problem: string };

export function readWholeJson<T>(file: string, schema: z.ZodType<T>): WholeFile<T> {
  try {
    return { ok: true, value: schema.parse(JSON.parse(readFileSync(file, 'utf8'))) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { ok: true, value: undefined };
    return { ok: false, problem: `${file} cannot be read (${code ?? 'damaged'})` };
  }
}

/** In one step, and on the disk when it returns; why not, in words. */
export function writeWhole(
  file: string,
  text: string,
  modes: { readonly file?: number; readonly folder?: number } = {},
): string | undefined {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: modes.folder });
    writeFileSync(`${file}.next`, text, { mode: modes.file, flush: true });
    renameSync(`${file}.next`, file);
    return undefined;
  } catch (error) {
    return `${file} cannot be written (${(error as NodeJS.ErrnoException).code})`;
  }
}
