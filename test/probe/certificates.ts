import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/**
 * X.509 certificates for tests, made on the spot: Node can read certificates but not issue them. Just
 * enough DER (ITU-T X.690) for RFC 5280 certificates with P-256 keys.
 */
export type Certificate = { readonly key: string; readonly cert: string };
export type Authority = {
  readonly cert: string;
  issue(names: readonly string[], validFor?: Validity): Certificate;
};
/** Days from now; negative = in the past. */
export type Validity = { readonly fromDays?: number; readonly toDays?: number };

export function createAuthority(name = 'Test CA'): Authority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = distinguishedName(name);
  const issueAs = (
    publicKey: KeyObject,
    to: Buffer,
    extensions: readonly Buffer[],
    { fromDays = -30, toDays = 90 }: Validity,
  ): string => {
    const body = sequence(
      explicit(0, integer(2)),
      integer(serial++),
      ECDSA_SHA256,
      subject,
      sequence(time(fromDays), time(toDays)),
      to,
      publicKey.export({ type: 'spki', format: 'der' }),
      explicit(3, sequence(...extensions)),
    );
    const signature = sign('sha256', body, keys.privateKey);
    return pem(sequence(body, ECDSA_SHA256, tagged(0x03, Buffer.from([0]), signature)));
  };
  const isCa = extension('2.5.29.19', sequence(tagged(0x01, Buffer.from([0xff]))));
  return {
    cert: issueAs(keys.publicKey, subject, [isCa], { fromDays: -400, toDays: 400 }),
    issue(names, validFor = {}) {
      const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const alternatives = sequence(...names.map(generalName));
      const cert = issueAs(
        own.publicKey,
        distinguishedName(names[0] ?? 'nobody'),
        [extension('2.5.29.17', alternatives)],
        validFor,
      );
      return { cert, key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
    },
  };
}

let serial = 1;
const DAY_MS = 86_400_000;
const ECDSA_SHA256 = sequence(objectId('1.2.840.10045.4.3.2'));

function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

function explicit(tag: number, content: Buffer): Buffer {
  return tagged(0xa0 | tag, content);
}

/** Of one octet: 0 to 127. */
function integer(value: number): Buffer {
  return tagged(0x02, Buffer.from([value]));
}

function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const octets = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    octets.push(...digits);
  }
  return tagged(0x06, Buffer.from(octets));
}

function distinguishedName(name: string): Buffer {
  const attribute = sequence(objectId('2.5.4.3'), tagged(0x0c, Buffer.from(name)));
  return sequence(tagged(0x31, attribute));
}

function time(days: number): Buffer {
  const digits = new Date(Date.now() + days * DAY_MS).toISOString().replace(/[-:T]|\.\d+/g, '');
  return tagged(0x18, Buffer.from(digits));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(objectId(id), tagged(0x04, value));
}

/** A DNS name, or an address. */
function generalName(name: string): Buffer {
  if (name === '::1') return tagged(0x87, Buffer.from([...Array(15).fill(0), 1]));
  if (/^[0-9.]+$/.test(name)) return tagged(0x87, Buffer.from(name.split('.').map(Number)));
  return tagged(0x82, Buffer.from(name));
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
