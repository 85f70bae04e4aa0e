import { parentPort, workerData } from 'node:worker_threads';
import type { ApartCall, ApartReply } from './apart.ts';

/** The thread of apart.ts: does what it is asked with the functions of the module that it is given. */
const functions = (await import(workerData as string)) as Record<
  string,
  (...values: readonly unknown[]) => unknown
>;

parentPort!.on('message', async ({ name, values }: ApartCall) => {
  const reply: ApartReply = await Promise.try(() => functions[name]!(...values)).then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  );
  parentPort!.postMessage(reply);
});
