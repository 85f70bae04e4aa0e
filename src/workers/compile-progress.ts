/**
 * How far a compilation is, for the log: geo databases take seconds, many networks and names more. Who works tells
 * often; what is passed on begins after a while, so that the usual ones, which are short, stay silent.
 */
export type Progress = (what: string, share: number) => void;

/** As it goes to the main thread. */
export type ProgressMessage = {
  readonly type: 'progress';
  readonly what: string;
  /** Of the step that `what` names, 0..1. */
  readonly share: number;
};

export const PROGRESS_AFTER_MS = 1000;
export const PROGRESS_EVERY_MS = 2000;

/** For one compilation, which begins now. */
export function createProgress(
  tell: (message: ProgressMessage) => void,
  nowMs: () => number,
): Progress {
  let nextMs = nowMs() + PROGRESS_AFTER_MS;
  return (what, share) => {
    const now = nowMs();
    if (now < nextMs) return;
    nextMs = now + PROGRESS_EVERY_MS;
    tell({ type: 'progress', what, share });
  };
}

export function describeProgress({ share, what }: ProgressMessage): string {
  return `Compiling what is served: ${what}, ${Math.round(share * 100)} %.`;
}
