import { createHmac, timingSafeEqual } from 'node:crypto';
import { HEADER_LENGTH, RECORD_FIXED_LENGTH } from './constants.ts';
import { expandName } from './decode.ts';
import { readWord, skipName } from './message.ts';
import { equalNames, lowerName, parseName } from './name.ts';

/**
 * Signatures of messages with a secret that two parties share (RFC 8945): zone transfers, NOTIFY, UPDATE.
 * The control path's: it allocates freely. Broken input is a value, never an exception.
 */
export type TsigKey = {
  /** Wire form, lower case. */
  readonly name: Uint8Array;
  readonly algorithm: TsigAlgorithm;
  readonly secret: Uint8Array;
};
export type TsigAlgorithm = keyof typeof ALGORITHMS;

/** Node's name of the hash and the octets of its result, by the algorithm's name in messages (RFC 8945 6). */
const ALGORITHMS = {
  'hmac-sha256': { hash: 'sha256', octets: 32 },
  'hmac-sha384': { hash: 'sha384', octets: 48 },
  'hmac-sha512': { hash: 'sha512', octets: 64 },
} as const;

export const TSIG_ALGORITHMS = Object.keys(ALGORITHMS) as readonly TsigAlgorithm[];

/** How far apart two clocks may be, in seconds (RFC 8945 10); whoever signs may say less, not more. */
export const TSIG_FUDGE_SECONDS = 300;
/** The shortest MAC that is taken, and at least half of the hash (RFC 8945 5.2.2.1). */
const MAC_OCTETS_MIN = 10;
const ERROR_NONE = 0;
/** Errors in the TSIG record (RFC 8945 3). */
export const TSIG_BADSIG = 16;
export const TSIG_BADKEY = 17;
export const TSIG_BADTIME = 18;

const TYPE_TSIG = 250;
const CLASS_ANY = 255;

/** The record as it stands in a message. */
export type Tsig = {
  readonly keyName: Uint8Array;
  readonly algorithm: Uint8Array;
  readonly signedSeconds: number;
  readonly fudgeSeconds: number;
  readonly mac: Uint8Array;
  readonly originalId: number;
  readonly error: number;
  readonly other: Uint8Array;
  /** Where it begins in the message. */
  readonly offset: number;
};

export type Verdict =
  | { readonly ok: true; readonly key: TsigKey; readonly tsig: Tsig }
  /** `tsig` is absent when there is no record that could be, or what is there is none: FORMERR. */
  | { readonly ok: false; readonly error: number; readonly key?: TsigKey; readonly tsig?: Tsig };

/** What a chain of messages is signed on: the MAC before, and messages since that had none. */
export type TsigChain = {
  readonly mac: Uint8Array;
  readonly between: readonly Uint8Array[];
  /** Later messages of a transfer are signed with the times only (RFC 8945 5.3.1). */
  readonly isLater: boolean;
};

/**
 * Judges the signature of the message, whose TSIG record begins at `offset`.
 * @param chain for a response: the MAC of its request, or of the message before it
 */
export function verifyTsig(
  message: Uint8Array,
  offset: number,
  keys: readonly TsigKey[],
  nowSeconds: number,
  chain?: TsigChain,
): Verdict {
  const tsig = readTsig(message, offset);
  if (tsig === undefined) return { ok: false, error: ERROR_NONE };
  const key = keys.find(
    ({ algorithm, name }) =>
      equalNames(name, tsig.keyName) && equalNames(algorithmName(algorithm), tsig.algorithm),
  );
  if (key === undefined) return { ok: false, error: TSIG_BADKEY, tsig };
  const { octets } = ALGORITHMS[key.algorithm];
  // Too long, or cut by more than anybody may: malformed (RFC 8945 5.2.2.1). What is left is long enough for us.
  const least = Math.max(MAC_OCTETS_MIN, octets / 2);
  if (tsig.mac.length > octets || tsig.mac.length < least) return { ok: false, error: ERROR_NONE };
  const unsigned = withoutTsig(message, tsig);
  const mac = macOf(key, unsigned, tsig, chain).subarray(0, tsig.mac.length);
  if (!timingSafeEqual(mac, tsig.mac)) return { ok: false, error: TSIG_BADSIG, key, tsig };
  // Only after the MAC: before it the times are anybody's word (RFC 8945 5.2).
  const fudgeSeconds = Math.min(tsig.fudgeSeconds, TSIG_FUDGE_SECONDS);
  if (Math.abs(nowSeconds - tsig.signedSeconds) > fudgeSeconds) {
    return { ok: false, error: TSIG_BADTIME, key, tsig };
  }
  return { ok: true, key, tsig };
}

