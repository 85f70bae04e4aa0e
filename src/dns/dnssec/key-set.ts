import type { webcrypto } from 'node:crypto';
import { z } from 'zod';
import { TYPE_CDNSKEY, TYPE_DNSKEY } from '../constants.ts';
import { parseName } from '../name.ts';
import { formatRdata } from '../rdata/registry.ts';
import { dsText } from './key-digest.ts';
import {
  type Algorithm,
  ECDSA_P256,
  ED25519,
  FLAGS_KSK,
  FLAGS_ZSK,
  generateKey,
  openKey,
  type ZoneKey,
} from './keys.ts';
import type { KeyMaterial, ZoneSigningKeys } from './signing-keys.ts';
import type { SigningTimes } from './validity.ts';

/**
 * The keys of a zone and where the change of them stands, as one value: a node that knows one and not the
 * other would publish what nobody can validate. What a key does follows from its stage alone.
 */
export type KeySet = {
  readonly algorithm: Algorithm;
  /** When the zone got its first keys. */
  readonly madeAtMs: number;
  /** One more with every change, so that the zone's serial can grow with it. */
  readonly revision: number;
  readonly keys: readonly SetKey[];
  readonly roll?: KeyRoll;
};

/** A CSK is both: the parent has its DS and it signs all (RFC 6781 3.1). */
export type KeyRole = 'csk' | 'ksk' | 'zsk';
export type KeyScheme = 'csk' | 'ksk-zsk';

export type SetKey = {
  readonly role: KeyRole;
  readonly stage: KeyStage;
  /** When it came to this stage. */
  readonly sinceMs: number;
  /** With its private part. */
  readonly jwk: webcrypto.JsonWebKey;
};

/**
 * | stage | in DNSKEY | in CDS | signs records | signs DNSKEY |
 * |---|---|---|---|---|
 * | announced | no | yes | no | no |
 * | published | yes | yes | no | yes |
 * | active | yes | yes | yes | yes |
 * | retired | yes | yes | no | yes |
 * | leaving | no | yes | no | no |
 *
 * as far as the role has it: a ZSK is in no CDS and signs no DNSKEY, a KSK signs no records. While two CSKs
 * are there both sign DNSKEY, so that it does not matter which of their DS a resolver has (RFC 6781 4.1.2).
 */
export type KeyStage = (typeof STAGES)[number];

export type KeyRoll = {
  /** Which key; `csk` = all keys, whatever the zone has, by those that its scheme wants. */
  readonly replaces: KeyRole;
  readonly step: (typeof STEPS)[number];
  /** When the step began. */
  readonly sinceMs: number;
  /** When caches have forgotten what was before it. */
  readonly untilMs: number;
  /** Since the parent shows what it is to show, and when caches have forgotten what it showed before. */
  readonly dsSeen?: { readonly atMs: number; readonly untilMs: number };
};

const STAGES = ['announced', 'published', 'active', 'retired', 'leaving'] as const;
const STEPS = ['introduced', 'switched', 'withdrawn'] as const;
const ROLES = ['csk', 'ksk', 'zsk'] as const;

/** More than a roll of all keys has. */
const KEYS_MAX = 8;
/** Longer text is none of ours: a key is some 250 characters. */
const TEXT_LENGTH_MAX = 16 * 1024;
const VERSION = 1;

/** The first keys of a zone. */
export function newKeySet(scheme: KeyScheme, algorithm: Algorithm, nowMs: number): KeySet {
  const keys = addKeys([], rolesOf(scheme), 'active', algorithm, nowMs);
  return { algorithm, madeAtMs: nowMs, revision: 0, keys };
}

export function rolesOf(scheme: KeyScheme): readonly KeyRole[] {
  return scheme === 'csk' ? ['csk'] : ['ksk', 'zsk'];
}

export function schemeOf({ keys }: KeySet): KeyScheme {
  return keys.some(({ role, stage }) => role === 'csk' && stage === 'active') ? 'csk' : 'ksk-zsk';
}

/** The keys and new ones; no two have the same tag, for validators would try both each time. */
export function addKeys(
  known: readonly SetKey[],
  roles: readonly KeyRole[],
  stage: KeyStage,
  algorithm: Algorithm,
  sinceMs: number,
): readonly SetKey[] {
  const keys = [...known];
  for (const role of roles) {
    const tags = new Set(keys.map(tagOf));
    let added: SetKey;
    do added = { role, stage, sinceMs, jwk: ordered(generateKey(algorithm)) };
    while (tags.has(tagOf(added)));
    keys.push(added);
  }
  return keys;
}

/** As it is when it was written and read: texts of keys can be compared. */
function ordered({ crv, d, kty, x, y }: webcrypto.JsonWebKey): webcrypto.JsonWebKey {
  const jwk = { kty: kty!, crv: crv!, x: x! };
  return y === undefined ? { ...jwk, d: d! } : { ...jwk, y, d: d! };
}

