import {
  addKeys,
  type KeyRole,
  type KeyRoll,
  type KeyScheme,
  type KeySet,
  rolesOf,
} from './key-set.ts';

/**
 * How one key follows another without anybody finding the zone broken (RFC 6781 4.1, RFC 7583): nothing is
 * used before every cache can know it, and nothing goes before no cache needs it. Time is an argument.
 *
 * | | introduced | switched | withdrawn |
 * |---|---|---|---|
 * | ZSK, pre-publish (4.1.1.1) | new one in DNSKEY | new one signs | |
 * | KSK, double DS (4.1.2) | new one in CDS, the parent has both DS | DNSKEY has the new one | CDS has the new one |
 * | CSK | new one in DNSKEY and CDS, the parent has both DS | new one signs | old one out of both |
 *
 * A CSK may be followed by a KSK and a ZSK, and they by a CSK, in the same way.
 */

/** What decides how long caches remember, and nodes and secondaries lag behind. */
export type RollFacts = {
  /** TTL of DNSKEY. */
  readonly keyTtlSeconds: number;
  /** The longest of the zone, that of negative answers included. */
  readonly longestTtlSeconds: number;
  /** Until a change is with all nameservers of the zone. */
  readonly propagationSeconds: number;
};

/** That the parent's servers show the DS records that the zone wants. */
export type DsWord = {
  /** Of its DS records; absent = not known. */
  readonly ttlSeconds?: number | undefined;
};

export type RollResult =
  | { readonly ok: true; readonly set: KeySet }
  | {
      readonly ok: false;
      readonly why: 'running' | 'idle' | 'no-such-key' | 'too-early' | 'no-ds';
      readonly reason: string;
    };

/** Of com, net and most other TLDs; longer ones are rare, and then told by who asked the parent. */
export const DS_TTL_SECONDS_DEFAULT = 86_400;
/** Until all servers of the parent have what one of them shows. */
export const PARENT_PROPAGATION_SECONDS = 3600;

/** @param scheme what the zone's configuration wants; it counts when all keys are replaced */
export function startRoll(
  set: KeySet,
  replaces: KeyRole,
  scheme: KeyScheme,
  nowMs: number,
  facts: RollFacts,
): RollResult {
  if (set.roll !== undefined) {
    const reason = `the ${nameOf(set.roll.replaces)} is being replaced already`;
    return { ok: false, why: 'running', reason };
  }
  if (replaces === 'csk' ? isSplit(set) && scheme === 'ksk-zsk' : !hasRole(set, replaces)) {
    const known = [...new Set(set.keys.map(({ role }) => nameOf(role)))].join(' and a ');
    return { ok: false, why: 'no-such-key', reason: `the zone has a ${known}` };
  }
  const roles = replaces === 'csk' ? rolesOf(scheme) : [replaces];
  const stage = replaces === 'ksk' ? 'announced' : 'published';
  const keys = addKeys(set.keys, roles, stage, set.algorithm, nowMs);
  const waitSeconds = replaces === 'ksk' ? 0 : facts.keyTtlSeconds;
  return changed(set, keys, begun(replaces, 'introduced', nowMs, waitSeconds, facts));
}

const isSplit = (set: KeySet): boolean => !hasRole(set, 'csk');
const hasRole = ({ keys }: KeySet, wanted: KeyRole): boolean =>
  keys.some(({ role }) => role === wanted);
const nameOf = (role: KeyRole): string => role.toUpperCase();

function begun(
  replaces: KeyRole,
  step: KeyRoll['step'],
  nowMs: number,
  waitSeconds: number,
  { propagationSeconds }: RollFacts,
): KeyRoll {
  return {
    replaces,
    step,
    sinceMs: nowMs,
    untilMs: nowMs + (waitSeconds + propagationSeconds) * 1000,
  };
}

function changed(set: KeySet, keys: KeySet['keys'], roll: KeyRoll | undefined): RollResult {
  const { roll: _, ...rest } = set;
  const next = { ...rest, keys, revision: set.revision + 1 };
  return { ok: true, set: roll === undefined ? next : { ...next, roll } };
}

/**
 * One step on, or that the parent's DS have been seen; why not, when it is too early.
 * @param ds that they have been seen now
 */
export function advanceRoll(set: KeySet, nowMs: number, facts: RollFacts, ds?: DsWord): RollResult {
  const { roll } = set;
  if (roll === undefined) return { ok: false, why: 'idle', reason: 'no key is being replaced' };
  if (needsDs(roll)) {
    if (ds === undefined) return { ok: false, why: 'no-ds', reason: dsReason(roll) };
    if (roll.step === 'introduced') return changed(set, set.keys, withDsSeen(roll, nowMs, ds));
  }
  const until = waitsUntil(roll);
  if (nowMs < until) {
    const seconds = Math.ceil((until - nowMs) / 1000);
    const reason = `caches may hold what was before for another ${seconds} s`;
    return { ok: false, why: 'too-early', reason };
  }
  switch (roll.step) {
    case 'introduced':
      return switched(set, roll, nowMs, facts);
    case 'switched': {
      const keys = set.keys.filter(({ stage }) => stage !== 'retired' && stage !== 'leaving');
      if (roll.replaces === 'zsk') return changed(set, keys, undefined);
      return changed(set, keys, { ...begun(roll.replaces, 'withdrawn', nowMs, 0, facts) });
    }
    case 'withdrawn':
      return changed(set, set.keys, undefined);
  }
}

/** What it waits for is the parent. */
export function needsDs({ dsSeen, replaces, step }: KeyRoll): boolean {
  return replaces !== 'zsk' && step !== 'switched' && dsSeen === undefined;
}

/** The earliest instant of the next step; of the last one, nothing but the parent is waited for. */
export function waitsUntil({ dsSeen, sinceMs, step, untilMs }: KeyRoll): number {
  return step === 'withdrawn' ? sinceMs : Math.max(untilMs, dsSeen?.untilMs ?? 0);
}

function dsReason({ step }: KeyRoll): string {
  return step === 'introduced'
    ? 'the parent has to have the DS of the old and of the new key'
    : 'the parent still has to take out the DS of the old key';
}

/** A parent that reads CDS may meet a nameserver that lags, and take the new DS out again. */
function withDsSeen(roll: KeyRoll, nowMs: number, { ttlSeconds }: DsWord): KeyRoll {
  const fromMs = Math.max(nowMs, roll.untilMs);
  const waitSeconds = (ttlSeconds ?? DS_TTL_SECONDS_DEFAULT) + PARENT_PROPAGATION_SECONDS;
  return { ...roll, dsSeen: { atMs: nowMs, untilMs: fromMs + waitSeconds * 1000 } };
}

function switched(set: KeySet, roll: KeyRoll, nowMs: number, facts: RollFacts): RollResult {
  const { replaces } = roll;
  const isMeant = (role: KeyRole): boolean => replaces === 'csk' || role === replaces;
  const keys = set.keys.map((key) => {
    if (!isMeant(key.role)) return key;
    if (key.stage !== 'active') return { ...key, stage: 'active' as const, sinceMs: nowMs };
    const stage = replaces === 'ksk' ? ('leaving' as const) : ('retired' as const);
    return { ...key, stage, sinceMs: nowMs };
  });
  const { keyTtlSeconds, longestTtlSeconds } = facts;
  // Records of a KSK are the keys alone.
  const waitSeconds =
    replaces === 'ksk' ? keyTtlSeconds : Math.max(keyTtlSeconds, longestTtlSeconds);
  return changed(set, keys, begun(replaces, 'switched', nowMs, waitSeconds, facts));
}
