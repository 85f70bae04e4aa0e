import { CONNECTION_NAME, type Connection, connect, reasonOf } from './connection.ts';
import { addressText, connectToOwner, locate } from './locate.ts';
import type { Address, Target } from './options.ts';
import { parseTick, type Tick } from './replies.ts';
import { KEY_NAMES, SCRATCH_NAMES, type ScriptName } from './scripts.ts';

/**
 * The time between finding a server and losing it: one connection for calls and one for notices, both
 * to the same server, so that what one says can be held against the other. Any doubt ends the session.
 */
export type Session = {
  readonly address: Address;
  run(script: ScriptName, ...values: readonly string[]): Promise<unknown>;
  append(log: string, value: string, limit: number): Promise<unknown>;
  read(log: string, afterId: string, count: number): Promise<unknown>;
  /** Checks both connections; rejects when one of them does not answer. */
  tick(seen: number): Promise<Tick>;
  end(reason: string): void;
};

export type SessionEvents = {
  onMessage(message: string): void;
  /** Once, also when `end` was called. */
  onEnd(reason: string): void;
};

/** What may wait for an answer; more is refused: a server that is slow must not fill our memory. */
const CALLS_MAX = 10_000;
const CALLS_LENGTH_MAX = 64 * 1024 * 1024;

/** Finds the server and makes sure that it lets us do everything. Rejects with what is wrong. */
export async function openSession(
  target: Target,
  events: SessionEvents,
  signal: AbortSignal,
): Promise<Session> {
  const keys = keysOf(target.prefix);
  const visit = { name: CONNECTION_NAME, signal };
  const accept = (connection: Connection): Promise<unknown> =>
    connection.run('rehearse', keys.scratch, [keys.channel]);
  const reasons: string[] = [];
  for (const address of await locate(target, visit)) {
    let calls: Connection | undefined;
    let notices: Connection | undefined;
    try {
      calls = await connectToOwner(address, target, visit, accept);
      notices = await connect(calls.address, target.login, visit);
      await notices.subscribe(keys.channel, events.onMessage);
      return sessionOf(calls, notices, keys, events);
    } catch (error) {
      calls?.end();
      notices?.end();
      reasons.push(`${addressText(calls?.address ?? address)}: ${reasonOf(error)}`);
    }
  }
  throw new Error(reasons.join('; '));
}

type Keys = {
  readonly all: readonly string[];
  readonly scratch: readonly string[];
  readonly channel: string;
  log(name: string): string;
};

/** The braces make the keys one hash slot of a Cluster. */
function keysOf(prefix: string): Keys {
  const tag = `{${prefix}}:`;
  return {
    all: KEY_NAMES.map((name) => tag + name),
    scratch: SCRATCH_NAMES.map((name) => tag + name),
    channel: `${tag}changes`,
    log: (name) => `${tag}log:${name}`,
  };
}

function sessionOf(
  calls: Connection,
  notices: Connection,
  keys: Keys,
  events: SessionEvents,
): Session {
  let isOver = false;
  let waiting = 0;
  let waitingLength = 0;
  let isDoubted = false;
  const end = (reason: string): void => {
    if (isOver) return;
    isOver = true;
    calls.end();
    notices.end();
    events.onEnd(`${addressText(calls.address)}: ${reason}`);
  };
  calls.onEnd(end);
  notices.onEnd(end);
  /** A refusal in the middle may be the server's new mind about everything: rehearse again. */
  const doubt = (): void => {
    if (isDoubted || isOver) return;
    isDoubted = true;
    calls
      .run('rehearse', keys.scratch, [keys.channel])
      .catch((error: unknown) => end(reasonOf(error)))
      .finally(() => {
        isDoubted = false;
      });
  };
  const guard = async <Result>(calling: () => Promise<Result>, length = 0): Promise<Result> => {
    if (isOver) throw new Error('the store is away');
    if (waiting >= CALLS_MAX || waitingLength + length > CALLS_LENGTH_MAX) {
      throw new Error('the store is slow: too many calls wait for it');
    }
    waiting += 1;
    waitingLength += length;
    try {
      return await calling();
    } catch (error) {
      const reason = reasonOf(error);
      if (isRefusal(error)) doubt();
      else end(calls.problem() ?? reason);
      throw new Error(`the store failed: ${reason}`);
    } finally {
      waiting -= 1;
      waitingLength -= length;
    }
  };
  return {
    address: calls.address,
    run: (script, ...values) => guard(() => calls.run(script, keys.all, [keys.channel, ...values])),
    append: (log, value, limit) =>
      guard(
        () => calls.call('xadd', keys.log(log), 'MAXLEN', '=', String(limit), '*', 'value', value),
        value.length,
      ),
    read: (log, afterId, count) =>
      guard(() =>
        calls.call('xrange', keys.log(log), rangeStart(afterId), '+', 'COUNT', String(count)),
      ),
    tick: async (seen) => {
      const [reply] = await Promise.all([
        guard(() => calls.run('tick', keys.all, [keys.channel, String(seen)])),
        guard(() => notices.call('ping')),
      ]);
      return parseTick(reply);
    },
    end,
  };
}

/** What the server said, in contrast to its silence and to a broken connection. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Ids are those of the stream; one that is none (of another kind of store) is before all. */
function rangeStart(afterId: string): string {
  return /^[0-9]{1,16}-[0-9]{1,16}$/.test(afterId) ? `(${afterId}` : '-';
}
