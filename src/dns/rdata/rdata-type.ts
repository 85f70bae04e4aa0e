import type { RdataField } from '../rdata-fields.ts';
import type { Token } from '../token.ts';

/**
 * The contract of a record type: how its rdata is read from master-file text, written as text, and
 * what they are made of. One file per type, one line in registry.ts; define-type.ts makes one of a
 * list of fields.
 */

/** Rdata as uncompressed wire bytes, or why the text is not valid, with what to write instead. */
export type RdataResult = { readonly ok: true; readonly rdata: Uint8Array } | RdataProblem;
export type RdataProblem = {
  readonly ok: false;
  readonly message: string;
  readonly hint?: string;
  /** Index of the token that it is about, when it is about one. */
  readonly field?: number;
};

export type RdataType = {
  /** The type's number in messages. */
  readonly type: number;
  /** Its mnemonic, upper case: `MX`. */
  readonly kind: string;
  /** One line for the manual. */
  readonly summary: string;
  /** The fields of the text form, for messages and the manual: `<preference> <host>`. */
  readonly syntax: string;
  /** What the rdata are made of, in order; names among them are what a reader has to expand. */
  readonly fields: readonly RdataField[];
  /** Names in the rdata are signed and compared in lower case (RFC 4034 6.2, RFC 6840 5.1). */
  readonly lowersNames: boolean;
  /** Reads the fields; relative names are completed by `origin`. */
  parse(tokens: readonly Token[], origin: Uint8Array | undefined): RdataResult;
  /** Master-file text of uncompressed rdata; undefined when they are not well formed. */
  format(rdata: Uint8Array): string | undefined;
};
