import type { Balancer } from '../balancer/balancer.ts';
import type { BalancerReport } from '../balancer/messages.ts';
import type { BalancerSnapshot } from '../balancer/snapshot.ts';
import { steadyNow } from '../io/clock.ts';
import { createSessionDirectory, type SessionClock } from '../sessions/session-directory.ts';
import { bucketBitsFor, SHARED_SESSIONS } from '../sessions/session-record.ts';
import { redisOptions, targetOf } from '../store/redis/options.ts';
import type { SessionDirectoryLink } from '../store/redis/session-directory.ts';

/** The sessions that nodes share: the Redis of the snapshot that is served, while an upstream shares any. */
export function createSharedSessions(
  balancer: () => Balancer | undefined,
  send: (report: BalancerReport) => void,
) {
  const directory = createSessionDirectory(sessionClock, (lost) => balancer()?.hearSession(lost));
  let link: Promise<SessionDirectoryLink> | undefined;
  /** The same once it has tried Redis. */
  let tried: SessionDirectoryLink | undefined;
  let followed = '';
  let isTold = false;
  const open = async (options: unknown, onTried: () => void): Promise<SessionDirectoryLink> => {
    // The client is loaded only where it is used.
    const { linkSessionDirectory } = await import('../store/redis/session-directory.ts');
    return linkSessionDirectory({
      directory: {
        connect(wire) {
          directory.connect(wire);
          onTried();
        },
        disconnect() {
          directory.disconnect();
          onTried();
        },
      },
      target: targetOf(redisOptions.parse(options)),
      bucketBits: bucketBitsFor(SHARED_SESSIONS),
      clock: sessionClock,
      draw: Math.random,
      onMove: (record) => balancer()?.hearSession(record),
      onGap: () => balancer()?.missSessions(),
    });
  };
  const close = async (): Promise<void> => (await link)?.close();
  return {
    shared: { directory, nowMs: steadyNow, told: { ...directory.counters } },
    /** Settles once Redis was tried, or after a while: who begins before it knows nobody's session. */
    async follow({ sessionStore }: BalancerSnapshot): Promise<void> {
      const wanted = JSON.stringify(sessionStore ?? '');
      if (wanted === followed) return;
      followed = wanted;
      const closed = close();
      link = tried = undefined;
      if (sessionStore === undefined) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const opened = closed.then(() => open(sessionStore, resolve));
      link = opened;
      void promise.then(async () => {
        if (link === opened) tried = await opened;
      });
      const patience = new Promise<void>((end) => setTimeout(end, LINK_WAIT_MS));
      await Promise.race([promise, patience]);
    },
    /** Says when Redis cannot be reached, and when it can again; not each reason of each try. */
    tell(): void {
      const problem = tried?.problem();
      if (isTold === (problem !== undefined)) return;
      isTold = problem !== undefined;
      send({ type: 'sessions', problem });
    },
    close,
  };
}

const sessionClock: SessionClock = {
  nowMs: steadyNow,
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
  afterTurn: (call) => void setImmediate(call),
};

/** What a worker waits for its Redis at most before it takes requests. */
const LINK_WAIT_MS = 500;
