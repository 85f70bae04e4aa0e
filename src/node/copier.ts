import { totalmem } from 'node:os';
import type { Config } from '../config/config.ts';
import { createThread, type Thread, type ThreadVoice } from '../workers/thread.ts';
import type { ZoneContent } from '../zone/zone-content.ts';
import type { CopyFacts } from './copy-alterations.ts';
import type { CopyFiles, KeptCopy } from './copy-files.ts';
import type { LookAnswer, Primary } from './primary-look.ts';

/**
 * The thread that copies zones, seen from the main thread. What primaries send may be large, and nobody but a primary
 * says how large: reading, ordering and keeping it happens where neither health nor the API wait for it, and where
 * it ends the thread, not the node, when memory is short. Copies come packed in memory that threads share.
 */
export type Copier = {
  look(primary: Primary, apex: Uint8Array, copy: ZoneContent | undefined): Promise<LookAnswer>;
  factsOf(
    config: Config | undefined,
    zone: string,
    content: ZoneContent,
  ): Promise<CopyFacts | undefined>;
  readonly files: CopyFiles;
  threads(): readonly Thread[];
  close(): Promise<void>;
};

export type CopyTask =
  | {
      readonly kind: 'look';
      readonly primary: Primary;
      readonly apex: Uint8Array;
      readonly copy: ZoneContent | undefined;
    }
  | {
      readonly kind: 'facts';
      readonly config: Pick<Config, 'pools' | 'zones'> | undefined;
      readonly zone: string;
      readonly content: ZoneContent;
    }
  | { readonly kind: 'read'; readonly apex: Uint8Array }
  /** `contentId` is another one for another content: most of what is kept was kept before, and hashed. */
  | { readonly kind: 'keep'; readonly copy: KeptCopy; readonly contentId: number };
export type ToCopier =
  | { readonly type: 'start'; readonly stateDirectory: string | undefined }
  | { readonly type: 'stop' }
  | { readonly type: 'task'; readonly id: number; readonly task: CopyTask };
/** `result` is what the task gives. */
export type FromCopier =
  | { readonly type: 'ready'; readonly engine: string }
  | { readonly type: 'done'; readonly id: number; readonly result: unknown };

/** What the largest transfers take while they are read and put in order, with some room. */
const COPIER_HEAP_MB = 3072;
/** And no more of the machine's memory, or of what this process may have of it: a small one copies small zones. */
const COPIER_MEMORY_SHARE = 0.5;

function heapMb(): number {
  const allowed = process.constrainedMemory();
  const memory = allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
  return Math.min(COPIER_HEAP_MB, Math.floor((memory * COPIER_MEMORY_SHARE) / 2 ** 20));
}
const CLOSE_GRACE_MS = 500;
const DIED = 'the thread that copies zones died of it';

export function createCopier(
  file: URL,
  stateDirectory: string | undefined,
  { log, record }: ThreadVoice,
  heap = heapMb(),
): Copier {
  const waiting = new Map<number, (result: unknown) => void>();
  const contentIds = new WeakMap<ZoneContent, number>();
  let thread: Thread | undefined;
  let nextId = 1;
  let isClosed = false;
  /** Whoever waits gets what says that nothing came of it. */
  const failAll = (): void => {
    for (const done of waiting.values()) done(undefined);
    waiting.clear();
  };
  const open = (): Thread =>
    createThread({
      name: 'copy',
      file,
      heapMb: heap,
      log,
      record,
      start() {
        failAll();
        return { type: 'start', stateDirectory } satisfies ToCopier;
      },
      onMessage(message) {
        if (message.type !== 'done') return;
        const { id, result } = message as FromCopier & { readonly type: 'done' };
        waiting.get(id)?.(result);
        waiting.delete(id);
      },
    });
  const run = async (task: CopyTask): Promise<unknown> => {
    if (isClosed) return undefined;
    // Most nodes copy nothing.
    thread ??= open();
    const id = nextId;
    nextId += 1;
    const posted = thread;
    return new Promise((done) => {
      waiting.set(id, done);
      posted.post({ type: 'task', id, task } satisfies ToCopier);
    });
  };
  return {
    async look(primary, apex, copy) {
      const answer = await run({ kind: 'look', primary, apex, copy });
      return (answer as LookAnswer | undefined) ?? { kind: 'failed', reason: DIED };
    },
    async factsOf(config, zone, content) {
      const known = config?.zones[zone];
      const part = known && config && { pools: config.pools, zones: { [zone]: known } };
      const task: CopyTask = { kind: 'facts', config: part, zone, content };
      return (await run(task)) as CopyFacts | undefined;
    },
    files: {
      async read(apex) {
        if (stateDirectory === undefined) return undefined;
        return (await run({ kind: 'read', apex })) as KeptCopy | undefined;
      },
      async keep(copy) {
        if (stateDirectory === undefined) return undefined;
        const contentId = contentIds.get(copy.content) ?? nextId;
        contentIds.set(copy.content, contentId);
        const kept = (await run({ kind: 'keep', copy, contentId })) as
          | { readonly problem?: string }
          | undefined;
        return kept === undefined ? DIED : kept.problem;
      },
    },
    threads: () => (thread === undefined ? [] : [thread]),
    async close() {
      isClosed = true;
      failAll();
      await thread?.stop(CLOSE_GRACE_MS);
    },
  };
}
