import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  timingSafeEqual,
} from 'node:crypto';

/**
 * Authenticated, replay-proof datagrams between nodes without clocks that agree.
 *
 *   HELLO   my name, my boot id (random, one per life of a process), a fresh nonce, and the boot id
 *           and nonce that it answers; authenticated with the cluster key
 *   DATA    sealed with a key derived from the cluster key and both boot ids, numbered
 *
 * A HELLO that echoes a nonce which I made moments ago for that address can only come from a process
 * that lives now, at that address, and knows the key; then its boot id is trusted and DATA between the
 * two boots is opened. An old HELLO proves nothing and changes nothing; old DATA is of another boot
 * (another key) or has a number that was seen. Replies are as long as what they answer, so nobody can
 * be flooded through a node. A nonce is its own memory: the time it was made at and a MAC over that
 * and the address, so that strangers cost nothing but a reply.
 *
 * Everything here is a function of bytes; who sends when is peers.ts.
 */

/** A cluster key as it is used: never the text itself. */
export type SessionKey = {
  /** First byte of its digest: which key sealed a datagram. */
  readonly id: number;
  readonly hello: Buffer;
  readonly data: Buffer;
};

export type Hello = {
  readonly name: string;
  readonly boot: Buffer;
  readonly nonce: Buffer;
  /** The nonce and boot id of the HELLO that it answers; zeros when it answers none. */
  readonly echoNonce: Buffer;
  readonly echoBoot: Buffer;
};

/** Numbers seen lately: each is accepted once, and those too old never. */
export type ReplayWindow = { highest: number; seen: bigint };

/** What nonces are made with: random, one per life of a process. */
export type NonceSecret = Uint8Array;

export const BOOT_BYTES = 16;
export const NONCE_BYTES = 16;
export const NONCE_SECRET_BYTES = 32;
/** A nonce proves freshness for this long. */
export const NONCE_LIFE_MS = 10_000;
/** Longest name of a node, as wire-codecs.ts has it. */
export const HELLO_NAME_BYTES_MAX = 255;
/** How far a datagram may be overtaken. */
export const REPLAY_WINDOW = 256;

const MAGIC = Buffer.from('MRD1');
const TYPE_HELLO = 1;
const TYPE_DATA = 2;
const MAC_BYTES = 16;
const NONCE_TIME_BYTES = 6;
const TAG_BYTES = 16;
const COUNTER_BYTES = 6;
const IV_BYTES = 12;
const SENDER_BYTES = 8;
const HEAD_BYTES = MAGIC.length + 1;
const NAME_AT = HEAD_BYTES;
const BOOT_AT = NAME_AT + 1 + HELLO_NAME_BYTES_MAX;
const NONCE_AT = BOOT_AT + BOOT_BYTES;
const ECHO_NONCE_AT = NONCE_AT + NONCE_BYTES;
const ECHO_BOOT_AT = ECHO_NONCE_AT + NONCE_BYTES;
const MAC_AT = ECHO_BOOT_AT + BOOT_BYTES;
/** All HELLOs have one length: a reply is never longer than what it answers. */
export const HELLO_BYTES = MAC_AT + MAC_BYTES;
const DATA_SENDER_AT = HEAD_BYTES + 1;
const DATA_COUNTER_AT = DATA_SENDER_AT + SENDER_BYTES;
const DATA_AT = DATA_COUNTER_AT + COUNTER_BYTES;
/** What sealing adds to a frame. */
export const SEAL_BYTES = DATA_AT + TAG_BYTES;
const COUNTER_MAX = 2 ** (8 * COUNTER_BYTES) - 1;
const KEY_BYTES = 32;

/** Derives what is used from a cluster key's text (RFC 5869). */
export function deriveSessionKey(text: string): SessionKey {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', text, '', `meridian peers ${purpose}`, KEY_BYTES));
  const id = createHash('sha256').update(derive('id')).digest()[0]!;
  return { id, hello: derive('hello'), data: derive('data') };
}