/** The message with a TSIG record behind it, and its MAC, on which the next one is signed. */
export function signTsig(
  message: Uint8Array,
  key: TsigKey,
  nowSeconds: number,
  chain?: TsigChain,
): { readonly message: Uint8Array; readonly mac: Uint8Array } {
  const fields = {
    keyName: key.name,
    algorithm: algorithmName(key.algorithm),
    signedSeconds: nowSeconds,
    fudgeSeconds: TSIG_FUDGE_SECONDS,
    originalId: readWord(message, 0),
    error: ERROR_NONE,
    other: new Uint8Array(),
  };
  const mac = macOf(key, message, fields, chain);
  return { message: append(message, { ...fields, mac }), mac };
}

/**
 * A refusal of a signature as the asker is to see it (RFC 8945 5.2, 5.3.2): without a MAC, for the key is
 * not known or not proved; a wrong time is told under the key, with the time here.
 */
export function refuseTsig(
  message: Uint8Array,
  { error, key, tsig }: Verdict & { readonly ok: false },
  nowSeconds: number,
): Uint8Array {
  if (tsig === undefined) return message;
  const isTime = error === TSIG_BADTIME && key !== undefined;
  const fields = {
    keyName: tsig.keyName,
    algorithm: tsig.algorithm,
    signedSeconds: isTime ? tsig.signedSeconds : nowSeconds,
    fudgeSeconds: TSIG_FUDGE_SECONDS,
    originalId: readWord(message, 0),
    error,
    other: isTime ? secondsOctets(nowSeconds) : new Uint8Array(),
  };
  const chain: TsigChain = { mac: tsig.mac, between: [], isLater: false };
  const mac = isTime ? macOf(key, message, fields, chain) : new Uint8Array();
  return append(message, { ...fields, mac });
}

/** Where the TSIG record of any message begins, which is its last one; undefined when there is none. */
export function findTsig(message: Uint8Array): number | undefined {
  const end = message.length;
  if (end < HEADER_LENGTH || readWord(message, 10) === 0) return undefined;
  let at = HEADER_LENGTH;
  for (let count = readWord(message, 4); count > 0 && at >= 0; count -= 1) {
    at = skipName(message, at, end);
    if (at < 0 || at + 4 > end) return undefined;
    at += 4;
  }
  const records = readWord(message, 6) + readWord(message, 8) + readWord(message, 10);
  for (let index = 1; index <= records; index += 1) {
    const fixed = skipName(message, at, end);
    if (fixed < 0 || fixed + RECORD_FIXED_LENGTH > end) return undefined;
    if (index === records) return readWord(message, fixed) === TYPE_TSIG ? at : undefined;
    at = fixed + RECORD_FIXED_LENGTH + readWord(message, fixed + 8);
  }
  return undefined;
}

