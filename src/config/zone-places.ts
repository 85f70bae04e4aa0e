import { lineOf, type ZonePlace, type ZoneText } from '../dns/zone-file.ts';
import type { Position } from './document.ts';
import type { ConfigPath } from './issue.ts';

/**
 * Texts of zone files, and places in them as the last part of a path: a million records cost their
 * indexes, and lines are counted only for a place that a message needs.
 */
export type ZonePlaces = {
  part(place: ZonePlace): string;
  /** Undefined when the path does not lead into a zone file. */
  locate(path: ConfigPath): Position | undefined;
};

/** A NUL cannot come from text, and a part that begins with one is not shown (document.ts). */
const MARK = '\u0000zone-file';

export function createZonePlaces(): ZonePlaces {
  const files: ZoneText[] = [];
  const indexes = new Map<ZoneText, number>();
  return {
    part({ at, file }) {
      const known = indexes.get(file) ?? files.push(file) - 1;
      indexes.set(file, known);
      return `${MARK}:${known}:${at}`;
    },
    locate(path) {
      const part = path.find((one) => typeof one === 'string' && one.startsWith(MARK));
      if (part === undefined) return undefined;
      const [, index, at] = String(part).split(':');
      const file = files[Number(index)]!;
      return { ...lineOf({ file, at: Number(at) }), file: file.name };
    },
  };
}
