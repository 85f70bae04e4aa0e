import type { ConfigPath } from './issue.ts';
import type { ConfigFile } from './schema.ts';
import type { ZoneFile } from './zone-schema.ts';

/** Settings as they are written: of one zone, or of all zones of a folder at once. */
export type ZoneSettings = {
  readonly path: ConfigPath;
  /** The one zone. */
  readonly zone: string | undefined;
  readonly settings: Pick<ZoneFile, 'dnssec' | 'primary' | 'transfer' | 'update'>;
};

export function zoneSettings({ zoneFolders, zones }: ConfigFile): readonly ZoneSettings[] {
  return [
    ...Object.entries(zones).map(([zone, settings]) => ({ path: ['zones', zone], zone, settings })),
    ...zoneFolders.map((settings, index) => ({
      path: ['zoneFolders', index],
      zone: undefined,
      settings: { primary: undefined, ...settings },
    })),
  ];
}
