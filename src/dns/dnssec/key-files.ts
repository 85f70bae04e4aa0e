import type { webcrypto } from 'node:crypto';
import { TYPE_A, TYPE_DNSKEY } from '../constants.ts';
import { ALGORITHMS } from '../dnssec-numbers.ts';
import { equalNames, formatName, lowerName } from '../name.ts';
import { readZoneFile } from '../zone-file.ts';
import { keyRrsets, type PublishedRrset } from './key-set.ts';
import { type Algorithm, ECDSA_P256, ED25519, openKey, type ZoneKey } from './keys.ts';
import { signRrset, verifyRrset } from './sign.ts';
import type { ZoneSigningKeys } from './signing-keys.ts';
import type { SigningTimes } from './validity.ts';

/**
 * Key files as BIND's tools make them: `KZONE.+ALGORITHM+TAG.key` with the DNSKEY record, and `.private` with
 * the rest and with the times at which the key comes, signs and goes. Whoever keeps them rolls the keys too
 * (dnssec-keygen, dnssec-settime): here it is only looked what their times say.
 */
export type FileKey = {
  readonly tag: number;
  readonly flags: number;
  readonly algorithm: Algorithm;
  readonly dnskey: Uint8Array;
  readonly jwk: webcrypto.JsonWebKey;
  readonly times: KeyTimes;
};

/** In seconds since 1970; absent = never. */
export type KeyTimes = { readonly [Name in (typeof TIMES)[number]]?: number };
const TIMES = ['Publish', 'Activate', 'Inactive', 'Delete', 'SyncPublish', 'SyncDelete'] as const;

export type ReadKeyPair =
  | { readonly ok: true; readonly key: FileKey }
  | { readonly ok: false; readonly reason: string };

/** Longer files are no keys of ours. */
const TEXT_LENGTH_MAX = 64 * 1024;
const COORDINATE_OCTETS = 32;
const FLAG_ZONE = 0x100;
const FLAG_SEP = 0x1;
/** Files without times that are older than times: such keys are always used. */
const FORMAT_WITHOUT_TIMES = /^v1\.[0-2]$/;
const FORMAT = /^v1\.[0-9]{1,3}$/;

/**
 * One key of the zone.
 * @param apex wire form
 */
export function readKeyPair(apex: Uint8Array, keyText: string, privateText: string): ReadKeyPair {
  if (keyText.length + privateText.length > TEXT_LENGTH_MAX) return no('the files are too long');
  const dnskey = readPublic(apex, keyText);
  if (typeof dnskey === 'string') return no(dnskey);
  const fields = readFields(privateText);
  const format = fields.get('Private-key-format') ?? '';
  if (!FORMAT.test(format)) return no('the private file is not of format v1');
  const algorithm = dnskey[3]!;
  if (algorithm !== ECDSA_P256 && algorithm !== ED25519) {
    const name = Object.keys(ALGORITHMS).find((each) => ALGORITHMS[each] === algorithm);
    return no(
      `algorithm ${algorithm}${name ? ` (${name})` : ''} is not signed with here: 13 and 15 are`,
    );
  }
  if (Number.parseInt(fields.get('Algorithm') ?? '', 10) !== algorithm) {
    return no('the two files are of different algorithms');
  }
  const secret = Buffer.from(fields.get('PrivateKey') ?? '', 'base64');
  const jwk = jwkOf(algorithm, dnskey.subarray(4), secret);
  const flags = (dnskey[0]! << 8) | dnskey[1]!;
  const key = jwk && openKey(jwk, flags);
  if (jwk === undefined || key === undefined || !isPair(apex, key, dnskey)) {
    return no('the private key does not belong to the public one');
  }
  const times = readTimes(fields, FORMAT_WITHOUT_TIMES.test(format));
  if (typeof times === 'string') return no(times);
  return { ok: true, key: { tag: key.tag, flags, algorithm, dnskey, jwk, times } };
}

const no = (reason: string): ReadKeyPair => ({ ok: false, reason });

function readPublic(apex: Uint8Array, text: string): Uint8Array | string {
  // The record may stand without a TTL.
  const file = readZoneFile(
    { name: '', text: `$TTL 3600\n${text}` },
    { origin: apex, include: () => ({ message: 'a key includes no files' }) },
  );
  const [problem] = file.problems;
  if (problem !== undefined) return `the public file cannot be read: ${problem.message}`;
  const [record, ...more] = file.records;
  if (record?.type !== TYPE_DNSKEY || more.length > 0) return 'the public file is not one DNSKEY';
  if (!equalNames(lowerName(record.owner), lowerName(apex))) {
    return `the key is of ${formatName(record.owner)}`;
  }
  const flags = (record.rdata[0]! << 8) | record.rdata[1]!;
  const isUsable = (flags & ~FLAG_SEP) === FLAG_ZONE && record.rdata[2] === 3;
  return isUsable ? record.rdata : `a key with flags ${flags} signs no zone`;
}

function readFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return fields;
}

