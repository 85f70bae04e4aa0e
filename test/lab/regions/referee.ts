import { setTimeout as delay } from 'node:timers/promises';
import { CLIENTS } from './clients.ts';
import { judgeReply, RESOLVER, type Reply, serverName, type Verdict } from './judge.ts';
import { LEAVE_MS, PATIENCE_FACTOR } from './scenario.ts';
import { regionAt, type World } from './world.ts';

/** Judges every reply that clients got, and keeps the score of each fault. */
export type Referee = {
  /**
   * A fault begins; the function that is returned ends it, and says what was wrong until then.
   * @param moreMs that news may take, which have neither a healthy store nor a direct way
   */
  begin(moreMs?: number): () => Counts;
  /** Questions of this time may be lost: the machine did not run the lab. */
  excuse(fromMs: number, toMs: number): void;
  /** Waits until every question is answered or lost, and says how many are lost that should not. */
  close(): Promise<{ readonly lost: number; readonly examples: readonly string[] }>;
};

export type Counts = {
  readonly asked: number;
  /** Of a region that was gone, or withdrawn from one that was there. */
  readonly wrong: number;
  readonly empty: number;
  /** The longest that a nameserver took for a client beside it. */
  readonly slowestMs: number;
  /** Some of those that are wrong, in words. */
  readonly examples: readonly string[];
};

/** Two successes in a row at the usual interval, and what a way of 60 ms adds. */
const RETURN_MS = 1500;
const LOST_AFTER_MS = 5200;
const EXAMPLES_MAX = 10;

export function createReferee(world: World): Referee {
  let lost = 0;
  const lostExamples: string[] = [];
  const excused: { readonly fromMs: number; readonly toMs: number }[] = [];
  let ttlSecondsMax = 1;
  let seen = 0;
  let lateMs = 0;
  const judge = (reply: Reply): Verdict => {
    const client = CLIENTS.find(({ name }) => name === reply.client);
    if (client === undefined) throw new Error(`who is ${reply.client}?`);
    if (reply.server !== RESOLVER) ttlSecondsMax = Math.max(ttlSecondsMax, reply.ttlSeconds);
    return judgeReply(reply, client, world.truth, regionAt, {
      leaveMs: (LEAVE_MS + lateMs) * PATIENCE_FACTOR,
      returnMs: RETURN_MS * PATIENCE_FACTOR,
      // Resolvers count in whole seconds.
      resolverMs: (ttlSecondsMax + 1) * 1000 * PATIENCE_FACTOR,
    });
  };
  const judgeNew = (): Counts => {
    const { replies } = world.clients;
    let [wrong, empty] = [0, 0];
    const examples: string[] = [];
    const fresh = replies.slice(seen);
    seen = replies.length;
    let slowestMs = 0;
    for (const reply of fresh) {
      if (isBeside(reply)) slowestMs = Math.max(slowestMs, reply.tookMs);
      const verdict = judge(reply);
      if (verdict === 'right' || verdict === 'unreachable') continue;
      const text = `${verdict}: ${JSON.stringify(reply)}`;
      if (verdict === 'lost') {
        const isExcused = ({ fromMs, toMs }: (typeof excused)[number]): boolean =>
          reply.atMs >= fromMs && reply.atMs <= toMs;
        if (excused.some(isExcused)) continue;
        lost += 1;
        if (lostExamples.length < EXAMPLES_MAX) lostExamples.push(text);
        continue;
      }
      if (verdict === 'empty') empty += 1;
      else wrong += 1;
      if (examples.length < EXAMPLES_MAX) examples.push(text);
    }
    return { asked: fresh.length, wrong, empty, slowestMs, examples };
  };
  return {
    begin(moreMs = 0) {
      judgeNew();
      lateMs = moreMs;
      const { replies } = world.clients;
      const keepFrom = Math.max(0, replies.length - 1);
      world.clients.forget(replies[keepFrom]?.atMs ?? 0);
      seen = world.clients.replies.length;
      return judgeNew;
    },
    excuse: (fromMs, toMs) => void excused.push({ fromMs, toMs }),
    async close() {
      await delay(LOST_AFTER_MS);
      judgeNew();
      return { lost, examples: lostExamples };
    },
  };
}

function isBeside({ client, rcode, server }: Reply): boolean {
  const network = CLIENTS.find(({ name }) => name === client)?.network;
  return rcode !== 'lost' && network !== undefined && server === serverName(network);
}
