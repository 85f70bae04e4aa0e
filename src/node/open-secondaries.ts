import type { Config } from '../config/config.ts';
import type { ZoneOverlay } from '../config/overlay.ts';
import { systemClock, wallClockMs } from '../control/clock.ts';
import type { Compiler } from '../workers/compiler.ts';
import type { CopyParts } from './copied-zone.ts';
import type { Copier } from './copier.ts';
import { createSecondaries, type Secondaries } from './secondaries.ts';

/** With this machine's clock, disk and network. */
export function openSecondaries(
  copier: Copier,
  compiler: Pick<Compiler, 'compile'>,
  parts: Pick<CopyParts, 'overlays' | 'events' | 'log'>,
): Secondaries {
  return createSecondaries({
    ...parts,
    clock: systemClock,
    wallSeconds: () => Math.floor(wallClockMs() / 1000),
    draw: Math.random,
    files: copier.files,
    look: copier.look,
    factsOf: copier.factsOf,
    check: (config, overlay) => checkOverlay(compiler, config, overlay),
  });
}

/**
 * What compiling says of the zone by itself. Everything together is compiled later: what is wrong with one primary's
 * zone must not keep the others from changing.
 */
async function checkOverlay(
  compiler: Pick<Compiler, 'compile'>,
  config: Config,
  overlay: ZoneOverlay,
): Promise<readonly string[]> {
  const zones = { [overlay.zone]: config.zones[overlay.zone]! };
  const compiled = await compiler.compile({
    config: { ...config, zones },
    generation: 0,
    revision: 0,
    isPast: true,
    overlays: [overlay],
  });
  return compiled.ok ? [] : compiled.reasons;
}
