import { fileURLToPath } from 'node:url';
import { until } from '../node/until.ts';
import type { Processes } from './processes.ts';

/**
 * Clients that never stop asking. What they were told, and when, is what a lab test judges by: an
 * answer is never empty, and it moves within a time that is measured.
 */
export type Clients = {
  /** All replies of a client to questions asked at this time or later, oldest first. */
  since(source: string, atMs: number): readonly Reply[];
  /** Everything that the client was told since then, runs of equal answers once. */
  history(source: string, atMs: number): readonly string[];
  /** Milliseconds from `atMs` until the client is first answered with exactly this address. */
  answeredWith(source: string, address: string, atMs: number): Promise<number>;
  stop(): Promise<Report>;
};

export type Reply = {
  readonly source: string;
  readonly type: string;
  /** When it was asked, in milliseconds since the epoch. */
  readonly atMs: number;
  /** `lost` when no reply came. */
  readonly rcode: string;
  /** Sorted. */
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
};

export type Report = {
  readonly asked: number;
  readonly lost: number;
  /** Replies that are not NOERROR, or without an address. There must be none, ever. */
  readonly empty: readonly Reply[];
};

const ASK_STEADILY = fileURLToPath(new URL('ask-steadily.ts', import.meta.url));
/** Many times what is expected: other programs share the machine. */
const MOVE_DEADLINE_MS = 20_000;

export function startClients(
  processes: Processes,
  host: string,
  asked: {
    readonly name: string;
    readonly type: 'A' | 'AAAA';
    readonly nameserver: string;
    readonly sources: readonly string[];
  },
): Clients {
  const { name, nameserver, sources, type } = asked;
  const words = [process.execPath, '--disable-warning=ExperimentalWarning', ASK_STEADILY];
  const child = processes.start(host, [...words, name, type, nameserver, ...sources]);
  const replies: Reply[] = [];
  child.onLine((line) => replies.push(JSON.parse(line)));
  const since = (source: string, atMs: number): readonly Reply[] =>
    replies
      .filter((reply) => reply.source === source && reply.atMs >= atMs)
      // One that is lost is known late.
      .toSorted((one, other) => one.atMs - other.atMs);
  const history = (source: string, atMs: number): readonly string[] =>
    since(source, atMs)
      .map(textOf)
      .filter((text, index, all) => text !== all[index - 1]);
  return {
    since,
    history,
    async answeredWith(source, address, atMs) {
      const wanted = (): Reply | undefined =>
        since(source, atMs).find((reply) => textOf(reply) === address);
      await until(wanted, MOVE_DEADLINE_MS, () => {
        return `${source} is answered with ${address}: ${history(source, atMs).join(', ')}; ${child.said().slice(-500)}`;
      });
      return wanted()!.atMs - atMs;
    },
    async stop() {
      child.kill('SIGTERM');
      await child.exited;
      const lost = replies.filter(({ rcode }) => rcode === 'lost').length;
      const empty = replies.filter(
        ({ addresses, rcode }) =>
          rcode !== 'lost' && (rcode !== 'NOERROR' || addresses.length === 0),
      );
      return { asked: replies.length, lost, empty };
    },
  };
}

const textOf = ({ addresses, rcode }: Reply): string =>
  rcode === 'NOERROR' ? addresses.join(' ') : rcode;