const setSchema = z.strictObject({
  version: z.literal(VERSION),
  algorithm: z.union([z.literal(ECDSA_P256), z.literal(ED25519)]),
  madeAtMs: z.number(),
  revision: z.int().min(0),
  keys: z
    .array(
      z.strictObject({
        role: z.enum(ROLES),
        stage: z.enum(STAGES),
        sinceMs: z.number(),
        jwk: z.strictObject({
          kty: z.string(),
          crv: z.string(),
          x: z.string(),
          y: z.string().optional(),
          d: z.string(),
        }),
      }),
    )
    .max(KEYS_MAX),
  roll: z
    .strictObject({
      replaces: z.enum(ROLES),
      step: z.enum(STEPS),
      sinceMs: z.number(),
      untilMs: z.number(),
      dsSeen: z.strictObject({ atMs: z.number(), untilMs: z.number() }).optional(),
    })
    .optional(),
});

export function formatKeySet(set: KeySet): string {
  return JSON.stringify({ version: VERSION, ...set });
}

/** What `formatKeySet` wrote; undefined for anything else, keys that do not belong together included. */
export function parseKeySet(text: string): KeySet | undefined {
  if (text.length > TEXT_LENGTH_MAX) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not JSON: no keys.
    return undefined;
  }
  const { data } = setSchema.safeParse(value);
  if (data === undefined) return undefined;
  const { version: _, ...rest } = data;
  const set = rest as KeySet; // What came as JSON has no entry that is there and undefined.
  return isSound(set) ? set : undefined;
}

/** Every key can sign, each by its own tag; something signs records and something the keys. */
function isSound(set: KeySet): boolean {
  const opened = set.keys.map((key) => openKey(key.jwk, flagsOf(key)));
  if (opened.some((key) => key === undefined || key.algorithm !== set.algorithm)) return false;
  if (new Set(opened.map((key) => key?.tag)).size < opened.length) return false;
  const signing = (fits: (key: SetKey) => boolean): boolean =>
    set.keys.some((key) => key.stage === 'active' && fits(key));
  if (!signing(signsRecords) || !signing(isEntry)) return false;
  const moving = set.keys.filter(({ stage }) => stage !== 'active').length;
  return moving > 0 === (set.roll !== undefined && set.roll.step !== 'withdrawn');
}

const flagsOf = ({ role }: SetKey): number => (role === 'zsk' ? FLAGS_ZSK : FLAGS_KSK);
const signsRecords = ({ role }: SetKey): boolean => role !== 'ksk';
const isEntry = ({ role }: SetKey): boolean => role !== 'zsk';
const isPublished = ({ stage }: SetKey): boolean => stage !== 'announced' && stage !== 'leaving';

/** Opens what was found sound when it was read, or made here. */
function opened(key: SetKey): ZoneKey {
  return openKey(key.jwk, flagsOf(key))!;
}

/** The tag of its DNSKEY record. */
export function tagOf(key: SetKey): number {
  return opened(key).tag;
}

/** An RRset as text, in the shape that the configuration has them in. */
export type PublishedRrset = {
  readonly owner: string;
  readonly type: 'DNSKEY' | 'CDS' | 'CDNSKEY';
  readonly ttl: number;
  readonly data: readonly string[];
};

/**
 * What the zone says of its keys: DNSKEY, and what it wants its parent to have (RFC 7344 3, RFC 8078).
 * @param apex absolute name as text
 */
export function publishedRrsets(
  { keys }: KeySet,
  apex: string,
  ttlSeconds: number,
): readonly PublishedRrset[] {
  const records = (list: readonly SetKey[]): readonly Uint8Array[] =>
    list.map((key) => opened(key).dnskey);
  return keyRrsets(
    apex,
    ttlSeconds,
    records(keys.filter(isPublished)),
    records(keys.filter(isEntry)),
  );
}

/**
 * The same of DNSKEY rdata, wherever they come from; an RRset without data is none.
 * @param entries of which the parent is to have DS records
 */
export function keyRrsets(
  apex: string,
  ttlSeconds: number,
  published: readonly Uint8Array[],
  entries: readonly Uint8Array[],
): readonly PublishedRrset[] {
  const owner = parseName(apex)!;
  const rrset = (
    type: PublishedRrset['type'],
    rdata: readonly Uint8Array[],
    text: (one: Uint8Array) => string,
  ): readonly PublishedRrset[] =>
    rdata.length === 0 ? [] : [{ owner: apex, type, ttl: ttlSeconds, data: rdata.map(text) }];
  return [
    ...rrset('DNSKEY', published, (dnskey) => formatRdata(TYPE_DNSKEY, dnskey)),
    ...rrset('CDS', entries, (dnskey) => dsText(owner, dnskey)),
    ...rrset('CDNSKEY', entries, (dnskey) => formatRdata(TYPE_CDNSKEY, dnskey)),
  ];
}

/** What signs the zone now. */
export function signingKeysOf(set: KeySet, zone: string, times: SigningTimes): ZoneSigningKeys {
  const material = (key: SetKey): KeyMaterial => ({ jwk: key.jwk, flags: flagsOf(key) });
  const signers = set.keys.filter((key) => key.stage === 'active' && signsRecords(key));
  const entries = set.keys.filter((key) => isPublished(key) && isEntry(key));
  return { zone, times, zoneKeys: signers.map(material), entryKeys: entries.map(material) };
}
