import type { CookieSecrets } from '../dns/cookie.ts';
import type { ZoneSigningKeys } from '../dns/dnssec/signing-keys.ts';
import type { Client } from '../nameserver/client.ts';
import { counterLayout } from '../nameserver/counters.ts';
import type { Learned } from '../nameserver/learned.ts';
import { respond } from '../nameserver/respond.ts';
import type { ServedHealth } from '../nameserver/served-health.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { createWorkerState, setHealth, setSnapshot } from '../nameserver/worker-state.ts';
import { createCounterRow } from '../telemetry/counters.ts';
import { RRSET_WORDS } from '../zone/compiled-zones.ts';
import { createColdSigner } from './cold.ts';
import { type KeyRing, openRing } from './key-ring.ts';
import { createKeysInUse } from './keys-in-use.ts';
import type { NewSignatures } from './new-signatures.ts';
import { PREPARED_LIMITS } from './prepare.ts';
import { createServedSignatures, type ServedLimits } from './served-signatures.ts';
import { type SignedCopy, type SignedParts, signSnapshot } from './sign-snapshot.ts';
import { createSignatureCache } from './signature-cache.ts';

/**
 * All that the signer does, without its thread and clock. Long work is a generator that yields every few
 * signatures, so that cold queries come in between; one after the other, in the order they were asked for.
 */
export type SignerDesk = {
  /** What is signed from now on has these; what is served keeps those that it was signed with. */
  setKeys(keys: readonly ZoneSigningKeys[]): void;
  setCookies(cookies: CookieSecrets): void;
  /** What the snapshot needs before it can be served, with the keys of the moment of the call. */
  sign(snapshot: Snapshot): Generator<void, SignedParts>;
  /** Cold answers are of it from now on. One that another signer has signed has the keys of this moment. */
  serve(snapshot: Snapshot, health: ServedHealth): void;
  /** With the signatures that were made for it since. */
  served(): Snapshot | undefined;
  /** False = of another generation. */
  setHealth(generation: number, health: ServedHealth): boolean;
  /** The answer to a query for which a worker lacks a signature. */
  answer(query: Uint8Array, client: Client, nowMs: number): ColdAnswer;
  /** After what another signer has signed came to be served: renews it; otherwise prepares. */
  begin(): Generator<void, NewSignatures | undefined>;
  /** Signs steered records that have come to be answered; undefined = there are none. */
  prepare(): Generator<void, NewSignatures | undefined>;
  /**
   * Makes anew what is due of all that is served: when it is time to look, or the clock was set back. Undefined
   * also when nothing of it has changed.
   */
  renew(): Generator<void, NewSignatures | undefined>;
};

export type ColdAnswer = {
  /** Undefined = none. */
  readonly reply: Uint8Array | undefined;
  /** Of what is served, and what was signed for it, so that whoever asked need not ask again. */
  readonly generation: number;
  readonly learned: readonly Learned[];
};

export const DESK_LIMITS: ServedLimits & { readonly cold: number } = {
  /** Signatures under names that nobody foresaw, some 450 octets each; workers keep what they asked for. */
  cold: 10_000,
  ...PREPARED_LIMITS,
  stale: 25_000,
  added: 1000,
};
/** Of an RRset: two of each key while keys change, in what is answered and in a copy's chain. */
const SIGNATURES_OF_RRSET = 4;
const REPLY_MAX = 65_535;

export function createSignerDesk(nowSeconds: () => number, limits = DESK_LIMITS): SignerDesk {
  const cache = createSignatureCache(limits.prepared);
  // Of its own: a flood of names pushes nothing out that is served.
  const coldCache = createSignatureCache(limits.cold);
  const copies = new Map<string, SignedCopy>();
  const state = createWorkerState(createCounterRow(counterLayout(0).length));
  const reply = new Uint8Array(REPLY_MAX);
  const keysInUse = createKeysInUse<KeyRing>(new Map());
  let isOfAnother = false;
  /** For the answer under way. */
  let learned: Learned[] = [];
  const note = (made: Learned): void => {
    learned.push(made);
    served.learned();
  };
  const served = createServedSignatures(state, cache, nowSeconds, limits);
  return {
    setKeys(keys) {
      keysInUse.set(openRing(keys));
    },
    setCookies(cookies) {
      state.cookies = cookies;
    },
    served: () => state.snapshot,
    sign(snapshot) {
      const rrsets = snapshot.zones.rrsets.length / RRSET_WORDS;
      cache.keep(limits.prepared + rrsets * SIGNATURES_OF_RRSET);
      const ring = keysInUse.sign(snapshot.generation);
      return signSnapshot(snapshot, ring, cache, copies, nowSeconds(), limits);
    },
    serve(snapshot, health) {
      const { endpoints, generation } = snapshot;
      isOfAnother = !keysInUse.isSigned(generation);
      keysInUse.serve(generation);
      setSnapshot(
        state,
        snapshot,
        health,
        createCounterRow(counterLayout(endpoints.length).length),
      );
      state.signer = createColdSigner(snapshot, keysInUse.served(), coldCache, nowSeconds, note);
      served.serve(keysInUse.served(), isOfAnother);
    },
    setHealth: (generation, health) => setHealth(state, health, generation),
    answer(query, client, nowMs) {
      learned = [];
      const length = respond(state, client, query, query.length, nowMs, reply);
      const generation = state.snapshot?.generation ?? 0;
      return { reply: length > 0 ? reply.slice(0, length) : undefined, generation, learned };
    },
    prepare: served.prepare,
    begin: () => (isOfAnother ? served.renew() : served.prepare()),
    renew: served.renew,
  };
}
