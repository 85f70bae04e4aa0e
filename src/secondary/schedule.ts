/**
 * When a secondary looks whether its primary has a newer zone, and how long it may serve what it has (RFC 1034
 * 4.3.5, RFC 1996 4): a state and what happens to it. Time is an argument, in milliseconds of one clock.
 *
 *   no copy    look at once, after failures ever more seldom
 *   a copy     look `refresh` after the last success, `retry` after a failure, at once when notified or told to;
 *              expired when no primary has confirmed it for `expire`: it goes on looking, and recovers
 */
export type Timers = {
  /** Of the SOA, in seconds. */
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
};

export type Schedule = {
  readonly copy: (Timers & { readonly confirmedMs: number; readonly records?: number }) | undefined;
  /** Looks in vain since the last that was not. */
  readonly failures: number;
  /** When to look next; while a look is under way, not before its end. */
  readonly nextMs: number;
  /** When the look that is under way, or was the last, began. */
  readonly lookedMs: number | undefined;
  readonly isLooking: boolean;
  /** Somebody asked for another look while one was under way, which may have been too early to see. */
  readonly isAskedAgain: boolean;
};

/** A primary that says less makes its secondaries a load test. */
export const REFRESH_SECONDS_MIN = 10;
export const REFRESH_SECONDS_MAX = 28 * 86_400;
export const RETRY_SECONDS_MIN = 5;
/** Longer than the shortest refresh: a copy that is confirmed as often as can be is a good one. */
export const EXPIRE_SECONDS_MIN = 12;
/** Retries must not be what lets a zone expire. */
export const RETRY_SECONDS_MAX = 86_400;
/** Without a copy: doubled after every failure, up to the longest. */
export const FIRST_RETRY_SECONDS = 2;
export const FIRST_RETRY_SECONDS_MAX = 300;
/** Anybody who knows a primary's address can forge a NOTIFY of it: looks that they cause are this far apart. */
export const NOTIFIED_LOOK_EVERY_MS = 1000;
/** What a large zone takes to be read, checked and compiled must not be all that a node does: 10 s for 100,000 records. */
export const NOTIFIED_LOOK_MS_PER_RECORD = 0.1;
/** The part of the refresh by which nodes that started together come apart. */
const JITTER = 0.1;

/** @param copy what is known from before a restart */
export function startSchedule(nowMs: number, copy: Schedule['copy']): Schedule {
  return {
    // A clock that was set back has not made the copy younger.
    copy: copy && { ...copy, confirmedMs: Math.min(copy.confirmedMs, nowMs) },
    failures: 0,
    nextMs: nowMs,
    lookedMs: undefined,
    isLooking: false,
    isAskedAgain: false,
  };
}

export function lookBegins(schedule: Schedule, nowMs: number): Schedule {
  return { ...schedule, isLooking: true, isAskedAgain: false, lookedMs: nowMs };
}

/**
 * A primary has the same zone, or has given a newer one.
 * @param draw 0..1
 * @param confirmedMs when the zone's own primary said so: earlier than now where the one that was asked has a copy
 */
export function lookSucceeded(
  schedule: Schedule,
  { expire, records = 0, refresh, retry }: Timers & { readonly records?: number },
  nowMs: number,
  draw: number,
  confirmedMs = nowMs,
): Schedule {
  const next = { ...schedule, copy: { expire, refresh, retry, records, confirmedMs } };
  // A refresh beyond expire would let every copy expire, with its primary there to be asked.
  const early = Math.min(refresh, (expiresAtMs(next)! - nowMs) / 2000);
  const seconds = within(early, REFRESH_SECONDS_MIN, REFRESH_SECONDS_MAX);
  return {
    ...next,
    failures: 0,
    // Earlier only: later would be beyond what the primary said.
    nextMs: schedule.isAskedAgain
      ? notifiedLookMs(next, nowMs)
      : nowMs + seconds * 1000 * (1 - JITTER * draw),
    isLooking: false,
    isAskedAgain: false,
  };
}

