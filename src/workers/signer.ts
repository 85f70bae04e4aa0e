import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { CookieSecrets } from '../dns/cookie.ts';
import type { ZoneSigningKeys } from '../dns/dnssec/signing-keys.ts';
import type { Bell } from '../io/bell.ts';
import type { ServedHealth } from '../nameserver/served-health.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { createKeysInUse, type KeysInUse } from '../signing/keys-in-use.ts';
import { type NewSignatures, withSignatures } from '../signing/new-signatures.ts';
import type { SignedParts } from '../signing/sign-snapshot.ts';
import type { FromSigner, ToSigner } from './signer-messages.ts';
import { createThread, type Thread, type ThreadVoice } from './thread.ts';

/**
 * The signer, seen from the main thread: the only one that has the keys of zones. It signs what is compiled
 * before it is served, and for the DNS workers what nobody foresaw. There is none until a zone is signed.
 */
export type Signer = {
  /** What is signed from now on has these; what is served keeps those that it was signed with. */
  setKeys(keys: readonly ZoneSigningKeys[]): void;
  /**
   * Called when there are keys that nothing is signed with yet, and at once when there are; returns the
   * function that stops it.
   */
  onKeys(hear: () => void): () => void;
  /** What the snapshot needs to be served; undefined when the signer fails. Only while there are keys. */
  sign(snapshot: Snapshot): Promise<SignedParts | undefined>;
  /** False = nobody has told it of any: there is nothing to sign with. */
  hasKeys(): boolean;
  /** Cold answers are of this from now on. */
  serve(snapshot: Snapshot, health: ServedHealth): void;
  publishHealth(generation: number, health: ServedHealth): void;
  setCookies(cookies: CookieSecrets): void;
  /** A line to it for a DNS worker, with its bell if it has one; undefined while there is no signer. */
  connect(bell: Bell | undefined): MessagePort | undefined;
  /** Whom to tell of new signatures, and that all lines have to be made anew. */
  attach(ears: SignerEars): void;
  threads(): readonly Thread[];
  close(): Promise<void>;
};

export type SignerEars = {
  signatures(news: NewSignatures): void;
  /** There is no signer now: nothing that was asked of it will be answered. */
  lost(): void;
  reconnect(): void;
};

const CLOSE_GRACE_MS = 500;

export function createSigner(file: URL, voice: ThreadVoice): Signer {
  const orders = createOrders();
  let thread: Thread | undefined;
  const keys = createKeysInUse<readonly ZoneSigningKeys[]>([]);
  const keyEars = new Set<() => void>();
  let cookies: CookieSecrets | undefined;
  let served: (ToSigner & { readonly type: 'snapshot' }) | undefined;
  let ears: SignerEars | undefined;
  const post = (message: ToSigner): void => thread?.post(message);
  const hear = (message: FromSigner): void => {
    switch (message.type) {
      case 'ready':
        if (cookies) post({ type: 'cookies', cookies });
        for (const told of servedFirst(keys, served)) post(told);
        ears?.reconnect();
        break;
      case 'signed':
        orders.settle(message.id, message.parts);
        break;
      case 'signatures':
        // Those that a successor begins with.
        if (served) served = { ...served, snapshot: withSignatures(served.snapshot, message) };
        ears?.signatures(message);
    }
  };
  const open = (): Thread =>
    createThread({
      ...voice,
      name: 'signer',
      file,
      start: () => ({ type: 'start' }),
      ended() {
        orders.failAll();
        ears?.lost();
      },
      onMessage: (message) => hear(message as FromSigner),
    });
  return {
    setKeys(next) {
      keys.set(next);
      if (next.length > 0) thread ??= open();
      post({ type: 'keys', keys: next });
      for (const hear of keyEars) hear();
    },
    onKeys(hear) {
      keyEars.add(hear);
      if (!keys.isNewestUsed()) hear();
      return () => keyEars.delete(hear);
    },
    hasKeys: () => keys.newest().length > 0,
    async sign(snapshot) {
      if (thread === undefined) return undefined;
      await thread.ready;
      if (thread.state() !== 'running') return undefined;
      keys.sign(snapshot.generation);
      const { id, parts } = orders.take();
      post({ type: 'sign', id, snapshot });
      return parts;
    },
    serve(snapshot, health) {
      keys.serve(snapshot.generation);
      served = { type: 'snapshot', snapshot, health };
      post(served);
    },
    publishHealth(generation, health) {
      if (served?.snapshot.generation === generation) served = { ...served, health };
      post({ type: 'health', generation, health });
    },
    setCookies(next) {
      cookies = next;
      post({ type: 'cookies', cookies });
    },
    connect(bell) {
      if (thread?.state() !== 'running') return undefined;
      return openLine(thread, bell);
    },
    attach(next) {
      ears = next;
    },
    threads: () => (thread ? [thread] : []),
    async close() {
      orders.failAll();
      await thread?.stop(CLOSE_GRACE_MS);
    },
  };
}

function openLine(thread: Thread, bell: Bell | undefined): MessagePort {
  const { port1, port2 } = new MessageChannel();
  thread.post({ type: 'client', port: port1, bell } satisfies ToSigner, [port1]);
  return port2;
}

/** A successor knows nothing: what is served and with which keys it is, and then those of what comes. */
function servedFirst(
  { newest, served }: KeysInUse<readonly ZoneSigningKeys[]>,
  message: ToSigner | undefined,
): readonly ToSigner[] {
  const last: ToSigner = { type: 'keys', keys: newest() };
  return message === undefined ? [last] : [{ type: 'keys', keys: served() }, message, last];
}

/** What the signer was asked to sign and has not signed yet. */
function createOrders() {
  const waiting = new Map<number, (parts: SignedParts | undefined) => void>();
  let nextId = 1;
  return {
    take() {
      const id = nextId++;
      const { promise: parts, resolve } = Promise.withResolvers<SignedParts | undefined>();
      waiting.set(id, resolve);
      return { id, parts };
    },
    settle(id: number, parts: SignedParts): void {
      waiting.get(id)?.(parts);
      waiting.delete(id);
    },
    failAll(): void {
      for (const done of waiting.values()) done(undefined);
      waiting.clear();
    },
  };
}
