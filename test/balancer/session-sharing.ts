import type { Balancer } from '../../src/balancer/balancer.ts';
import type { SharedSessions } from '../../src/balancer/surroundings.ts';
import { createSessionDirectory, type SessionClock } from '../../src/sessions/session-directory.ts';
import { BUCKET_BITS_MIN } from '../../src/sessions/session-record.ts';
import { redisOptions, targetOf } from '../../src/store/redis/options.ts';
import { linkSessionDirectory } from '../../src/store/redis/session-directory.ts';
import { createManualClock } from '../sessions/manual-clock.ts';

/** Sessions shared through a real Redis: it is looked for in real time, answers are waited for by the clock of the rig. */
export function shareSessions(
  url: string,
  startMs: number,
  balancer: () => Balancer | undefined,
): { readonly shared: SharedSessions; pass(ms: number): void; close(): Promise<void> } {
  const waits = createManualClock(startMs);
  const { nowMs } = waits;
  const clock: SessionClock = {
    nowMs,
    after(ms, call) {
      const timer = setTimeout(call, ms);
      return () => clearTimeout(timer);
    },
    afterTurn: (call) => void setImmediate(call),
  };
  const directory = createSessionDirectory(waits, (lost) => balancer()?.hearSession(lost));
  const link = linkSessionDirectory({
    directory,
    target: targetOf(redisOptions.parse({ url })),
    bucketBits: BUCKET_BITS_MIN,
    clock,
    draw: Math.random,
    onMove: (record) => balancer()?.hearSession(record),
    onGap: () => balancer()?.missSessions(),
  });
  return {
    shared: { directory, nowMs, told: { ...directory.counters } },
    pass(ms) {
      waits.skip(ms);
      waits.fire();
    },
    close: () => link.close(),
  };
}