/**
 * When the zone's own primary confirmed what somebody who has a copy says is good for so long (RFC 7314 4): what is
 * there already may have been confirmed later.
 * @param expireSeconds undefined = who was asked has no copy, or does not tell
 * @param isNew another zone than what is there
 */
export function confirmedAtMs(
  { copy }: Schedule,
  { expire }: Pick<Timers, 'expire'>,
  expireSeconds: number | undefined,
  isNew: boolean,
  nowMs: number,
): number {
  if (expireSeconds === undefined) return nowMs;
  const heardMs = nowMs - Math.max(0, expire - expireSeconds) * 1000;
  return isNew ? heardMs : Math.max(heardMs, copy?.confirmedMs ?? 0);
}

export function lookFailed(schedule: Schedule, nowMs: number, draw: number): Schedule {
  const { copy, failures, isAskedAgain } = schedule;
  const seconds =
    copy === undefined
      ? Math.min(FIRST_RETRY_SECONDS * 2 ** Math.min(failures, 20), FIRST_RETRY_SECONDS_MAX)
      : within(copy.retry, RETRY_SECONDS_MIN, RETRY_SECONDS_MAX);
  const afterMs = isAskedAgain ? NOTIFIED_LOOK_EVERY_MS : seconds * 1000 * (1 - JITTER * draw);
  return {
    ...schedule,
    failures: failures + 1,
    nextMs: nowMs + afterMs,
    isLooking: false,
    isAskedAgain: false,
  };
}

/** A primary says that there is something new (RFC 1996 4.3). */
export function lookNotified(schedule: Schedule, nowMs: number): Schedule {
  if (schedule.isLooking) return { ...schedule, isAskedAgain: true };
  return { ...schedule, nextMs: Math.min(schedule.nextMs, notifiedLookMs(schedule, nowMs)) };
}

function notifiedLookMs({ copy, lookedMs }: Schedule, nowMs: number): number {
  if (lookedMs === undefined) return nowMs;
  const sizeMs = (copy?.records ?? 0) * NOTIFIED_LOOK_MS_PER_RECORD;
  return Math.max(nowMs, lookedMs + Math.max(NOTIFIED_LOOK_EVERY_MS, sizeMs));
}

/** A person wants it now. */
export function lookForced(schedule: Schedule, nowMs: number): Schedule {
  return schedule.isLooking
    ? { ...schedule, isAskedAgain: true }
    : { ...schedule, nextMs: Math.min(schedule.nextMs, nowMs) };
}

/** `missing`: there is nothing to serve. */
export type Standing = 'missing' | 'current' | 'expired';

export type Decision = {
  readonly standing: Standing;
  /** Whether to look now. */
  readonly isDue: boolean;
  /** When to decide again, unless something happens before. */
  readonly wakeMs: number;
};

export function decideLook(schedule: Schedule, nowMs: number): Decision {
  const { isLooking, nextMs } = schedule;
  const expiresMs = expiresAtMs(schedule);
  const isExpired = expiresMs !== undefined && nowMs >= expiresMs;
  const standing = expiresMs === undefined ? 'missing' : isExpired ? 'expired' : 'current';
  const isDue = !isLooking && nowMs >= nextMs;
  const looksMs = isLooking || isDue ? Number.POSITIVE_INFINITY : nextMs;
  const endsMs = isExpired || expiresMs === undefined ? Number.POSITIVE_INFINITY : expiresMs;
  return { standing, isDue, wakeMs: Math.min(looksMs, endsMs) };
}

/** When the copy may not be served any more; undefined = there is none. */
export function expiresAtMs({ copy }: Schedule): number | undefined {
  return copy && copy.confirmedMs + Math.max(copy.expire, EXPIRE_SECONDS_MIN) * 1000;
}

const within = (value: number, least: number, most: number): number =>
  Math.min(Math.max(value, least), most);
