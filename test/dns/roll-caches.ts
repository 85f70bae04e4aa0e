import assert from 'node:assert/strict';
import { keyTag } from '../../src/dns/dnssec/key-digest.ts';
import {
  advanceRoll,
  needsDs,
  PARENT_PROPAGATION_SECONDS,
  startRoll,
  waitsUntil,
} from '../../src/dns/dnssec/key-roll.ts';
import {
  type KeyRole,
  type KeyScheme,
  type KeySet,
  newKeySet,
  publishedRrsets,
  schemeOf,
  signingKeysOf,
} from '../../src/dns/dnssec/key-set.ts';
import { ECDSA_P256, openKey } from '../../src/dns/dnssec/keys.ts';
import { parseRdata } from '../../src/dns/rdata/registry.ts';

/**
 * Rolls of keys as all resolvers of the world see them: a cache may hold the DS that any server of the
 * parent has shown within the last TTL, the keys that any nameserver of the zone, late ones included, has
 * answered within theirs, and records likewise. Whatever is mixed of the three must hold together.
 */
export type Course = {
  readonly scheme: KeyScheme;
  /** One after the other, without a pause; `all` also changes the scheme. */
  readonly rolls: readonly ('first' | 'second' | 'all')[];
  /** How late each step is taken, in seconds; the last one counts for all further ones. */
  readonly delays: readonly number[];
  /** After how many seconds the parent follows: its first server, and that somebody looks. */
  readonly parent: { readonly firstSeconds: number; readonly seenSeconds: number };
};

/** In seconds. */
export type Times = {
  readonly keyTtl: number;
  readonly longestTtl: number;
  readonly propagation: number;
  readonly dsTtl: number;
};

/** What nameservers of the zone answer, from `fromMs` on; late ones still answer what was before. */
type Version = {
  readonly fromMs: number;
  readonly keys: ReadonlySet<number>;
  readonly keySigners: ReadonlySet<number>;
  readonly recordSigners: ReadonlySet<number>;
  readonly cds: ReadonlySet<number>;
};
/** What the parent's servers show: some from `fromMs`, all from `allMs` on. */
type Delegation = {
  readonly fromMs: number;
  readonly allMs: number;
  readonly ds: ReadonlySet<number>;
};
type History = {
  readonly versions: readonly Version[];
  readonly delegations: readonly Delegation[];
};

const START = 1_790_000_000_000;

/**
 * What is broken, for whom and when; undefined = nothing ever.
 * @param told the times as the rolls reckon with them; those of the world unless a fault is planted
 */
export function brokenChain(course: Course, world: Times, told: Times = world): string | undefined {
  const history = play(course, world, told);
  for (const atMs of instants(history, world)) {
    const broken = brokenAt(history, world, atMs);
    if (broken !== undefined) return `${(atMs - START) / 1000} s after the start: ${broken}`;
  }
  return brokenWish(history, world);
}

/** The rolls as an operator would do them who comes as early as is allowed, or later. */
function play({ delays, parent, rolls, scheme }: Course, world: Times, told: Times): History {
  const facts = {
    keyTtlSeconds: told.keyTtl,
    longestTtlSeconds: told.longestTtl,
    propagationSeconds: told.propagation,
  };
  let set = newKeySet(scheme, ECDSA_P256, START);
  let nowMs = START;
  let step = 0;
  const versions: Version[] = [versionOf(set, nowMs)];
  const delegations: Delegation[] = [{ fromMs: START, allMs: START, ds: versions[0]!.cds }];
  const take = (result: ReturnType<typeof startRoll>): void => {
    assert.ok(result.ok, result.ok ? '' : result.reason);
    set = result.set;
    versions.push(versionOf(set, nowMs));
  };
  for (const roll of rolls) {
    take(startRoll(set, ...choice(set, roll), nowMs, facts));
    while (set.roll !== undefined) {
      const { roll: running } = set;
      if (needsDs(running)) {
        const { cds, fromMs } = versions.at(-1)!;
        const firstMs = nowMs + parent.firstSeconds * 1000;
        nowMs = firstMs + parent.seenSeconds * 1000;
        // A nameserver that is late may make the parent go back once more.
        const lateMs = Math.max(nowMs, fromMs + world.propagation * 1000);
        const allMs = lateMs + PARENT_PROPAGATION_SECONDS * 1000;
        delegations.push({ fromMs: firstMs, allMs, ds: cds });
        take(advanceRoll(set, nowMs, facts, { ttlSeconds: told.dsTtl }));
        continue;
      }
      const delay = delays[Math.min(step, delays.length - 1)] ?? 0;
      step += 1;
      nowMs = Math.max(nowMs, waitsUntil(running)) + delay * 1000;
      take(advanceRoll(set, nowMs, facts));
    }
  }
  return { versions, delegations };
}

