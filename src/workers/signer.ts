import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { CookieSecrets } from '../dns/cookie.ts';
import type { ZoneSigningKeys } from '../dns/dnssec/signing-keys.ts';
import type { HealthWords } from '../health/health-words.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import type { SignedParts } from '../signing/sign-snapshot.ts';
import type { NewSignatures } from '../signing/signer-desk.ts';
import { hasSignedZones } from '../zone/lookup.ts';
import type { CompileResult } from './compile-messages.ts';
import type { Compiler } from './compiler.ts';
import type { FromSigner, ToSigner } from './signer-messages.ts';
import { createThread, type Thread, type ThreadVoice } from './thread.ts';

/**
 * The signer, seen from the main thread: the only one that has the keys of zones. It signs what is compiled
 * before it is served, and for the DNS workers what nobody foresaw. There is none until a zone is signed.
 */
export type Signer = {
  setKeys(keys: readonly ZoneSigningKeys[]): void;
  /** What the snapshot needs to be served; undefined when the signer fails. */
  sign(snapshot: Snapshot): Promise<SignedParts | undefined>;
  /** Cold answers are of this from now on. */
  serve(snapshot: Snapshot, health: HealthWords): void;
  publishHealth(generation: number, health: HealthWords): void;
  setCookies(cookies: CookieSecrets): void;
  /** A line to it for a DNS worker; undefined while there is no signer. */
  connect(): MessagePort | undefined;
  /** Whom to tell of new signatures, and that all lines have to be made anew. */
  attach(ears: SignerEars): void;
  threads(): readonly Thread[];
  close(): Promise<void>;
};

export type SignerEars = {
  signatures(news: NewSignatures): void;
  reconnect(): void;
};

const CLOSE_GRACE_MS = 500;

export function createSigner(file: URL, voice: ThreadVoice): Signer {
  const waiting = new Map<number, (parts: SignedParts | undefined) => void>();
  let nextId = 1;
  let thread: Thread | undefined;
  let keys: readonly ZoneSigningKeys[] = [];
  let cookies: CookieSecrets | undefined;
  let served: (ToSigner & { readonly type: 'snapshot' }) | undefined;
  let ears: SignerEars | undefined;
  const post = (message: ToSigner, transfer?: readonly MessagePort[]): void =>
    thread?.post(message, transfer);
  const failAll = (): void => {
    for (const done of waiting.values()) done(undefined);
    waiting.clear();
  };
  const hear = (message: FromSigner): void => {
    switch (message.type) {
      case 'ready':
        // A successor knows nothing.
        post({ type: 'keys', keys });
        if (cookies) post({ type: 'cookies', cookies });
        if (served) post(served);
        ears?.reconnect();
        break;
      case 'signed':
        waiting.get(message.id)?.(message.parts);
        waiting.delete(message.id);
        break;
      case 'signatures':
        ears?.signatures(message);
    }
  };
  const open = (): Thread =>
    createThread({
      ...voice,
      name: 'signer',
      file,
      start() {
        failAll();
        return { type: 'start' };
      },
      onMessage: (message) => hear(message as FromSigner),
    });
  return {
    setKeys(next) {
      keys = next;
      if (keys.length > 0) thread ??= open();
      post({ type: 'keys', keys });
    },
    async sign(snapshot) {
      if (thread === undefined) return undefined;
      await thread.ready;
      const id = nextId++;
      return new Promise((done) => {
        waiting.set(id, done);
        if (thread?.state() === 'running') post({ type: 'sign', id, snapshot });
        else failAll();
      });
    },
    serve(snapshot, health) {
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
    connect() {
      if (thread?.state() !== 'running') return undefined;
      const { port1, port2 } = new MessageChannel();
      post({ type: 'client', port: port1 }, [port1]);
      return port2;
    },
    attach(next) {
      ears = next;
    },
    threads: () => (thread ? [thread] : []),
    async close() {
      failAll();
      await thread?.stop(CLOSE_GRACE_MS);
    },
  };
}

/** Signs what is compiled to be served, before anybody serves it. */
export function withSigning(compiler: Compiler, signer: Pick<Signer, 'sign'>): Compiler {
  return {
    ...compiler,
    async compile(request) {
      const result = await compiler.compile(request);
      return result.ok && !request.isPast ? signed(result, signer) : result;
    },
  };
}

async function signed(
  result: CompileResult & { readonly ok: true },
  signer: Pick<Signer, 'sign'>,
): Promise<CompileResult> {
  if (!hasSignedZones(result.snapshot.zones)) return result;
  const parts = await signer.sign(result.snapshot);
  if (parts === undefined) return { ok: false, reasons: ['The signer failed; see the log.'] };
  return { ...result, snapshot: { ...result.snapshot, ...parts } };
}
