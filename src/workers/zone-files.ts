import { isAscii, isUtf8 } from 'node:buffer';
import { lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import type { ZoneFiles } from '../config/master-file.ts';
import type { ZoneText } from '../dns/zone-file.ts';

/** The largest master file. Ten million records have about half of that. */
export const ZONE_FILE_BYTES_MAX = 512 * 1024 * 1024;

/**
 * The master files below the folder of a configuration file. What is named there, and what a zone file
 * includes, is looked for in the folder of the file that names it; a path or a link that leads out of
 * the root folder is refused, for a zone file may come from somebody who may change that zone only.
 */
export function openZoneFiles(configFile: string): ZoneFiles {
  const root = dirname(resolve(configFile));
  const folders = new WeakMap<ZoneText, string>();
  const realFolders = new Map<string, string>();
  const realFolder = (folder: string): string => {
    const known = realFolders.get(folder) ?? realpathSync(folder);
    realFolders.set(folder, known);
    return known;
  };
  /** Where the file is once links are followed; folders of many files are looked at once. */
  const placeOf = (file: string): { readonly real: string; readonly size: number } => {
    const found = lstatSync(file);
    if (!found.isSymbolicLink())
      return { real: join(realFolder(dirname(file)), basename(file)), size: found.size };
    const real = realpathSync(file);
    return { real, size: lstatSync(real).size };
  };
  const read = (path: string, from?: ZoneText): ZoneText | { readonly message: string } => {
    const folder = (from && folders.get(from)) ?? root;
    const file = resolve(folder, path);
    const name = relative(process.cwd(), file);
    try {
      const { real, size } = placeOf(file);
      if (!isInside(realFolder(root), real)) {
        return { message: `${path} is outside of ${root}, where zone files may be` };
      }
      if (size > ZONE_FILE_BYTES_MAX) {
        return { message: `${path} has ${size} octets; the limit is ${ZONE_FILE_BYTES_MAX}` };
      }
      const bytes = readFileSync(real);
      if (!isUtf8(bytes)) {
        return { message: `${name} is not UTF-8 text; write other octets as \\DDD` };
      }
      const text = zoneText(name, bytes);
      folders.set(text, dirname(file));
      return text;
    } catch (error) {
      return { message: `${name}: ${whyNot(error, 'file')}` };
    }
  };
  return Object.assign(read, {
    list(path: string): readonly string[] | { readonly message: string } {
      const folder = resolve(root, path);
      try {
        if (
          !isInside(realFolder(root), realFolder(folder)) &&
          realFolder(folder) !== realFolder(root)
        ) {
          return { message: `${path} is outside of ${root}, where zone files may be` };
        }
        return readdirSync(folder);
      } catch (error) {
        return { message: `${relative(process.cwd(), folder)}: ${whyNot(error, 'folder')}` };
      }
    },
  });
}

function whyNot(error: unknown, what: 'file' | 'folder'): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' ? `there is no such ${what}` : `it cannot be read (${code})`;
}

/** Text is made of the octets when somebody wants it, for of most files nobody does. */
function zoneText(name: string, bytes: Buffer): ZoneText {
  let text: string | undefined;
  return {
    name,
    get text() {
      text ??= new TextDecoder().decode(bytes);
      return text;
    },
    ...(isAscii(bytes) ? { ascii: bytes } : {}),
  };
}

function isInside(root: string, file: string): boolean {
  return file.startsWith(root.endsWith(sep) ? root : `${root}${sep}`);
}