export function encodeHello(hello: Hello, key: SessionKey): Buffer {
  const bytes = Buffer.alloc(HELLO_BYTES);
  MAGIC.copy(bytes);
  bytes[MAGIC.length] = TYPE_HELLO;
  const name = Buffer.from(hello.name).subarray(0, HELLO_NAME_BYTES_MAX);
  bytes[NAME_AT] = name.length;
  name.copy(bytes, NAME_AT + 1);
  hello.boot.copy(bytes, BOOT_AT);
  hello.nonce.copy(bytes, NONCE_AT);
  hello.echoNonce.copy(bytes, ECHO_NONCE_AT);
  hello.echoBoot.copy(bytes, ECHO_BOOT_AT);
  macOf(bytes, key).copy(bytes, MAC_AT);
  return bytes;
}

/** The HELLO, when one of the keys vouches for it; and that key. */
export function openHello(
  bytes: Uint8Array,
  keys: readonly SessionKey[],
): { readonly hello: Hello; readonly key: SessionKey } | undefined {
  if (bytes.length !== HELLO_BYTES || typeOf(bytes) !== TYPE_HELLO) return undefined;
  const data = Buffer.from(bytes);
  const mac = data.subarray(MAC_AT);
  const key = keys.find((each) => timingSafeEqual(macOf(data, each), mac));
  const nameLength = data[NAME_AT]!;
  if (key === undefined || nameLength === 0 || nameLength > HELLO_NAME_BYTES_MAX) return undefined;
  const hello = {
    name: data.toString('utf8', NAME_AT + 1, NAME_AT + 1 + nameLength),
    boot: data.subarray(BOOT_AT, NONCE_AT),
    nonce: data.subarray(NONCE_AT, ECHO_NONCE_AT),
    echoNonce: data.subarray(ECHO_NONCE_AT, ECHO_BOOT_AT),
    echoBoot: data.subarray(ECHO_BOOT_AT, MAC_AT),
  };
  return { hello, key };
}

/** A nonce for who is at this address. */
export function makeNonce(secret: NonceSecret, address: string, nowMs: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(timeOf(nowMs), 0, NONCE_TIME_BYTES);
  nonceMac(secret, address, nonce).copy(nonce, NONCE_TIME_BYTES);
  return nonce;
}

/**
 * When the nonce was made for this address, in milliseconds; undefined when it was not, or is older
 * than NONCE_LIFE_MS. Of two that one address shows, only the later one proves anything.
 */
export function readNonce(
  nonce: Buffer,
  { address, nowMs, secret }: NonceCheck,
): number | undefined {
  const madeMs = nonce.readUIntBE(0, NONCE_TIME_BYTES);
  const ageMs = timeOf(nowMs) - madeMs;
  if (ageMs < 0 || ageMs > NONCE_LIFE_MS) return undefined;
  const mac = nonceMac(secret, address, nonce);
  return timingSafeEqual(mac, nonce.subarray(NONCE_TIME_BYTES)) ? madeMs : undefined;
}

export type NonceCheck = {
  readonly secret: NonceSecret;
  readonly address: string;
  readonly nowMs: number;
};

const timeOf = (nowMs: number): number => Math.max(0, Math.floor(nowMs)) % 2 ** 48;

function nonceMac(secret: NonceSecret, address: string, nonce: Buffer): Buffer {
  const mac = createHmac('sha256', secret).update(nonce.subarray(0, NONCE_TIME_BYTES));
  return mac
    .update(address)
    .digest()
    .subarray(0, NONCE_BYTES - NONCE_TIME_BYTES);
}

/** The key of DATA from one boot to another. */
export function deriveDataKey(key: SessionKey, from: Uint8Array, to: Uint8Array): Buffer {
  const salt = Buffer.concat([from, to]);
  return Buffer.from(hkdfSync('sha256', key.data, salt, 'meridian peers data', KEY_BYTES));
}

/**
 * A frame as a datagram.
 * @param counter of this sender under this data key, never used twice, at most 2^48 - 1
 */