/** The record at `offset`, which is the message's last; undefined when it is not well formed. */
export function readTsig(message: Uint8Array, offset: number): Tsig | undefined {
  const keyName = expandName(message, offset, message.length);
  if (keyName === undefined || keyName.next + 10 > message.length) return undefined;
  const { next } = keyName;
  const start = next + 10;
  const end = start + readWord(message, next + 8);
  if (readWord(message, next) !== TYPE_TSIG || end > message.length) return undefined;
  if (readWord(message, next + 2) !== CLASS_ANY) return undefined;
  // The MAC is made with a TTL of 0, whatever stands there (RFC 8945 4.2).
  if (readWord(message, next + 4) !== 0 || readWord(message, next + 6) !== 0) return undefined;
  const algorithm = expandName(message, start, end);
  if (algorithm === undefined || algorithm.next + 10 > end) return undefined;
  const at = algorithm.next;
  const macEnd = at + 10 + readWord(message, at + 8);
  if (macEnd + 6 > end) return undefined;
  const otherEnd = macEnd + 6 + readWord(message, macEnd + 4);
  if (otherEnd !== end) return undefined;
  return {
    keyName: lowerName(keyName.wire),
    algorithm: lowerName(algorithm.wire),
    signedSeconds: readSeconds(message, at),
    fudgeSeconds: readWord(message, at + 6),
    mac: new Uint8Array(message.subarray(at + 10, macEnd)),
    originalId: readWord(message, macEnd),
    error: readWord(message, macEnd + 2),
    other: new Uint8Array(message.subarray(macEnd + 6, end)),
    offset,
  };
}

/** The message as it was before it was signed (RFC 8945 4.3.2). */
export function withoutTsig(message: Uint8Array, { offset, originalId }: Tsig): Uint8Array {
  // A copy also of a Buffer, whose slice() would be the message itself.
  const unsigned = new Uint8Array(message.subarray(0, offset));
  setWord(unsigned, 0, originalId);
  setWord(unsigned, 10, readWord(message, 10) - 1);
  return unsigned;
}

/** The wire form of an algorithm's name. */
function algorithmName(algorithm: TsigAlgorithm): Uint8Array {
  return parseName(`${algorithm}.`)!;
}

type Fields = Omit<Tsig, 'mac' | 'offset'>;

function macOf(key: TsigKey, message: Uint8Array, fields: Fields, chain?: TsigChain): Uint8Array {
  const hmac = createHmac(ALGORITHMS[key.algorithm].hash, key.secret);
  if (chain !== undefined) hmac.update(words(chain.mac.length)).update(chain.mac);
  for (const each of chain?.between ?? []) hmac.update(each);
  hmac.update(message);
  const times = Buffer.concat([secondsOctets(fields.signedSeconds), words(fields.fudgeSeconds)]);
  if (chain?.isLater === true) return hmac.update(times).digest();
  hmac.update(lowerName(fields.keyName)).update(words(CLASS_ANY, 0, 0));
  hmac.update(lowerName(fields.algorithm)).update(times);
  return hmac.update(words(fields.error, fields.other.length)).update(fields.other).digest();
}

function append(message: Uint8Array, { mac, ...fields }: Fields & { mac: Uint8Array }): Uint8Array {
  const rdata = Buffer.concat([
    fields.algorithm,
    secondsOctets(fields.signedSeconds),
    words(fields.fudgeSeconds, mac.length),
    mac,
    words(fields.originalId, fields.error, fields.other.length),
    fields.other,
  ]);
  const head = words(TYPE_TSIG, CLASS_ANY, 0, 0, rdata.length);
  const signed = new Uint8Array(Buffer.concat([message, fields.keyName, head, rdata]));
  setWord(signed, 10, readWord(message, 10) + 1);
  return signed;
}

/** Numbers of 16 bits in network order. */
function words(...numbers: readonly number[]): Uint8Array {
  const octets = new Uint8Array(2 * numbers.length);
  for (const [index, number] of numbers.entries()) setWord(octets, 2 * index, number);
  return octets;
}

function setWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word >> 8;
  bytes[at + 1] = word;
}

/** 48 bits of seconds since 1970. */
function secondsOctets(seconds: number): Uint8Array {
  return words(
    Math.floor(seconds / 2 ** 32),
    Math.floor(seconds / 2 ** 16) & 0xffff,
    seconds & 0xffff,
  );
}

function readSeconds(bytes: Uint8Array, at: number): number {
  return (
    readWord(bytes, at) * 2 ** 32 + readWord(bytes, at + 2) * 2 ** 16 + readWord(bytes, at + 4)
  );
}
