import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  timingSafeEqual,
} from 'node:crypto';
import { z } from 'zod';

/**
 * Secrets as they lie on disks and in stores: AES-256-GCM under keys derived from the cluster key. The
 * name and the stamp of a value are sealed in with it, so nobody who can write to the store can put one
 * secret in the place of another, or an old one in the place of a new one.
 */
export type Keyring = {
  /** Short public names of the keys, the sealing one first. */
  readonly keyIds: readonly string[];
  /** Seals with the first key; undefined when there is no key. */
  seal(bytes: Uint8Array, name: string, stamp: string, nowMs: number): string | undefined;
  open(sealed: string, name: string, stamp: string): Opened;
  /** Proof that somebody with the first key has said this; '' when there is no key. */
  sign(text: string): string;
  /** True when one of the keys has signed it, or when there is none. */
  isGenuine(text: string, signature: string): boolean;
};

export type Opened =
  | {
      readonly ok: true;
      readonly bytes: Uint8Array;
      /** Whether the first key has sealed it. */
      readonly isCurrent: boolean;
      readonly sealedAtMs: number;
    }
  | { readonly ok: false; readonly reason: string };

/** Largest secret: bundles of certificates are far smaller. */
export const SECRET_BYTES_MAX = 256 * 1024;
/** SP 800-38D section 8.2.2: 96 random bits per sealing, far below 2^32 sealings of one key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const ID_BYTES = 4;
const SEAL_CONTEXT = 'meridian sealed facts 1';
const SIGN_CONTEXT = 'meridian signed facts 1';
const ID_CONTEXT = 'meridian key id 1';

type Key = { readonly id: string; readonly key: Uint8Array };

/**
 * @param keyTexts what the configuration gives: the first seals, all open
 * @param drawBytes random bytes, fit for keys
 */
export function createKeyring(
  keyTexts: readonly string[],
  drawBytes: (count: number) => Uint8Array,
): Keyring {
  const keys = keyTexts.map(deriveKey);
  const signers = keyTexts.map((text) => derive(text, SIGN_CONTEXT, KEY_BYTES));
  const signed = (text: string, key: Uint8Array): Buffer =>
    createHmac('sha256', key).update(text).digest();
  return {
    keyIds: keys.map(({ id }) => id),
    seal(bytes, name, stamp, nowMs) {
      const first = keys[0];
      if (first === undefined || bytes.length > SECRET_BYTES_MAX) return undefined;
      const nonce = drawBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', first.key, nonce);
      cipher.setAAD(boundTo(name, stamp, nowMs));
      const data = Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
      const envelope = { key: first.id, atMs: nowMs, nonce: toText(nonce), data: toText(data) };
      return JSON.stringify(envelope);
    },
    sign: (text) => (signers[0] === undefined ? '' : signed(text, signers[0]).toString('hex')),
    isGenuine(text, signature) {
      const told = Buffer.from(signature, 'hex');
      const isBy = (key: Uint8Array): boolean => {
        const own = signed(text, key);
        return told.length === own.length && timingSafeEqual(told, own);
      };
      return signers.length === 0 || signers.some(isBy);
    },
    open(sealed, name, stamp) {
      const envelope = readEnvelope(sealed);
      if (envelope === undefined) return { ok: false, reason: `${name} is not a sealed value` };
      const index = keys.findIndex(({ id }) => id === envelope.key);
      const key = keys[index];
      if (key === undefined) {
        const own = keys.length === 0 ? 'none' : keys.map(({ id }) => id).join(', ');
        return {
          ok: false,
          reason: `${name} is sealed with key ${envelope.key}, which this node does not have (it has ${own}); check cluster.keys`,
        };
      }
      const bytes = unseal(envelope, key.key, name, stamp);
      if (bytes === undefined) {
        const reason = `${name} does not open with key ${key.id}: it is damaged, or was put here from another place or time`;
        return { ok: false, reason };
      }
      return { ok: true, bytes, isCurrent: index === 0, sealedAtMs: envelope.atMs };
    },
  };
}

const envelopeSchema = z.strictObject({
  key: z.string().regex(/^[0-9a-f]{8}$/),
  atMs: z.number(),
  nonce: z.base64().max(64),
  data: z.base64().max(2 * SECRET_BYTES_MAX),
});
type Envelope = z.output<typeof envelopeSchema>;

function readEnvelope(sealed: string): Envelope | undefined {
  try {
    return envelopeSchema.safeParse(JSON.parse(sealed)).data;
  } catch {
    // Not JSON: not sealed.
    return undefined;
  }
}

function unseal(
  { atMs, data: dataText, nonce: nonceText }: Envelope,
  key: Uint8Array,
  name: string,
  stamp: string,
): Uint8Array | undefined {
  const nonce = Buffer.from(nonceText, 'base64');
  const data = Buffer.from(dataText, 'base64');
  if (nonce.length !== NONCE_BYTES || data.length < TAG_BYTES) return undefined;
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(boundTo(name, stamp, atMs));
    decipher.setAuthTag(data.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(data.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch {
    // What GCM says of a value that was changed.
    return undefined;
  }
}

function boundTo(name: string, stamp: string, atMs: number): Uint8Array {
  return Buffer.from(`${name}\n${stamp}\n${atMs}`);
}

/** RFC 5869. The text is long and random (cluster-schema.ts demands it), so no slow derivation is needed. */
function deriveKey(text: string): Key {
  const id = Buffer.from(derive(text, ID_CONTEXT, ID_BYTES)).toString('hex');
  return { id, key: derive(text, SEAL_CONTEXT, KEY_BYTES) };
}

function derive(text: string, context: string, count: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', text, '', context, count));
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