export function sealData(frame: Uint8Array, { boot, counter, dataKey, keyId }: Sealing): Buffer {
  if (counter > COUNTER_MAX) throw new Error('the numbers of this data key are used up');
  const head = Buffer.alloc(DATA_AT);
  MAGIC.copy(head);
  head[MAGIC.length] = TYPE_DATA;
  head[HEAD_BYTES] = keyId;
  Buffer.from(boot).copy(head, DATA_SENDER_AT, 0, SENDER_BYTES);
  head.writeUIntBE(counter, DATA_COUNTER_AT, COUNTER_BYTES);
  const cipher = createCipheriv('aes-256-gcm', dataKey, ivOf(counter), {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(head);
  return Buffer.concat([head, cipher.update(frame), cipher.final(), cipher.getAuthTag()]);
}

export type Sealing = {
  /** The sender's boot id. */
  readonly boot: Uint8Array;
  readonly counter: number;
  readonly dataKey: Uint8Array;
  readonly keyId: number;
};

/** What a datagram says of itself before it is believed; undefined when it is no DATA. */
export function readDataHead(
  bytes: Uint8Array,
): { readonly sender: string; readonly keyId: number; readonly counter: number } | undefined {
  if (bytes.length < SEAL_BYTES || typeOf(bytes) !== TYPE_DATA) return undefined;
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    keyId: data[HEAD_BYTES]!,
    sender: data.toString('latin1', DATA_SENDER_AT, DATA_COUNTER_AT),
    counter: data.readUIntBE(DATA_COUNTER_AT, COUNTER_BYTES),
  };
}

/** How a sender is named in the head of its DATA. */
export const senderOf = (boot: Uint8Array): string =>
  Buffer.from(boot).toString('latin1', 0, SENDER_BYTES);

/** The frame in a datagram; undefined when the key does not open it. */
export function openData(bytes: Uint8Array, dataKey: Uint8Array): Uint8Array | undefined {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const counter = data.readUIntBE(DATA_COUNTER_AT, COUNTER_BYTES);
  const tagAt = data.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', dataKey, ivOf(counter), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(data.subarray(0, DATA_AT));
  decipher.setAuthTag(data.subarray(tagAt));
  try {
    return Buffer.concat([decipher.update(data.subarray(DATA_AT, tagAt)), decipher.final()]);
  } catch {
    // Not sealed with this key, or changed on the way.
    return undefined;
  }
}

/** @param highest numbers up to this one were shown before; -1 = none was */
export const createReplayWindow = (highest = -1): ReplayWindow => ({
  highest,
  seen: highest < 0 ? 0n : BigInt.asUintN(REPLAY_WINDOW, -1n),
});

/** True when the number was not shown yet and is not older than the window. */
export function isNew({ highest, seen }: ReplayWindow, counter: number): boolean {
  if (counter > highest) return true;
  const behind = highest - counter;
  return behind < REPLAY_WINDOW && (seen & (1n << BigInt(behind))) === 0n;
}

/** True the first time that a number is shown, unless it is older than the window. */
export function acceptOnce(window: ReplayWindow, counter: number): boolean {
  if (!isNew(window, counter)) return false;
  const ahead = counter - window.highest;
  if (ahead > 0) {
    const kept = ahead >= REPLAY_WINDOW ? 0n : window.seen << BigInt(ahead);
    window.seen = BigInt.asUintN(REPLAY_WINDOW, kept | 1n);
    window.highest = counter;
    return true;
  }
  window.seen |= 1n << BigInt(-ahead);
  return true;
}

export const isHello = (bytes: Uint8Array): boolean => typeOf(bytes) === TYPE_HELLO;

function typeOf(bytes: Uint8Array): number | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  for (const [index, byte] of MAGIC.entries()) if (bytes[index] !== byte) return undefined;
  return bytes[MAGIC.length];
}

function macOf(bytes: Buffer, key: SessionKey): Buffer {
  const mac = createHmac('sha256', key.hello).update(bytes.subarray(0, MAC_AT)).digest();
  return mac.subarray(0, MAC_BYTES);
}

/** RFC 5116 section 3.2: the number of the datagram, never used twice under one key. */
function ivOf(counter: number): Buffer {
  const iv = Buffer.alloc(IV_BYTES);
  iv.writeUIntBE(counter, IV_BYTES - COUNTER_BYTES, COUNTER_BYTES);
  return iv;
}
