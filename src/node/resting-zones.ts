import type { Config } from '../config/config.ts';
import type { KeySet } from '../dns/dnssec/key-set.ts';
import { filePlace, sharedPlace, zonesWithFiles } from './key-places.ts';
import type { SigningMemory } from './signing-memory.ts';
import type { ToldSerials } from './told-serials.ts';
import type { ZoneKeysParts } from './zone-keys.ts';

/**
 * Zones that were signed and are not by their configuration of now: what signing added to their serials they
 * keep. A node that is new hears from the others which they are.
 */
export type RestingZones = {
  all(): readonly RestingZone[];
  setConfig(config: Config): void;
  close(): void;
};

/** With the keys from when it was signed, where they are still there. */
export type RestingZone = { readonly zone: string; readonly set: KeySet | undefined };

/** @param onHeard called when another node has told something of the serial of any zone */
export function keepRestingZones(
  parts: Pick<ZoneKeysParts, 'config' | 'secrets'>,
  memory: SigningMemory,
  serials: ToldSerials,
  onHeard: () => void,
): RestingZones {
  let { config } = parts;
  let zones = findThem(parts, config, memory, serials);
  const close = serials.watch((zone) => {
    const isSigned = config.zones[zone]?.dnssec !== undefined;
    if (config.zones[zone] === undefined) return;
    if (!isSigned && !zones.has(zone)) zones.set(zone, { zone, set: undefined });
    onHeard();
  });
  return {
    all: () => [...zones.values()],
    setConfig(next) {
      config = next;
      zones = findThem(parts, config, memory, serials);
    },
    close,
  };
}

function findThem(
  { secrets }: Pick<ZoneKeysParts, 'secrets'>,
  { node: { stateDirectory }, zones }: Config,
  memory: SigningMemory,
  serials: ToldSerials,
): Map<string, RestingZone> {
  const inFiles = new Set(stateDirectory === undefined ? [] : zonesWithFiles(stateDirectory));
  const found = new Map<string, RestingZone>();
  for (const [zone, { dnssec }] of Object.entries(zones)) {
    if (dnssec !== undefined) continue;
    const shared = sharedPlace(secrets, zone).read();
    const own = inFiles.has(zone) ? filePlace(stateDirectory!, zone).read() : undefined;
    const read = shared.state === 'known' ? shared : own;
    const set = read?.state === 'known' ? read.set : undefined;
    const isKnown = memory.get(zone) !== undefined || serials.get(zone) !== undefined;
    if (set !== undefined || isKnown) found.set(zone, { zone, set });
  }
  return found;
}
