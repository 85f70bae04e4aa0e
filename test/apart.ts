import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/**
 * Calls functions of a module on a thread of its own. The test runner watches every promise and timer of its thread,
 * which costs worlds that are full of them a third of their time.
 */
export type Apart = {
  /** What goes in and comes out is copied; what is thrown is thrown here. One call after the other. */
  call<Result>(name: string, ...values: readonly unknown[]): Promise<Result>;
  close(): Promise<unknown>;
};
export type ApartCall = { readonly name: string; readonly values: readonly unknown[] };
export type ApartReply = { readonly result: unknown } | { readonly error: unknown };

const THREAD = new URL('./apart-thread.ts', import.meta.url);

export function openApart(module: URL): Apart {
  const worker = new Worker(THREAD, { workerData: module.href });
  let last: Promise<unknown> = Promise.resolve();
  const ask = async (call: ApartCall): Promise<unknown> => {
    worker.postMessage(call);
    const [reply] = (await once(worker, 'message')) as [ApartReply];
    if ('error' in reply) throw reply.error;
    return reply.result;
  };
  return {
    call<Result>(name: string, ...values: readonly unknown[]): Promise<Result> {
      const mine = last.catch(() => undefined).then(() => ask({ name, values }));
      last = mine;
      return mine as Promise<Result>;
    },
    close: () => worker.terminate(),
  };
}