function choice(set: KeySet, roll: Course['rolls'][number]): [KeyRole, KeyScheme] {
  const scheme = schemeOf(set);
  if (roll === 'all') return ['csk', scheme === 'csk' ? 'ksk-zsk' : 'csk'];
  if (scheme === 'csk') return ['csk', 'csk'];
  return [roll === 'first' ? 'zsk' : 'ksk', scheme];
}

function versionOf(set: KeySet, fromMs: number): Version {
  const [dnskey, cds] = publishedRrsets(set, 'zone.example.', 3600);
  const times = { validitySeconds: 1, refreshSeconds: 1, jitterSeconds: 1 };
  const { entryKeys, zoneKeys } = signingKeysOf(set, 'zone.example', times);
  const tags = (list: typeof zoneKeys): ReadonlySet<number> =>
    new Set(list.map(({ flags, jwk }) => openKey(jwk, flags)!.tag));
  const published = dnskey!.data.map((text) => {
    const parsed = parseRdata('DNSKEY', text);
    assert.ok(parsed.ok);
    return keyTag(parsed.rdata);
  });
  return {
    fromMs,
    keys: new Set(published),
    keySigners: tags(entryKeys),
    recordSigners: tags(zoneKeys),
    cds: new Set(cds!.data.map((text) => Number(text.split(' ')[0]))),
  };
}

/** The versions that somebody may hold who remembers for so long. */
function versionsAt({ versions }: History, { propagation }: Times, atMs: number, ttl: number) {
  return versions.filter(({ fromMs }, index) => {
    const next = versions[index + 1];
    const untilMs = next === undefined ? Infinity : next.fromMs + (propagation + ttl) * 1000;
    return fromMs <= atMs && atMs < untilMs;
  });
}

function delegationsAt({ delegations }: History, atMs: number, ttl: number) {
  return delegations.filter(({ fromMs }, index) => {
    const next = delegations[index + 1];
    const untilMs = next === undefined ? Infinity : next.allMs + ttl * 1000;
    return fromMs <= atMs && atMs < untilMs;
  });
}

/** Instants at which what caches may hold changes, and those just before them. */
function instants(history: History, world: Times): readonly number[] {
  const { dsTtl, keyTtl, longestTtl, propagation } = world;
  const ends = [0, keyTtl, longestTtl].flatMap((ttl) => [ttl, ttl + propagation]);
  const all = [
    ...history.versions.flatMap(({ fromMs }) => ends.map((end) => fromMs + end * 1000)),
    ...history.delegations.flatMap(({ allMs, fromMs }) => [fromMs, allMs, allMs + dsTtl * 1000]),
  ];
  return [...new Set(all.flatMap((atMs) => [atMs - 1, atMs]))].filter((atMs) => atMs >= START);
}

function brokenAt(history: History, world: Times, atMs: number): string | undefined {
  const records = versionsAt(history, world, atMs, world.longestTtl);
  const keys = versionsAt(history, world, atMs, world.keyTtl);
  const delegations = delegationsAt(history, atMs, world.dsTtl);
  for (const key of keys) {
    for (const { ds } of delegations) {
      if (meet(ds, key.keySigners, key.keys)) continue;
      return `keys ${list(key.keys)} signed by ${list(key.keySigners)} under DS ${list(ds)}`;
    }
    for (const record of records) {
      if (meet(record.recordSigners, key.keys)) continue;
      return `records signed by ${list(record.recordSigners)} with keys ${list(key.keys)}`;
    }
  }
  return undefined;
}

/**
 * What the zone wants of its parent must be signed by a key that both have, and must not break the
 * delegation if the parent does it (RFC 7344 4.1).
 */
function brokenWish(history: History, world: Times): string | undefined {
  for (const version of history.versions) {
    if (!meet(version.cds, version.keySigners, version.keys)) {
      return `CDS ${list(version.cds)} with keys ${list(version.keys)} would break the delegation`;
    }
    for (const { ds } of delegationsAt(history, version.fromMs, 0)) {
      if (meet(ds, version.keySigners, version.keys)) continue;
      return `CDS signed by ${list(version.keySigners)} under DS ${list(ds)}`;
    }
  }
  return versionsAt(history, world, START, 0).length === 0 ? 'nothing was looked at' : undefined;
}

/** Whether something is in all sets. */
function meet(first: ReadonlySet<number>, ...others: readonly ReadonlySet<number>[]): boolean {
  return [...first].some((tag) => others.every((other) => other.has(tag)));
}

const list = (tags: ReadonlySet<number>): string => [...tags].join(', ') || 'none';
