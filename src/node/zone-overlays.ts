import type { Config } from '../config/config.ts';
import { serialWith, withOverlays, type ZoneOverlay } from '../config/overlay.ts';
import type { Compiler } from '../workers/compiler.ts';

/** The overlays of a node's zones, whoever they come from; whatever is compiled to be served has them. */
export type ZoneOverlays = {
  current(): readonly ZoneOverlay[];
  /** Replaces what this source has for the zone; undefined = nothing any more. */
  set(source: string, zone: string, overlay: ZoneOverlay | undefined): void;
  /**
   * Called after every change, and at once when something has come that was not compiled yet; returns
   * the function that stops it.
   */
  onChange(hear: () => void): () => void;
  /** What is compiled now is what there is. */
  compiling(): readonly ZoneOverlay[];
};

export function createZoneOverlays(): ZoneOverlays {
  const overlays = new Map<string, ZoneOverlay>();
  const ears = new Set<() => void>();
  let isCompiled = true;
  return {
    current: () => [...overlays.values()],
    compiling() {
      isCompiled = true;
      return [...overlays.values()];
    },
    set(source, zone, overlay) {
      const key = `${source} ${zone}`;
      if (overlay === undefined && !overlays.has(key)) return;
      if (overlay === undefined) overlays.delete(key);
      else overlays.set(key, overlay);
      isCompiled = false;
      for (const hear of ears) hear();
    },
    onChange(hear) {
      ears.add(hear);
      // A node takes seconds to start, and keys or a primary's copy may come meanwhile.
      if (!isCompiled) hear();
      return () => ears.delete(hear);
    },
  };
}

/** The serial that a zone of the configuration has with all that came to it. */
export function servedSerial(
  config: Pick<Config, 'zones'>,
  overlays: Pick<ZoneOverlays, 'current'>,
  zone: string,
): number {
  const others = overlays.current().filter((each) => each.zone === zone && each.soa === undefined);
  return serialWith(writtenSerial(config, overlays, zone) ?? 0, others);
}

/**
 * The serial that the configuration, or a primary, gives a zone; undefined = there is no such zone. It takes no
 * time in proportion to the number of zones, for it is asked whenever one of a hundred thousand was reloaded.
 */
export function writtenSerial(
  { zones }: Pick<Config, 'zones'>,
  { current }: Pick<ZoneOverlays, 'current'>,
  zone: string,
): number | undefined {
  const written = zones[zone];
  const copy =
    written?.primary && current().findLast((each) => each.zone === zone && each.soa !== undefined);
  return (copy?.soa ?? written?.soa)?.serial;
}

/**
 * A configuration with the records of primaries, which are as good as written; what is added here is not among
 * them. Made anew when either has changed.
 */
export function createWrittenConfig({
  current,
}: Pick<ZoneOverlays, 'current'>): (config: Config) => Config {
  let known: { config: Config; copies: readonly ZoneOverlay[]; written: Config } | undefined;
  return (config) => {
    const copies = current().filter(({ soa }) => soa !== undefined);
    const isSame =
      known?.config === config &&
      known.copies.length === copies.length &&
      copies.every((each, index) => known?.copies[index] === each);
    if (known === undefined || !isSame) {
      known = { config, copies, written: withOverlays(config, copies) };
    }
    return known.written;
  };
}

/** Compiles what is to be served with the overlays of the moment; the past is compiled as it was written. */
export function withZoneOverlays(compiler: Compiler, { compiling }: ZoneOverlays): Compiler {
  return {
    ...compiler,
    compile: (request) =>
      compiler.compile(request.isPast ? request : { ...request, overlays: compiling() }),
  };
}
