/**
 * The signatures of what is served, as all workers hold them: what has to be told to them when health makes
 * other answers, and when time makes signatures old.
 */
import {
  findPrepared,
  hashKey,
  type PreparedSignature,
  packPrepared,
  preparedCount,
} from '../nameserver/prepared.ts';
import { addSignatures, type WorkerState } from '../nameserver/worker-state.ts';
import type { ZoneSignatures } from '../zone/signatures.ts';
import type { KeyRing } from './key-ring.ts';
import type { NewSignatures } from './new-signatures.ts';
import { type PreparedLimits, prepareBodies, prepareMissing } from './prepare.ts';
import { presign } from './presign.ts';
import type { SignatureCache } from './signature-cache.ts';

export type ServedSignatures = {
  /** The state serves something new: with these keys, and signed by another signer or here just now. */
  serve(ring: KeyRing, isOfAnother: boolean): void;
  /** A worker was told something that it keeps until its signatures are renewed. */
  learned(): void;
  prepare(): Generator<void, NewSignatures | undefined>;
  renew(): Generator<void, NewSignatures | undefined>;
};

export type ServedLimits = PreparedLimits & {
  /** When there is no room left, what health has left behind is let go if it is more than this. */
  readonly stale: number;
  /** Added in one go, as a worker takes them over at once. Of more, all are told anew: it reads what it needs. */
  readonly added: number;
};

/** How often it is looked for what is due, when signatures have days left then. */
export const RENEW_SECONDS = 3600;
/** Otherwise after this part of what they have left. */
const RENEW_SHARE = 0.25;
/** What is told on one line may come to a worker so much later than what is told on another. */
const LATE_SECONDS = 60;

/** @param state what is served, as a worker has it that hears all that is told */
export function createServedSignatures(
  state: WorkerState,
  cache: SignatureCache,
  nowSeconds: () => number,
  limits: ServedLimits,
): ServedSignatures {
  let ring: KeyRing = new Map();
  /** Prepared signatures that workers hold. */
  let heldCount = 0;
  let [renewedSeconds, learnedSeconds] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  /** Undefined = something else came to be served meanwhile. */
  const take = (news: NewSignatures): NewSignatures | undefined => {
    const { generation, prepared, signatures } = news;
    if (generation !== state.snapshot?.generation) return undefined;
    addSignatures(state, generation, signatures, prepared);
    heldCount = (signatures === undefined ? heldCount : 0) + preparedCount(prepared);
    return news;
  };
  return {
    serve(next, isOfAnother) {
      ring = next;
      heldCount = (state.snapshot?.prepared ?? []).reduce(
        (sum, each) => sum + preparedCount(each),
        0,
      );
      renewedSeconds = isOfAnother ? Number.NEGATIVE_INFINITY : nowSeconds();
    },
    learned() {
      learnedSeconds = nowSeconds();
    },
    *prepare() {
      const { answers, signatures, snapshot } = state;
      if (answers === undefined || snapshot?.signatures === undefined) return undefined;
      const { generation } = snapshot;
      const tools = [ring, cache, nowSeconds(), limits] as const;
      const { added, inUse, isFull } = yield* prepareMissing(answers, ...tools, heldCount);
      if (state.snapshot !== snapshot) return undefined;
      if ((isFull && heldCount - inUse > limits.stale) || added.length > limits.added) {
        const prepared = packPrepared(yield* prepareBodies(answers, ...tools));
        return take({ generation, signatures, prepared });
      }
      if (added.length === 0) return undefined;
      return take({ generation, signatures: undefined, prepared: packPrepared(added) });
    },
    *renew() {
      const { answers, snapshot } = state;
      if (answers === undefined || snapshot?.signatures === undefined) return undefined;
      const { generation } = snapshot;
      const beforeSeconds = renewedSeconds;
      if (!isTimeToRenew(beforeSeconds, nowSeconds(), ring)) return undefined;
      renewedSeconds = nowSeconds();
      const tools = [ring, cache, nowSeconds()] as const;
      const signatures = yield* presign(snapshot.zones, ...tools);
      const prepared = yield* prepareBodies(answers, ...tools, limits);
      if (state.snapshot !== snapshot) return undefined;
      const changed = prepared.filter((each) => !isHeld(state, each));
      // What was learned or left behind by health is not renewed: it goes before it can end.
      const isLeft = heldCount > prepared.length || learnedSeconds >= beforeSeconds - LATE_SECONDS;
      const isMuch = changed.length > limits.added;
      if (isLeft || isMuch || !isSameSignatures(state.signatures!, signatures))
        return take({ generation, signatures, prepared: packPrepared(prepared) });
      if (changed.length === 0) return undefined;
      return take({ generation, signatures: undefined, prepared: packPrepared(changed) });
    },
  };
}

function isTimeToRenew(lastSeconds: number, nowSeconds: number, ring: KeyRing): boolean {
  const refreshes = [...ring.values()].map(({ times }) => times.refreshSeconds * RENEW_SHARE);
  const sinceSeconds = nowSeconds - lastSeconds;
  return sinceSeconds < 0 || sinceSeconds >= Math.min(RENEW_SECONDS, ...refreshes);
}

function isHeld(
  { bodySignatures }: WorkerState,
  { key, records, service }: PreparedSignature,
): boolean {
  const held =
    bodySignatures.known.get(key)?.get(service) ??
    findPrepared(bodySignatures.prepared, key, hashKey(key), service);
  return held !== undefined && Buffer.compare(held, records) === 0;
}

const isSameSignatures = (a: ZoneSignatures, b: ZoneSignatures): boolean =>
  Buffer.compare(a.arena, b.arena) === 0 && a.index.every((word, at) => word === b.index[at]);
