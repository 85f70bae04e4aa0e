import type {
  LostWrite,
  SessionClock,
  SessionDirectory,
  SessionQuestion,
  SessionWire,
  SessionWrite,
} from '../../sessions/session-directory.ts';
import type { SessionRecord } from '../../sessions/session-record.ts';
import {
  bucketOf,
  FIELD_START,
  keyOctets,
  parseMoves,
  parseValue,
  valueOctets,
} from '../../sessions/session-record.ts';
import { type Connection, connect, reasonOf } from './connection.ts';
import { addressText, connectToOwner, locate } from './locate.ts';
import type { Target } from './options.ts';
import { READ_SCRIPT, WRITE_SCRIPT } from './session-scripts.ts';

/**
 * Keeps a worker's shared sessions connected to Redis: one connection for calls and one for notices, to the same
 * server, as in `session.ts`; whatever goes wrong ends both, and others are opened a moment later. Notices
 * are lost with the connection, so the worker is told to doubt what it knows each time there is a new one.
 */
export type SessionDirectoryLink = {
  /** Why there is no connection; undefined while there is one. */
  problem(): string | undefined;
  close(): Promise<void>;
};

export type SessionDirectoryWorld = {
  readonly directory: Pick<SessionDirectory, 'connect' | 'disconnect'>;
  readonly target: Target;
  /** From `bucketBitsFor`; the same on all nodes. */
  readonly bucketBits: number;
  readonly clock: SessionClock;
  /** Between 0 and 1. */
  readonly draw: () => number;
  onMove(record: SessionRecord): void;
  /** Notices may have been missed until now. */
  onGap(): void;
};

const RETRY_MS = 1000;
const CONNECTION_NAME = 'meridian-sessions';

export function linkSessionDirectory(world: SessionDirectoryWorld): SessionDirectoryLink {
  const aborter = new AbortController();
  const { signal } = aborter;
  let problem: string | undefined = 'not yet connected';
  const running = keepLinked(world, signal, (now) => {
    problem = now;
  });
  return {
    problem: () => problem,
    close() {
      aborter.abort();
      return running;
    },
  };
}

async function keepLinked(
  world: SessionDirectoryWorld,
  signal: AbortSignal,
  report: (problem: string | undefined) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await linkOnce(world, signal, report);
    } catch (error) {
      report(reasonOf(error));
    }
    if (!signal.aborted) await pause(world, signal);
  }
}

/** Resolves or rejects when the connection is over. */
async function linkOnce(
  world: SessionDirectoryWorld,
  signal: AbortSignal,
  report: (problem: string | undefined) => void,
): Promise<void> {
  const { directory, target } = world;
  const visit = { name: CONNECTION_NAME, signal };
  let calls: Connection | undefined;
  let notices: Connection | undefined;
  try {
    calls = await openCalls(world, visit);
    notices = await connect(calls.address, target.login, visit);
    const ended = endOf([calls, notices], signal);
    await notices.subscribe(channelOf(target), (message) => {
      for (const record of parseMoves(message) ?? []) world.onMove(record);
    });
    const wire = await openWire(world, calls);
    world.onGap();
    directory.connect(wire);
    report(undefined);
    report(`${addressText(calls.address)}: ${await ended}`);
  } finally {
    directory.disconnect();
    calls?.end();
    notices?.end();
  }
}

async function openCalls(
  { target }: SessionDirectoryWorld,
  visit: { readonly name: string; readonly signal: AbortSignal },
): Promise<Connection> {
  const reasons: string[] = [];
  for (const address of await locate(target, visit)) {
    try {
      // A read of any bucket: it shows a Cluster's node that is not the one, and a user who may not.
      const accept = (connection: Connection): Promise<unknown> =>
        connection.call('hget', `{${target.prefix}}:sessions`, 'none');
      return await connectToOwner(address, target, visit, accept);
    } catch (error) {
      reasons.push(`${addressText(address)}: ${reasonOf(error)}`);
    }
  }
  throw new Error(reasons.join('; '));
}

/** Why the first of them ended. */
function endOf(connections: readonly Connection[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const close = (): void => resolve('closed');
    signal.addEventListener('abort', close, { once: true });
    for (const connection of connections) {
      connection.onEnd((reason) => {
        signal.removeEventListener('abort', close);
        resolve(reason);
      });
    }
  });
}

async function openWire(
  { bucketBits, target }: SessionDirectoryWorld,
  calls: Connection,
): Promise<SessionWire> {
  const [readSha, writeSha] = await Promise.all(
    [READ_SCRIPT, WRITE_SCRIPT].map((script) => calls.call('script', 'load', script)),
  );
  // The number of buckets is part of the name: tables of another size are never mixed with this one.
  const prefix = `{${target.prefix}}:s${bucketBits}:`;
  const channel = channelOf(target);
  const bucketKey = ({ high }: SessionQuestion): string => prefix + bucketOf(high, bucketBits);
  /** Any refusal may be the server's new mind (a replica now, scripts flushed): look anew. */
  const call = async (command: string, words: readonly (string | Buffer)[]): Promise<unknown> => {
    try {
      return await calls.callBuffer(command, words);
    } catch (error) {
      calls.fail(reasonOf(error));
      throw error;
    }
  };
  return {
    async read(questions) {
      const [first] = questions;
      if (first !== undefined && questions.length === 1) {
        // Alone it is asked for directly: a script takes Redis eight times as long, and both sides longer than two
        // such questions; of more, the script costs this thread less.
        const field = keyOctets(first.high, first.low).subarray(FIELD_START);
        return [parseValue(await call('hget', [bucketKey(first), field]))];
      }
      const reply = await call('evalsha', [
        String(readSha),
        String(questions.length),
        ...questions.map(bucketKey),
        ...questions.map(({ high, low }) => keyOctets(high, low)),
      ]);
      return questions.map((_, place) => parseValue(Array.isArray(reply) ? reply[place] : null));
    },
    async write(writes) {
      const reply = await call('evalsha', [
        String(writeSha),
        String(writes.length),
        ...writes.map(bucketKey),
        channel,
        ...writes.flatMap(wordsOf),
      ]);
      return parseLost(reply);
    },
  };
}

function wordsOf({ high, low, server, expiresSeconds, from }: SessionWrite): Buffer[] {
  const former = from === undefined ? Buffer.alloc(0) : valueOctets(from, 0).subarray(0, 4);
  return [keyOctets(high, low), valueOctets(server, expiresSeconds), former];
}

/** Keys and values in turn. */
function parseLost(reply: unknown): LostWrite[] {
  if (!Array.isArray(reply)) return [];
  const lost: LostWrite[] = [];
  for (let place = 0; place + 1 < reply.length; place += 2) {
    const key: unknown = reply[place];
    const value = parseValue(reply[place + 1]);
    if (!Buffer.isBuffer(key) || key.length !== 8 || value === undefined) continue;
    lost.push({ high: key.readUInt32BE(0), low: key.readUInt32BE(4), ...value });
  }
  return lost;
}

const channelOf = ({ prefix }: Target): string => `{${prefix}}:sessions-moved`;

/** All nodes lose the server at the same time: they come back one after the other. */
function pause({ clock, draw }: SessionDirectoryWorld, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(RETRY_MS * (0.5 + draw()), end);
    signal.addEventListener('abort', end, { once: true });
  });
}
