import { randomInt } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { wallClockMs } from './control/clock.ts';
import type { CopyTask, FromCopier, ToCopier } from './node/copier.ts';
import { factsOfCopy } from './node/copy-alterations.ts';
import { type CopyFiles, openCopyFiles } from './node/copy-files.ts';
import { type LookParts, lookAt } from './node/primary-look.ts';
import { openStream } from './node/stream-link.ts';
import type { ZoneContent } from './zone/zone-content.ts';

/** The copier's thread: it asks primaries, reads what they send, and keeps copies on disk. */

let files: CopyFiles = openCopyFiles(undefined);
const wallSeconds = (): number => Math.floor(wallClockMs() / 1000);
const drawId = (): number => randomInt(2 ** 16);
/** What was kept last of each zone. */
const kept = new Map<string, { readonly contentId: number; readonly content: ZoneContent }>();
/** Settles when the last large zone that was begun is read. */
let large = Promise.resolve();
const tell = (message: FromCopier): void => parentPort?.postMessage(message);

const LOOK_PARTS: LookParts = { open: openStream, drawId, wallSeconds, enterLarge };

parentPort?.on('message', (message: ToCopier) => {
  switch (message.type) {
    case 'start':
      files = openCopyFiles(message.stateDirectory);
      tell({ type: 'ready', engine: 'copy' });
      break;
    case 'task': {
      const { id, task } = message;
      // A bug ends the thread, which is then replaced.
      void run(task).then((result) => tell({ type: 'done', id, result }));
      break;
    }
    case 'stop':
      process.exit(0);
  }
});

/** The object that came before of the same content, by which its hash is known. */
function sameContent({ contentId, copy }: CopyTask & { readonly kind: 'keep' }): ZoneContent {
  const name = Buffer.from(copy.content.apex).toString('latin1');
  const before = kept.get(name);
  const content = before?.contentId === contentId ? before.content : copy.content;
  kept.set(name, { contentId, content });
  return content;
}

function enterLarge(): Promise<() => void> {
  const before = large;
  const { promise, resolve } = Promise.withResolvers<void>();
  large = promise;
  return before.then(() => resolve);
}

async function run(task: CopyTask): Promise<unknown> {
  switch (task.kind) {
    case 'look':
      return lookAt(LOOK_PARTS, task.primary, task.apex, task.copy);
    case 'facts':
      return factsOfCopy(task.config, task.zone, task.content);
    case 'read':
      return files.read(task.apex);
    case 'keep': {
      const problem = await files.keep({ ...task.copy, content: sameContent(task) });
      return problem === undefined ? {} : { problem };
    }
  }
}
