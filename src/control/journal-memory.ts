import { type PackedText, packText } from './packed-text.ts';

/**
 * The youngest part of the record, in memory: segments of lines, each beginning with a complete entry.
 * It is there also without a disk, and when the disk is full; the oldest segments go when it grows
 * beyond its limit. All but the segment that is being written is compressed.
 */
export type JournalMemory = {
  /** Begins a segment with a complete entry. */
  begin(startMs: number, head: string, config: string): void;
  append(line: string): void;
  /** The lines of the segment that an instant is in. */
  linesAt(atMs: number): Promise<readonly string[] | undefined>;
  /** The segment that is being written. */
  last(): { readonly startMs: number; readonly length: number } | undefined;
  firstMs(): number | undefined;
  /** Keeps a configuration as long as a segment names it. */
  keepConfig(hash: string, text: string): void;
  config(hash: string): Promise<string | undefined>;
};

/** Octets of the compressed segments. */
export const MEMORY_SIZE_MAX = 4 * 1024 * 1024;
/** Octets of the compressed configurations; the one that is served is kept in any case. */
export const CONFIGS_SIZE_MAX = 8 * 1024 * 1024;

type Segment = {
  readonly startMs: number;
  /** Hashes of the configurations that its entries name. */
  readonly configs: Set<string>;
};
type Open = Segment & { readonly lines: string[]; length: number };
type Closed = Segment & { readonly packed: PackedText };

export function createJournalMemory(sizeMax = MEMORY_SIZE_MAX): JournalMemory {
  const closed: Closed[] = [];
  const configs = new Map<string, PackedText>();
  let open: Open | undefined;
  const trim = (): void => {
    let total = sum(closed.map(({ packed }) => packed.size()));
    while (total > sizeMax && closed.length > 0) total -= closed.shift()!.packed.size();
    for (const hash of configs.keys()) {
      const isNamed = open?.configs.has(hash) || closed.some((each) => each.configs.has(hash));
      if (!isNamed) configs.delete(hash);
    }
  };
  return {
    begin(startMs, head, config) {
      if (open !== undefined) {
        const packed = packText(open.lines.join('\n'));
        closed.push({ startMs: open.startMs, configs: open.configs, packed });
        // As it is, it would be as long as all that may be kept.
        void packed.settled.then(trim);
      }
      open = { startMs, lines: [head], length: head.length, configs: new Set([config]) };
      trim();
    },
    append(line) {
      if (open === undefined) return;
      open.lines.push(line);
      open.length += line.length;
    },
    async linesAt(atMs) {
      if (open !== undefined && open.startMs <= atMs) return open.lines;
      const found = closed.findLast(({ startMs }) => startMs <= atMs);
      return (await found?.packed.text())?.split('\n');
    },
    last: () => open,
    firstMs: () => closed[0]?.startMs ?? open?.startMs,
    keepConfig(hash, text) {
      const known = configs.get(hash) ?? packText(text);
      configs.delete(hash);
      configs.set(hash, known);
      open?.configs.add(hash);
      let total = sum([...configs.values()].map((each) => each.size()));
      for (const [old, packed] of configs) {
        if (total <= CONFIGS_SIZE_MAX || old === hash) break;
        configs.delete(old);
        total -= packed.size();
      }
    },
    config: async (hash) => configs.get(hash)?.text(),
  };
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);
