import { z } from 'zod';
import { dnssec } from './dnssec-schema.ts';
import type { ConfigPath, Report } from './issue.ts';
import type { ZoneFiles } from './master-file.ts';
import { update } from './update-schema.ts';
import { transfer, type ZoneFile, zone as zoneSchema } from './zone-schema.ts';

/**
 * Folders in which each file is a zone, named as the zone: whoever has a hundred thousand of them does not
 * want to write each into the configuration too.
 */

const PATH_LENGTH_MAX = 4096;
const SUFFIX_LENGTH_MAX = 64;
export const ZONE_FOLDERS_MAX = 64;
/** Of one folder. */
export const FOLDER_ZONES_MAX = 1_000_000;

export const zoneFolder = z.strictObject({
  folder: z
    .string()
    .min(1)
    .max(PATH_LENGTH_MAX)
    .describe('A folder of master files, below the folder of this file.'),
  suffix: z
    .string()
    .max(SUFFIX_LENGTH_MAX)
    .regex(/^[^/\\]*$/)
    .meta({ what: 'the end of file names', hint: '.zone' })
    .default('.zone')
    .describe(
      'How the names of the files end; what is before it is the name of the zone. Other files are left alone.',
    ),
  transfer: transfer.optional().describe('As that of a zone, for all of them. Default: none.'),
  update: update.optional().describe('As that of a zone, for all of them. Default: none.'),
  dnssec: dnssec.optional().describe('As that of a zone, for all of them. Default: not signed.'),
});

export type ZoneFolder = z.output<typeof zoneFolder>;

/** A zone as it would be written, and the path that messages about it have. */
export type NamedZone = {
  readonly name: string;
  /** Shared by all zones of a folder. */
  readonly file: ZoneFile;
  /** Of its master file; undefined = it has none. */
  readonly master: string | undefined;
  readonly path: ConfigPath;
};

/** The zone of this name, when exactly one folder has a file for it. */
export function zoneOfFolders(
  folders: readonly ZoneFolder[],
  files: ZoneFiles,
  name: string,
): NamedZone | undefined {
  const found = folders.flatMap(({ folder, suffix, ...settings }, index): NamedZone[] => {
    const master = `${folder}/${name}${suffix}`;
    if ('message' in files(master)) return [];
    return [{ name, file: templateOf(settings), master, path: ['zoneFolders', index, name] }];
  });
  return found.length === 1 ? found[0] : undefined;
}

const templateOf = (settings: Omit<ZoneFolder, 'folder' | 'suffix'>): ZoneFile => ({
  ...zoneSchema.parse({}),
  ...settings,
});

/** The zones of all folders, in the order of their names. */
export function zonesOfFolders(
  folders: readonly ZoneFolder[],
  files: ZoneFiles,
  error: Report,
): readonly NamedZone[] {
  return folders.flatMap((folder, index) => zonesOf(folder, ['zoneFolders', index], files, error));
}

function zonesOf(
  { folder, suffix, ...settings }: ZoneFolder,
  path: ConfigPath,
  files: ZoneFiles,
  error: Report,
): readonly NamedZone[] {
  const listed = files.list?.(folder) ?? { message: 'folders cannot be read here' };
  if ('message' in listed) {
    error([...path, 'folder'], listed.message, 'paths are relative to the folder of this file');
    return [];
  }
  const named = listed
    .filter((file) => file.endsWith(suffix) && file.length > suffix.length && file[0] !== '.')
    .sort();
  if (named.length > FOLDER_ZONES_MAX) {
    error([...path, 'folder'], `${named.length} zones; the limit is ${FOLDER_ZONES_MAX}`);
    return [];
  }
  const template = templateOf(settings);
  return named.map((file) => {
    const name = file.slice(0, file.length - suffix.length);
    return { name, file: template, master: `${folder}/${file}`, path: [...path, name] };
  });
}
