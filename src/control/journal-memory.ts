/**
 * The youngest part of the record, in memory: segments of lines, each beginning with a complete entry.
 * It is there also without a disk, and when the disk is full; the oldest segments go when it grows
 * beyond its limit.
 */
export type MemorySegment = {
  readonly startMs: number;
  readonly lines: string[];
  /** Characters of all lines. */
  length: number;
  /** Hashes of the configurations that its entries name. */
  readonly configs: Set<string>;
};

/** Characters that are kept; the segment that is being written is kept in any case. */
export const MEMORY_LENGTH_MAX = 16 * 1024 * 1024;
/** Characters of configurations; the one that is served is kept in any case. */
export const CONFIGS_LENGTH_MAX = 32 * 1024 * 1024;

export type JournalMemory = {
  /** Begins a segment with a complete entry. */
  begin(startMs: number, head: string, config: string): void;
  append(line: string): void;
  /** The segment that an instant is in. */
  segmentAt(atMs: number): MemorySegment | undefined;
  last(): MemorySegment | undefined;
  firstMs(): number | undefined;
  /** Keeps a configuration as long as a segment names it. */
  keepConfig(hash: string, text: string): void;
  config(hash: string): string | undefined;
};

export function createJournalMemory(lengthMax = MEMORY_LENGTH_MAX): JournalMemory {
  const segments: MemorySegment[] = [];
  const configs = new Map<string, string>();
  const trim = (): void => {
    let total = segments.reduce((sum, { length }) => sum + length, 0);
    while (total > lengthMax && segments.length > 1) total -= segments.shift()!.length;
    for (const hash of configs.keys()) {
      if (!segments.some((segment) => segment.configs.has(hash))) configs.delete(hash);
    }
  };
  return {
    begin(startMs, head, config) {
      segments.push({
        startMs,
        lines: [head],
        length: head.length,
        configs: new Set([config]),
      });
      trim();
    },
    append(line) {
      const last = segments.at(-1);
      if (last === undefined) return;
      last.lines.push(line);
      last.length += line.length;
    },
    segmentAt: (atMs) => segments.findLast(({ startMs }) => startMs <= atMs),
    last: () => segments.at(-1),
    firstMs: () => segments[0]?.startMs,
    keepConfig(hash, text) {
      configs.delete(hash);
      configs.set(hash, text);
      segments.at(-1)?.configs.add(hash);
      let total = [...configs.values()].reduce((sum, { length }) => sum + length, 0);
      for (const [old, { length }] of configs) {
        if (total <= CONFIGS_LENGTH_MAX || old === hash) break;
        configs.delete(old);
        total -= length;
      }
    },
    config: (hash) => configs.get(hash),
  };
}
