import type { Store } from '../store/store.ts';
import { decodeFrame, encodeFrames, statementHash, type WireRecord } from './wire.ts';

/**
 * What nodes tell each other directly, told through the store as well: for nodes that cannot hear
 * each other, and those that come later. Statements stand in a fixed number of keys per node, so that
 * one change rewrites one of them; a sign of life stands in one more that lapses soon. Nobody
 * waits for any of it: what could not be written is written the next time.
 */
export type StoreVoice = {
  /** Something is new; `statements` and `life` tell what there is to say then. */
  tell(records: readonly WireRecord[]): void;
  close(): void;
};

export type StoreVoiceDeps = {
  readonly store: Pick<Store, 'lease' | 'watch' | 'list'>;
  readonly clock: { nowMs(): number; setTimer(ms: number, run: () => void): () => void };
  readonly node: string;
  /** What this node's vantage points say now; there may be many. */
  readonly statements: () => readonly WireRecord[];
  /** Signs of life and reports. */
  readonly life: () => readonly WireRecord[];
  /** What others say, and who. */
  readonly hear: (records: readonly WireRecord[], from: string) => void;
};

const PREFIX = 'voices/';
const LIFE = 'life';
/** Keys over which a node's statements are spread. */
export const CHUNKS = 32;
/** News wait this long for each other. */
export const GATHER_MS = 20;
/** Signs of life are renewed this often, and lapse after three. */
export const LIFE_INTERVAL_MS = 500;
const LIFE_LEASE_MS = 3 * LIFE_INTERVAL_MS;
/** Statements stay this long after their node has written them last; it does so twice in the time. */
const CHUNK_LEASE_MS = 600_000;
/** A value longer than this is none of ours. */
const VALUE_LENGTH_MAX = 4 * 1024 * 1024;

export function createStoreVoice(deps: StoreVoiceDeps): StoreVoice {
  const { clock, hear, node, store } = deps;
  const chunks = createChunks(deps);
  const unwatch = store.watch(
    PREFIX,
    ({ key, value }) => {
      const [from = ''] = key.slice(PREFIX.length).split('/');
      if (value === undefined || from === node) return;
      const records = decodeValue(value);
      if (records !== undefined) hear(records, from);
    },
    // It may have lost ours.
    () => chunks.touchAll(),
  );
  store.list(PREFIX).then(
    (entries) => {
      for (const { key, value } of entries) {
        const [from = ''] = key.slice(PREFIX.length).split('/');
        const records = from === node ? undefined : decodeValue(value);
        if (records !== undefined) hear(records, from);
      }
    },
    // It is away: the watcher hears of everything when it is back.
    () => {},
  );
  let cancelGather: (() => void) | undefined;
  const gather = (): void => {
    cancelGather ??= clock.setTimer(GATHER_MS, () => {
      cancelGather = undefined;
      chunks.write();
    });
  };
  let cancelLife = (): void => {};
  const live = (): void => {
    chunks.writeLife();
    gather();
    cancelLife = clock.setTimer(LIFE_INTERVAL_MS, live);
  };
  cancelLife = clock.setTimer(0, live);
  return {
    tell(records) {
      for (const record of records) {
        if (record.kind === 'statement') chunks.touch(record.key);
        else if (record.kind === 'report' || record.kind === 'vantage') chunks.touchLife();
      }
      gather();
    },
    close() {
      unwatch();
      cancelLife();
      cancelGather?.();
    },
  };
}

/** The values of this node's keys, and which of them are not in the store as they should be. */
function createChunks({ clock, life, node, statements, store }: StoreVoiceDeps) {
  const dirty = new Set<number>();
  const writing = new Set<string>();
  let isLifeDirty = true;
  let written = 0;
  const nextNumber = (): number => {
    written += 1;
    return written;
  };
  let touchedAllAtMs = clock.nowMs();
  const touchAll = (): void => {
    for (let chunk = 0; chunk < CHUNKS; chunk += 1) dirty.add(chunk);
    touchedAllAtMs = clock.nowMs();
  };
  const put = (name: string, records: readonly WireRecord[], ttlMs: number, onFail: () => void) => {
    const key = `${PREFIX}${node}/${name}`;
    // The one that is on its way brings older news: this one goes when it is through.
    if (writing.has(key)) return onFail();
    writing.add(key);
    store
      .lease(key, encodeValue(records, nextNumber()), ttlMs)
      .catch(onFail)
      .finally(() => writing.delete(key));
  };
  const writeLife = (): void => {
    isLifeDirty = false;
    const signs = life();
    if (signs.length > 0) {
      put(LIFE, signs, LIFE_LEASE_MS, () => {
        isLifeDirty = true;
      });
    }
  };
  touchAll();
  return {
    touchAll,
    touch: (key: string) => void dirty.add(chunkOf(key)),
    touchLife() {
      isLifeDirty = true;
    },
    writeLife,
    write() {
      if (clock.nowMs() - touchedAllAtMs > CHUNK_LEASE_MS / 2) touchAll();
      if (isLifeDirty) writeLife();
      if (dirty.size === 0) return;
      const byChunk = new Map<number, WireRecord[]>();
      for (const record of statements()) {
        if (record.kind !== 'statement') continue;
        const chunk = chunkOf(record.key);
        const others = byChunk.get(chunk);
        if (others === undefined) byChunk.set(chunk, [record]);
        else others.push(record);
      }
      for (const chunk of [...dirty]) {
        dirty.delete(chunk);
        const records = byChunk.get(chunk) ?? [];
        if (records.length > 0) {
          put(String(chunk), records, CHUNK_LEASE_MS, () => void dirty.add(chunk));
        }
      }
    },
  };
}

const chunkOf = (key: string): number => statementHash(key, 0) % CHUNKS;

/**
 * Frames after each other are one longer frame. A number comes before it: a store does not tell of a
 * value that is set again as it was, and a sign of life is to be heard.
 */
function encodeValue(records: readonly WireRecord[], number: number): string {
  return `${number} ${Buffer.concat(encodeFrames(records)).toString('base64')}`;
}

function decodeValue(value: string): readonly WireRecord[] | undefined {
  if (value.length > VALUE_LENGTH_MAX) return undefined;
  return decodeFrame(Buffer.from(value.slice(value.indexOf(' ') + 1), 'base64'));
}
