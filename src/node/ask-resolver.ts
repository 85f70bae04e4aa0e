import { type Question, writeQuestion } from '../discovery/question.ts';
import { type Match, matchReply, type Reply, readReply } from '../discovery/reply.ts';
import { type OpenDatagrams, openDatagrams, type Peer } from './datagrams.ts';
import { type OpenStream, openStream } from './stream-link.ts';

/**
 * Asks one resolver one question: over UDP from a port of its own, and over TCP when the answer is cut
 * short, or when its name comes back in another case, which may be a careless server or somebody who
 * guesses: over TCP nobody can from elsewhere.
 */
export type AskResolver = (resolver: Peer, question: Question) => Promise<Reply>;

export type AskParts = {
  readonly openDatagrams: OpenDatagrams;
  readonly openStream: OpenStream;
  drawBytes(count: number): Uint8Array;
  /** Calls `run` once after `ms`; returns the function that cancels it. */
  setTimer(ms: number, run: () => void): () => void;
};

/** One try over UDP, or all of TCP. */
export const RESOLVER_TIMEOUT_MS = 2000;

export const realSockets = { openDatagrams, openStream };

export function createAskResolver(parts: AskParts): AskResolver {
  return async (resolver, question) => {
    const [high = 0, low = 0] = parts.drawBytes(2);
    const query = writeQuestion(
      high * 0x100 + low,
      question,
      parts.drawBytes(question.name.length),
    );
    const over = await askUdp(parts, resolver, query, question);
    if (over.kind !== 'ask-tcp') return over;
    return askTcp(parts, resolver, query, question);
  };
}

function askUdp(
  { openDatagrams: open, setTimer }: AskParts,
  resolver: Peer,
  query: Uint8Array,
  question: Question,
): Promise<Reply | { readonly kind: 'ask-tcp' }> {
  const { promise, resolve } = Promise.withResolvers<Reply | { readonly kind: 'ask-tcp' }>();
  const hear = (bytes: Uint8Array): void => {
    // What is foreign is late, or forged: it is waited past.
    const match = matchReply(bytes, query, question);
    if (match === 'ours') resolve(readReply(bytes, question));
    else if (match !== 'foreign') resolve({ kind: 'ask-tcp' });
  };
  const link = open(resolver, hear, (reason) => resolve(failed(reason)));
  const cancel = setTimer(RESOLVER_TIMEOUT_MS, () => resolve(late()));
  link.send(query);
  return promise.finally(() => {
    cancel();
    link.close();
  });
}

async function askTcp(
  { openStream: open, setTimer }: AskParts,
  resolver: Peer,
  query: Uint8Array,
  question: Question,
): Promise<Reply> {
  const link = open(resolver);
  const { promise: tooLate, resolve } = Promise.withResolvers<Reply>();
  const cancel = setTimer(RESOLVER_TIMEOUT_MS, () => resolve(late()));
  link.send(query);
  try {
    return await Promise.race([receive(link, query, question), tooLate]);
  } finally {
    cancel();
    link.close();
  }
}

const BELONGS: readonly Match[] = ['ours', 'other-case'];

async function receive(
  link: ReturnType<OpenStream>,
  query: Uint8Array,
  question: Question,
): Promise<Reply> {
  const message = await link.receive();
  if (typeof message === 'string') return failed(message);
  const isOurs = BELONGS.includes(matchReply(message, query, question));
  return isOurs ? readReply(message, question) : failed('it answers another question');
}

const failed = (reason: string): Reply => ({ kind: 'failed', reason });
const late = (): Reply => failed(`no answer within ${RESOLVER_TIMEOUT_MS / 1000} s`);
