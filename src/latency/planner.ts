import type { LatencyPlannerOptions, PlannerReport } from '../clients/latency-planner.ts';
import { createThread, type Thread, type ThreadVoice } from '../workers/thread.ts';

/**
 * The planner's thread, seen from the main thread: a million networks are looked at without holding up anything. It is
 * there as long as this node plans.
 */
export type Planner = {
  /** Begins anew, with the map that is in force. */
  begin(options: LatencyPlannerOptions, map: Uint8Array | undefined, nowMs: number): void;
  learn(sketches: readonly Uint8Array[], nowMs: number): void;
  /** Undefined = the thread has died meanwhile: the next window begins anew. */
  endWindow(window: PlannerWindow): Promise<PlannedWindow | undefined>;
  close(): Promise<void>;
};

export type PlannerWindow = {
  readonly nowMs: number;
  readonly isQuiet: boolean;
  /** Of a map that is made now. */
  readonly generation: number;
};

export type PlannedWindow = {
  readonly report: PlannerReport;
  /** Undefined = it would say the same as the one before. */
  readonly map: Uint8Array | undefined;
};

export type ToPlanner =
  | { readonly type: 'start' }
  | {
      readonly type: 'begin';
      readonly options: LatencyPlannerOptions;
      readonly map: Uint8Array | undefined;
      readonly nowMs: number;
    }
  | { readonly type: 'learn'; readonly sketches: readonly Uint8Array[]; readonly nowMs: number }
  | ({ readonly type: 'window'; readonly id: number } & PlannerWindow)
  | { readonly type: 'stop' };

export type FromPlanner =
  | { readonly type: 'ready'; readonly engine: string }
  | ({ readonly type: 'planned'; readonly id: number } & PlannedWindow);

const CLOSE_GRACE_MS = 500;

export function createPlanner(file: URL, voice: ThreadVoice): Planner {
  const waiting = new Map<number, (planned: PlannedWindow | undefined) => void>();
  let thread: Thread | undefined;
  let nextId = 1;
  const settleAll = (): void => {
    for (const done of waiting.values()) done(undefined);
    waiting.clear();
  };
  const open = (): Thread =>
    createThread({
      ...voice,
      name: 'planner',
      file,
      start: () => ({ type: 'start' }),
      onMessage(message) {
        if (message.type !== 'planned') return;
        const { id, map, report } = message as FromPlanner & { readonly type: 'planned' };
        waiting.get(id)?.({ map, report });
        waiting.delete(id);
      },
      ended: settleAll,
    });
  const post = (message: ToPlanner): void => thread?.post(message);
  return {
    begin(options, map, nowMs) {
      thread ??= open();
      post({ type: 'begin', options, map, nowMs });
    },
    learn: (sketches, nowMs) => post({ type: 'learn', sketches, nowMs }),
    endWindow(window) {
      if (thread === undefined) return Promise.resolve(undefined);
      const id = nextId;
      nextId += 1;
      const { promise, resolve } = Promise.withResolvers<PlannedWindow | undefined>();
      waiting.set(id, resolve);
      post({ type: 'window', id, ...window });
      return promise;
    },
    async close() {
      settleAll();
      await thread?.stop(CLOSE_GRACE_MS);
    },
  };
}
