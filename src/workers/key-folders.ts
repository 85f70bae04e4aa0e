import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Config, ZoneConfig } from '../config/config.ts';
import type { ConfigIssue } from '../config/issue.ts';

export type PlacedFolders = {
  readonly config: Config;
  readonly warnings: readonly ConfigIssue[];
};

/**
 * The folders with keys of zones (`dnssec.folder`), taken from the folder of the configuration file wherever the
 * node was started. One that is not there is a warning: the keys may come later, and until then the zone is
 * unsigned.
 */
export function placeKeyFolders(config: Config, configFile: string): PlacedFolders {
  const root = dirname(resolve(configFile));
  // Of many zones mostly none has one.
  if (!Object.values(config.zones).some(({ dnssec }) => dnssec?.folder !== undefined)) {
    return { config, warnings: [] };
  }
  const zones: Record<string, ZoneConfig> = { ...config.zones };
  const warnings: ConfigIssue[] = [];
  for (const [name, zone] of Object.entries(config.zones)) {
    const { dnssec } = zone;
    if (dnssec?.folder === undefined) continue;
    const folder = resolve(root, dnssec.folder);
    zones[name] = { ...zone, dnssec: { ...dnssec, folder } };
    const problem = problemOf(folder);
    if (problem === undefined) continue;
    warnings.push({
      ...{ file: configFile, line: 1, column: 1, path: `zones.${name}.dnssec.folder` },
      message: `${folder} ${problem}: ${name} is answered unsigned`,
      hint: 'paths are relative to the folder of this file; a node that has read keys there goes on with them',
    });
  }
  return { config: { ...config, zones }, warnings };
}

function problemOf(folder: string): string | undefined {
  try {
    return statSync(folder).isDirectory() ? undefined : 'is not a folder';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
  }
}
