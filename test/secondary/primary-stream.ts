import { parseName } from '../../src/dns/name.ts';
import { parseRdata } from '../../src/dns/rdata/registry.ts';
import { signTsig, type TsigChain, type TsigKey } from '../../src/dns/tsig.ts';
import { typeNumber } from '../../src/dns/type-names.ts';
import type { Asked } from '../../src/secondary/reply-message.ts';
import type { ContentRecord } from '../../src/zone/zone-content.ts';

/** What a primary sends, written by hand: records by text, messages of them, signed or not. */
export const APEX = parseName('example.')!;
export const NOW = 1_780_000_000;
export const KEY: TsigKey = {
  name: parseName('key.')!,
  algorithm: 'hmac-sha256',
  secret: new Uint8Array(32).fill(5),
};
export const REQUEST_MAC = new Uint8Array(32).fill(9);

export function record(owner: string, type: string, text: string, ttlSeconds = 300): ContentRecord {
  const parsed = parseRdata(type, text, APEX);
  if (!parsed.ok) throw new Error(`${type} ${text}: ${parsed.message}`);
  return {
    owner: parseName(owner, APEX)!,
    type: typeNumber(type)!,
    ttlSeconds,
    rdata: parsed.rdata,
  };
}

export const soa = (serial: number): ContentRecord =>
  record('@', 'SOA', `ns host ${serial} 3600 600 86400 60`);
export const NS = record('@', 'NS', 'ns');
export const a = (owner: string, last: number): ContentRecord =>
  record(owner, 'A', `192.0.2.${last}`);

export function message(
  { apex, id, type }: Asked,
  records: readonly ContentRecord[],
  { flags = 0x8400, questions = 1 }: { flags?: number; questions?: number } = {},
): Uint8Array {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(flags, 2);
  head.writeUInt16BE(questions, 4);
  head.writeUInt16BE(records.length, 6);
  const question = Buffer.concat([apex, Buffer.from([type >> 8, type & 255, 0, 1])]);
  const parts = records.map(({ owner, rdata, ttlSeconds, type: own }) => {
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(own, 0);
    fixed.writeUInt16BE(1, 2);
    fixed.writeUInt32BE(ttlSeconds, 4);
    fixed.writeUInt16BE(rdata.length, 8);
    return Buffer.concat([owner, fixed, rdata]);
  });
  return new Uint8Array(Buffer.concat([head, ...(questions === 1 ? [question] : []), ...parts]));
}

/** Signs every `every`-th message, the first and the last (RFC 8945 5.3.1). */
export function signStream(messages: readonly Uint8Array[], every = 1): readonly Uint8Array[] {
  let chain: TsigChain = { mac: REQUEST_MAC, between: [], isLater: false };
  return messages.map((each, index) => {
    if (index % every !== 0 && index < messages.length - 1) {
      chain = { ...chain, between: [...chain.between, each] };
      return each;
    }
    const made = signTsig(each, KEY, NOW, chain);
    chain = { mac: made.mac, between: [], isLater: true };
    return made.message;
  });
}
