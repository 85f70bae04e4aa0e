import type { Token } from '../token.ts';

/**
 * The contract of a record type: how its rdata is read from master-file text, written as text, and
 * where names stand in it. One file per type, one line in registry.ts.
 */

/** Rdata as uncompressed wire bytes, or why the text is not valid, with what to write instead. */
export type RdataResult = { readonly ok: true; readonly rdata: Uint8Array } | RdataProblem;
export type RdataProblem = { readonly ok: false; readonly message: string; readonly hint?: string };

/**
 * Where names stand in the rdata: `names` of them in a row after `before` octets; the rest is plain.
 * `compress`: a writer may compress them (RFC 3597 4). A reader always expands them.
 */
export type NameLayout = {
  readonly before: number;
  readonly names: number;
  readonly compress: boolean;
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
  /** Undefined when there are no names in the rdata. */
  readonly layout: NameLayout | undefined;
  /** Reads the fields; relative names are completed by `origin`. */
  parse(tokens: readonly Token[], origin: Uint8Array | undefined): RdataResult;
  /** Master-file text of uncompressed rdata; undefined when they are not well formed. */
  format(rdata: Uint8Array): string | undefined;
};
