import { randomInt } from 'node:crypto';
import type { Config } from '../config/config.ts';
import type { ZoneOverlay } from '../config/overlay.ts';
import { systemClock, wallClockMs } from '../control/clock.ts';
import type { Compiler } from '../workers/compiler.ts';
import type { CopyParts } from './copied-zone.ts';
import { openCopyFiles } from './copy-files.ts';
import { lookAt } from './primary-look.ts';
import { createSecondaries, type Secondaries } from './secondaries.ts';
import { openStream } from './stream-link.ts';

/** With this machine's clock, disk and network. */
export function openSecondaries(
  { node: { stateDirectory } }: Config,
  compiler: Pick<Compiler, 'compile'>,
  parts: Pick<CopyParts, 'overlays' | 'events' | 'log'>,
): Secondaries {
  const wallSeconds = (): number => Math.floor(wallClockMs() / 1000);
  const drawId = (): number => randomInt(2 ** 16);
  return createSecondaries({
    ...parts,
    clock: systemClock,
    wallSeconds,
    draw: Math.random,
    files: openCopyFiles(stateDirectory),
    look: (primary, apex, copy) =>
      lookAt({ open: openStream, drawId, wallSeconds }, primary, apex, copy),
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
