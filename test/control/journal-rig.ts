import type { Config } from '../../src/config/config.ts';
import { createJournal, type Journal } from '../../src/control/journal.ts';
import { hashSteeringPart } from '../../src/control/journal-config.ts';
import type { EndpointSaid } from '../../src/control/journal-recorder.ts';
import type { JournalDisk } from '../../src/control/journal-writer.ts';
import { createServing, type Serving } from '../../src/control/serving.ts';

import type { HealthWords } from '../../src/health/health-words.ts';
import { createMovedClock, type MovedClock } from '../monitoring/moved-clock.ts';
import { compiled, createConfig, geo, healthOf, NOW_MS } from '../nameserver/fixture.ts';
import { silentLog } from './silent-log.ts';

/** A journal over a clock that the test moves, and a disk that is an object. */
export type JournalRig = {
  readonly journal: Journal;
  readonly clock: MovedClock;
  readonly heard: string[];
  /** What is said of endpoints beside their words. */
  readonly said: Map<string, EndpointSaid>;
};

export function servingOf(config: Config = createConfig(), generation = 1): Serving {
  return createServing(config, { snapshot: compiled(config, generation), geo });
}

/** Words for everybody: those given, in the order of the endpoints. */
export const words = (...list: readonly number[]): HealthWords => healthOf(Uint32Array.from(list));

export function openJournal(disk?: JournalDisk, clock = createMovedClock(NOW_MS)): JournalRig {
  const heard: string[] = [];
  const said = new Map<string, EndpointSaid>();
  const journal = createJournal({
    clock,
    log: silentLog(heard),
    statusOf: (name) => said.get(name),
    disk,
  });
  return { journal, clock, heard, said };
}

/** Segments and configurations in memory; `fails` is what every call is refused with. */
export type DiskDouble = JournalDisk & {
  fails: string | undefined;
  readonly segments: Map<number, string>;
  readonly configs: Map<string, string>;
  writes: number;
};

export function createDiskDouble(): DiskDouble {
  const segments = new Map<number, string>();
  const configs = new Map<string, string>();
  const check = (): void => {
    if (disk.fails !== undefined) throw Object.assign(new Error('no'), { code: disk.fails });
  };
  const disk: DiskDouble = {
    fails: undefined,
    segments,
    configs,
    writes: 0,
    async starts() {
      check();
      return [...segments.keys()].toSorted((a, b) => a - b);
    },
    async begin(startMs, text) {
      check();
      disk.writes += 1;
      segments.set(startMs, text);
    },
    async append(startMs, text) {
      check();
      disk.writes += 1;
      segments.set(startMs, (segments.get(startMs) ?? '') + text);
    },
    async read(startMs) {
      check();
      return segments
        .get(startMs)
        ?.split('\n')
        .filter((line) => line !== '');
    },
    async keepConfig({ hash, text }) {
      check();
      configs.set(hash, text);
    },
    async readConfig(hash) {
      check();
      return configs.get(hash);
    },
    async prune() {},
  };
  return disk;
}

export const hashOf = (config: Config): string => hashSteeringPart(config).hash;
