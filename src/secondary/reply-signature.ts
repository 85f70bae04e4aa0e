/**
 * The signatures of a reply of many messages (RFC 8945 5.3.1): the first and the last have one, those between them at
 * least every hundredth; each covers all since the one before.
 */

import { readWord } from '../dns/message.ts';
import { rcodeName } from '../dns/mnemonic.ts';
import { findTsig, readTsig, type TsigChain, type TsigKey, verifyTsig } from '../dns/tsig.ts';

export type ReplySignatures = {
  /** Why the message cannot be trusted; undefined = it can, as far as it has come. */
  take(message: Uint8Array, nowSeconds: number): string | undefined;
  /** Whether the last message was signed, as the last of all has to be. */
  isSigned(): boolean;
};

/** Unsigned messages after each other (RFC 8945 5.3.1). */
export const UNSIGNED_MESSAGES_MAX = 99;

/** For what was asked without a key. */
export const unsignedReply: ReplySignatures = { take: () => undefined, isSigned: () => true };

/** @param requestMac of the question, which the first signature covers */
export function createReplySignatures(key: TsigKey, requestMac: Uint8Array): ReplySignatures {
  let chain: TsigChain = { mac: requestMac, between: [], isLater: false };
  let isSigned = false;
  return {
    isSigned: () => isSigned,
    take(message, nowSeconds) {
      const offset = findTsig(message);
      isSigned = offset !== undefined;
      if (offset === undefined) {
        const rcode = message.length < 4 ? 0 : readWord(message, 2) & 0xf;
        if (!chain.isLater) {
          return rcode === 0
            ? 'its answer is not signed'
            : `it answers ${rcodeName(rcode)}, without a signature`;
        }
        const between = [...chain.between, message];
        if (between.length > UNSIGNED_MESSAGES_MAX) return 'its answer is hardly signed';
        chain = { ...chain, between };
        return undefined;
      }
      const verdict = verifyTsig(message, offset, [key], nowSeconds, chain);
      if (verdict.ok) {
        chain = { mac: verdict.tsig.mac, between: [], isLater: true };
        return undefined;
      }
      // What it says of our signature tells more than that it has none of its own.
      const said = readTsig(message, offset)?.error ?? 0;
      if (said !== 0) return `it refuses the signature (${errorName(said)})`;
      return `its signature is wrong (${errorName(verdict.error)})`;
    },
  };
}

const ERRORS: Readonly<Record<number, string>> = {
  0: 'malformed',
  16: 'BADSIG',
  17: 'BADKEY',
  18: 'BADTIME',
  22: 'BADTRUNC',
};
const errorName = (error: number): string => ERRORS[error] ?? `error ${error}`;