function jwkOf(
  algorithm: Algorithm,
  publicKey: Uint8Array,
  secret: Buffer,
): webcrypto.JsonWebKey | undefined {
  const text = (octets: Uint8Array): string => Buffer.from(octets).toString('base64url');
  const n = COORDINATE_OCTETS;
  if (secret.length === 0 || secret.length > n) return undefined;
  // Old tools left out leading zeros.
  const d = text(Buffer.concat([Buffer.alloc(n - secret.length), secret]));
  if (algorithm === ED25519) return { kty: 'OKP', crv: 'Ed25519', x: text(publicKey), d };
  const [x, y] = [publicKey.subarray(0, n), publicKey.subarray(n)];
  return { kty: 'EC', crv: 'P-256', x: text(x), y: text(y), d };
}

/** What the one signs the other verifies; the record is that of the file. */
function isPair(apex: Uint8Array, key: ZoneKey, dnskey: Uint8Array): boolean {
  const rrset = { owner: apex, type: TYPE_A, ttlSeconds: 0, rdata: [new Uint8Array(4)] };
  try {
    const rrsig = signRrset(rrset, apex, key, { inception: 0, expiration: 1 });
    return Buffer.from(key.dnskey).equals(dnskey) && verifyRrset(rrset, rrsig, dnskey);
  } catch {
    // A key that OpenSSL cannot compute with.
    return false;
  }
}

function readTimes(fields: ReadonlyMap<string, string>, isOld: boolean): KeyTimes | string {
  const times: Partial<Record<(typeof TIMES)[number], number>> = {};
  for (const name of TIMES) {
    const text = fields.get(name);
    if (text === undefined) continue;
    const seconds = secondsOf(text);
    if (seconds === undefined) return `${name} is not a time: ${text.slice(0, 20)}`;
    times[name] = seconds;
  }
  return isOld && Object.keys(times).length === 0 ? { Publish: 0, Activate: 0 } : times;
}

/** `20261121172039`, in UTC. */
function secondsOf(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined) return undefined;
  const [year, month, day, hour, minute, second] = parts;
  return Date.UTC(year!, month! - 1, day, hour, minute, second) / 1000;
}

/** What a key does at an instant, in seconds, as BIND reads its times: a key that signs is published. */
export function fileKeyAt({ times }: FileKey, nowSeconds: number) {
  const since = (name: keyof KeyTimes): boolean => (times[name] ?? Infinity) <= nowSeconds;
  const isThere = !since('Delete');
  const isActive = isThere && since('Activate') && !since('Inactive');
  return {
    isPublished: isThere && (since('Publish') || since('Activate')),
    isActive,
    isSynced: since('SyncPublish') && !since('SyncDelete'),
  };
}

/** DNSKEY of what is published, CDS and CDNSKEY of what the times say that the parent shall know. */
export function fileRrsets(
  keys: readonly FileKey[],
  apex: string,
  ttlSeconds: number,
  nowSeconds: number,
): readonly PublishedRrset[] {
  const rdata = (fits: (at: ReturnType<typeof fileKeyAt>) => boolean): readonly Uint8Array[] =>
    keys.filter((key) => fits(fileKeyAt(key, nowSeconds))).map(({ dnskey }) => dnskey);
  const entries = rdata(({ isSynced }) => isSynced);
  return keyRrsets(
    apex,
    ttlSeconds,
    rdata(({ isPublished }) => isPublished),
    entries,
  );
}

/** Keys without the flag of entry points sign records, those with it the keys; one kind alone does both. */
export function fileSigningKeys(
  keys: readonly FileKey[],
  zone: string,
  times: SigningTimes,
  nowSeconds: number,
): ZoneSigningKeys | undefined {
  const active = keys.filter((key) => fileKeyAt(key, nowSeconds).isActive);
  if (active.length === 0) return undefined;
  const entries = active.filter(({ flags }) => (flags & FLAG_SEP) !== 0);
  const others = active.filter(({ flags }) => (flags & FLAG_SEP) === 0);
  const material = (list: readonly FileKey[]) =>
    (list.length > 0 ? list : active).map(({ flags, jwk }) => ({ flags, jwk }));
  return { zone, times, zoneKeys: material(others), entryKeys: material(entries) };
}

/** How many of the times have passed: grows with every change that they make. */
export function passedTimes(keys: readonly FileKey[], nowSeconds: number): number {
  return keys.flatMap(({ times }) => Object.values(times)).filter((at) => at <= nowSeconds).length;
}

/** The names of a zone's key files, without their endings, among those of a folder. */
export function keyFileNames(names: readonly string[], zone: string): readonly string[] {
  const start = `K${zone.replace(/\.$/, '').toLowerCase()}.+`;
  return names
    .filter((name) => name.toLowerCase().startsWith(start.toLowerCase()))
    .filter((name) => /^\d{3}\+\d{5}\.key$/.test(name.slice(start.length)))
    .map((name) => name.slice(0, -'.key'.length))
    .sort();
}
