/**
 * A bounded number of attempts at once, and those that wait for a place, first come, first served.
 * Targets whose last attempt ran into its timeout hold their place for the whole of it, so they may
 * have half of the places at most: however many of them there are, the others find room within the
 * time that a healthy answer takes. Waiting costs nothing but time; an attempt's timeout starts
 * with its launch.
 */
export type Slots<Job> = {
  /** The job is launched now, or when a place is free. */
  ask(job: Job, isTardy: boolean): void;
  /** It waits no longer; nothing happens when it does not wait. */
  withdraw(job: Job): void;
  /** An attempt has ended; as asked for. */
  leave(isTardy: boolean): void;
};

/** Share of the places that targets may have which were too slow last time. */
export const TARDY_SHARE_MAX = 0.5;

export function createSlots<Job>(
  max: number,
  launch: (job: Job, isTardy: boolean) => void,
): Slots<Job> {
  const tardyMax = Math.max(1, Math.floor(max * TARDY_SHARE_MAX));
  // By ticket, in the order in which they came.
  const prompt = new Map<Job, number>();
  const tardy = new Map<Job, number>();
  let ticket = 0;
  let taken = 0;
  let takenByTardy = 0;

  const next = (): { readonly job: Job; readonly isTardy: boolean } | undefined => {
    const [first] = prompt;
    const [slow] = takenByTardy < tardyMax ? tardy : [];
    if (slow !== undefined && (first === undefined || slow[1] < first[1])) {
      return { job: slow[0], isTardy: true };
    }
    return first && { job: first[0], isTardy: false };
  };
  const fill = (): void => {
    while (taken < max) {
      const found = next();
      if (found === undefined) return;
      const { isTardy, job } = found;
      (isTardy ? tardy : prompt).delete(job);
      taken += 1;
      if (isTardy) takenByTardy += 1;
      launch(job, isTardy);
    }
  };
  return {
    ask(job, isTardy) {
      ticket += 1;
      (isTardy ? tardy : prompt).set(job, ticket);
      fill();
    },
    withdraw(job) {
      prompt.delete(job);
      tardy.delete(job);
    },
    leave(isTardy) {
      taken -= 1;
      if (isTardy) takenByTardy -= 1;
      fill();
    },
  };
}
