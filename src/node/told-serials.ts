import type { Secret, Secrets } from '../cluster/secrets.ts';
import {
  formatSerialMemory,
  NOTHING,
  parseSerialMemory,
  type SerialMemory,
  united,
} from './serial-memory.ts';

/**
 * What all nodes remember of the serials of signed zones, so that a node that is new, or has lost its folder,
 * is not behind the others. Nothing waits for it: who has not heard it adds to it later what is missing.
 */
export type ToldSerials = {
  get(zone: string): SerialMemory | undefined;
  /** Hears what there is, where nothing was heard yet. */
  ask(zone: string): Promise<void>;
  /** Adds what others do not know of these; one after the other, for there may be many. */
  tell(zones: ReadonlyMap<string, SerialMemory>): void;
  /** Called with the zone that something was heard of. */
  watch(onChange: (zone: string) => void): () => void;
};

const PREFIX = 'zone-serial/';

export function createToldSerials(
  secrets: Pick<Secrets, 'get' | 'update' | 'watchAll'>,
): ToldSerials {
  /** The last word counts: what a zone has got meanwhile is more than what it had. */
  const untold = new Map<string, SerialMemory>();
  let isTelling = false;
  const get = (zone: string): SerialMemory | undefined => read(secrets.get(PREFIX + zone));
  const tellAll = async (): Promise<void> => {
    if (isTelling) return;
    isTelling = true;
    try {
      for (const [zone, memory] of untold) {
        untold.delete(zone);
        // When the store is away it is told with the next look.
        await secrets.update(PREFIX + zone, (bytes) => more(bytes, memory));
      }
    } finally {
      isTelling = false;
    }
  };
  return {
    get,
    async ask(zone) {
      if (secrets.get(PREFIX + zone).state !== 'absent') return;
      await secrets.update(PREFIX + zone, () => undefined);
    },
    tell(zones) {
      for (const [zone, memory] of zones) {
        const shared = get(zone);
        if (shared === undefined || !covers(shared, memory)) untold.set(zone, memory);
      }
      void tellAll();
    },
    watch: (onChange) =>
      secrets.watchAll(PREFIX, (name) => {
        onChange(name.slice(PREFIX.length));
      }),
  };
}

function read(secret: Secret): SerialMemory | undefined {
  return secret.state === 'known'
    ? parseSerialMemory(Buffer.from(secret.bytes).toString())
    : undefined;
}

/** What there is with what is added to it; undefined when there is nothing to add, or it is another version's. */
function more(bytes: Uint8Array | undefined, memory: SerialMemory): Uint8Array | undefined {
  const there = bytes === undefined ? NOTHING : read({ state: 'known', bytes });
  if (there === undefined || (bytes !== undefined && covers(there, memory))) return undefined;
  return Buffer.from(formatSerialMemory(united(there, memory, memory.changes)));
}

function covers(there: SerialMemory, memory: SerialMemory): boolean {
  const both = united(there, memory, memory.changes);
  return formatSerialMemory(both) === formatSerialMemory(there);
}
