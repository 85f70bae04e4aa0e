import type { Config, ZoneConfig } from './config.ts';
import { type Environment, readDocument } from './document.ts';
import type { ZoneFiles } from './master-file.ts';
import { createPlainZoneReader } from './plain-zone.ts';
import { type ConfigFile, configFileSchema } from './schema.ts';
import { type NamedZone, zoneOfFolders } from './zone-folders.ts';
import { createZonePlaces } from './zone-places.ts';
import { resolveZone } from './zone-records.ts';

/**
 * One zone of a configuration that was valid, read again: everything but its file counts as unchanged. Only
 * from a plain file to a plain file, for of those nothing is to be said, and no zone is below them.
 * @returns undefined = that is not so, or something else may have changed: validate all of it
 */
export function rereadPlainZone(
  text: string,
  environment: Environment,
  files: ZoneFiles,
  { zones }: Config,
  name: string,
): ZoneConfig | undefined {
  const before = Object.hasOwn(zones, name) ? zones[name] : undefined;
  if (before?.filed === undefined) return undefined;
  const document = readDocument(text, environment);
  const shape = configFileSchema.safeParse(document.value);
  if (!shape.success || document.findings.length > 0) return undefined;
  const named = zoneNamed(shape.data, files, name);
  if (named === undefined) return undefined;
  let isGood = true;
  const complain = (): void => {
    isGood = false;
  };
  const masters = { files, places: createZonePlaces(), plain: createPlainZoneReader() };
  const zone = resolveZone(named, masters, () => false, complain, complain);
  return isGood && zone?.config.filed !== undefined ? zone.config : undefined;
}

function zoneNamed(
  { zoneFolders, zones }: ConfigFile,
  files: ZoneFiles,
  name: string,
): NamedZone | undefined {
  if (!Object.hasOwn(zones, name)) return zoneOfFolders(zoneFolders, files, name);
  const file = zones[name]!;
  return { name, file, master: file.file, path: ['zones', name] };
}
