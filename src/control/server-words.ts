import type { FactChange, Replica } from '../cluster/replica.ts';
import type { Sharing } from '../cluster/share-waiters.ts';
import { isIdle, parseServerWord, type ServerWord } from '../discovery/server-word.ts';
import type { Clock } from './clock.ts';

/**
 * What people have said of servers of upstreams, in force on this node: facts as overrides are, so that
 * they outlive the process. Where nodes share a configuration an upstream is the same on all of them and
 * so is the word; else each node has upstreams of its own, and the word is about this node's.
 */
export type ServerWords = {
  current(): readonly ServerWord[];
  /** In force when this returns; a word that changes nothing any more is forgotten. */
  set(word: ServerWord): Promise<Sharing & { readonly refused?: string }>;
  close(): void;
};

export type ServerWordsOptions = {
  /** The cluster's. */
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly replica: Replica;
  /** See cluster/facts.ts. */
  settled(key: string, timeoutMs: number): Promise<Sharing>;
  /** Whose upstreams are meant: a node's, or those of all. */
  scope(): string;
  /** Called after every change. */
  onChange(): void;
};

/** The scope of upstreams that all nodes have alike; no node has this name. */
export const ALL_NODES = '*';
const KEY_PREFIX = 'server/';
/** How long somebody who says something waits to hear whether others have it. */
const SHARE_WAIT_MS = 1000;

export function createServerWords(options: ServerWordsOptions): ServerWords {
  const { clock, replica } = options;
  const prefix = (): string => `${KEY_PREFIX}${options.scope()}/`;
  const keyOf = ({ server, upstream }: ServerWord): string => `${prefix()}${upstream}/${server}`;
  const stop = replica.onChange(({ fact }: FactChange) => {
    if (fact.key.startsWith(prefix())) options.onChange();
  });
  return {
    current: () =>
      replica.list(prefix()).flatMap(({ key, value }) => {
        const word = parseServerWord(value ?? '');
        return word === undefined || keyOf(word) !== key ? [] : [word];
      }),
    async set(word) {
      const key = keyOf(word);
      const value = isIdle(word) ? undefined : JSON.stringify(word);
      const written = replica.write(key, value, clock.nowMs());
      if (!written.ok) {
        return { shared: false, detail: `not taken: ${written.reason}`, refused: written.reason };
      }
      return options.settled(key, SHARE_WAIT_MS);
    },
    close: stop,
  };
}
