import type { Log } from '../telemetry/log.ts';
import type {
  CompileReply,
  CompileRequest,
  CompileResult,
  ReplaceReply,
  ReplaceRequest,
  ReplaceResult,
} from './compile-messages.ts';
import { describeProgress, type ProgressMessage } from './compile-progress.ts';
import { createThread, type ThreadVoice } from './thread.ts';

/**
 * The compile worker, seen from the main thread: heavy compilation never holds up probes, the API or
 * health. A compilation that dies with its worker is a failed compilation, not a failed node.
 */
export type Compiler = {
  compile(request: Omit<CompileRequest, 'type' | 'id'>): Promise<CompileResult>;
  replace(request: Omit<ReplaceRequest, 'type' | 'id'>): Promise<ReplaceResult>;
  close(): Promise<void>;
};

const CLOSE_GRACE_MS = 500;
/** Of a hundred thousand zones hardly anything is kept: with more room their garbage is the peak of the node. */
const YOUNG_HEAP_MB = 8;

const STOPPING = 'The node is stopping.';

export type CompilerVoice = ThreadVoice & { readonly log: Pick<Log, 'error' | 'info'> };

export function createCompiler(file: URL, { log, record }: CompilerVoice): Compiler {
  const waiting = new Map<number, (result: CompileResult) => void>();
  const replacing = new Map<number, (result: ReplaceResult) => void>();
  let nextId = 1;
  const failAll = (reason: string): void => {
    for (const done of waiting.values()) done({ ok: false, reasons: [reason] });
    waiting.clear();
    // Who comes to compile all of it hears of that.
    for (const done of replacing.values()) done({ kind: 'whole' });
    replacing.clear();
  };
  let incarnations = 0;
  let isClosed = false;
  const thread = createThread({
    name: 'compile',
    file,
    youngHeapMb: YOUNG_HEAP_MB,
    log,
    record,
    start() {
      incarnations += 1;
      if (incarnations > 1) failAll('The compile worker died; see the log.');
      return { type: 'start' };
    },
    onMessage(message) {
      if (message.type === 'progress') {
        const progress = message as ProgressMessage;
        log.info('config.compiling', describeProgress(progress), {
          share: Math.round(progress.share * 100) / 100,
        });
      }
      if (message.type === 'replaced') {
        const { id, result } = message as unknown as ReplaceReply;
        replacing.get(id)?.(result);
        replacing.delete(id);
      }
      if (message.type !== 'compiled') return;
      const { id, result } = message as unknown as CompileReply;
      waiting.get(id)?.(result);
      waiting.delete(id);
    },
  });
  return {
    compile(request) {
      // A reload that was asked for meanwhile must not wait for somebody who has gone.
      if (isClosed) return Promise.resolve({ ok: false, reasons: [STOPPING] });
      const id = nextId;
      nextId += 1;
      return new Promise((done) => {
        waiting.set(id, done);
        thread.post({ ...request, type: 'compile', id });
      });
    },
    replace(request) {
      if (isClosed) return Promise.resolve({ kind: 'refused', reasons: [STOPPING] });
      const id = nextId;
      nextId += 1;
      return new Promise((done) => {
        replacing.set(id, done);
        thread.post({ ...request, type: 'replace', id });
      });
    },
    async close() {
      isClosed = true;
      failAll(STOPPING);
      await thread.stop(CLOSE_GRACE_MS);
    },
  };
}
