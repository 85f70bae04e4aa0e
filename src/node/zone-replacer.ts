import type { Config, ZoneConfig } from '../config/config.ts';
import { diffConfig } from '../config/diff.ts';
import { withOverlays } from '../config/overlay.ts';
import { isReplaceable } from '../nameserver/replace-zones.ts';
import { loadZone } from './config-file.ts';
import { replaceZoneIn } from './config-sha.ts';
import type { ReloaderParts } from './reloader.ts';

/**
 * The file of one zone, read again and served, while all else stays: nothing here may take time in proportion to
 * the number of zones. What this cannot do (a zone that is signed, copied, or steered otherwise than before, a
 * file that is not plain or wrong) is left to those who look at everything.
 * @returns what has changed; undefined = nothing was done
 */
export async function replaceZone(
  parts: Pick<
    ReloaderParts,
    'compiler' | 'current' | 'overlays' | 'shared' | 'source' | 'swapZone'
  >,
  name: string,
): Promise<{ readonly changes: readonly string[] } | undefined> {
  const serving = parts.current();
  const { config, snapshot } = serving;
  const { compiler, shared } = parts;
  const isShared = shared.latest() !== undefined || shared.current() !== undefined;
  if (compiler.replace === undefined || isShared) return undefined;
  const before = Object.hasOwn(config.zones, name) ? config.zones[name] : undefined;
  const after = before && loadZone(parts.source, config, name);
  if (before === undefined || after === undefined || !isReplaceable(before, after)) {
    return undefined;
  }
  const isSigned = snapshot.signatures !== undefined;
  const effective = withItsOverlays(parts, config, name, after);
  if (isSigned || !isReplaceable(effective, effective)) return undefined;
  const generation = snapshot.generation + 1;
  const zones = [[name, effective]] as const;
  const result = await compiler.replace({ base: snapshot.generation, generation, zones });
  // What is wrong is said by who knows file and line.
  if (result.kind !== 'replaced') return undefined;
  const changes = diffConfig(only(config, name, before), only(config, name, after));
  // In place: a copy of a hundred thousand entries would take longer than all of this.
  replaceZoneIn(config.zones, name, after);
  await parts.swapZone({
    ...serving,
    config: { ...config },
    snapshot: { ...snapshot, generation, zones: result.table },
  });
  return { changes };
}

function withItsOverlays(
  { overlays }: Pick<ReloaderParts, 'overlays'>,
  config: Config,
  name: string,
  zone: ZoneConfig,
): ZoneConfig {
  const own = overlays.current().filter((each) => each.zone === name);
  return withOverlays(only(config, name, zone), own).zones[name]!;
}

const only = (config: Config, name: string, zone: ZoneConfig): Config => ({
  ...config,
  zones: { [name]: zone },
});
