/** What OPT of a reply carries besides the client subnet and an error: fields of the reused Reply record. */
export type EdnsReply = {
  /** Client and server cookie (RFC 7873 5.2), when `hasCookie`. */
  readonly cookie: Uint8Array;
  hasCookie: boolean;
  /** Who answers (RFC 5001). */
  nsid: Uint8Array | undefined;
  /** How long an idle connection stays, in units of 100 ms (RFC 7828 3.1); -1 = nothing is said. */
  keepalive: number;
  /** Name of the agent that hears of errors, in wire form (RFC 9567 5). */
  reportChannel: Uint8Array | undefined;
  /** The message's length becomes a multiple of this (RFC 8467 4.1); 0 = no padding. */
  paddingBlock: number;
};

export const COOKIE_REPLY_LENGTH = 24;

export function createEdnsReply(): EdnsReply {
  return {
    cookie: new Uint8Array(COOKIE_REPLY_LENGTH),
    hasCookie: false,
    nsid: undefined,
    keepalive: -1,
    reportChannel: undefined,
    paddingBlock: 0,
  };
}

export function clearEdns(reply: EdnsReply): void {
  reply.hasCookie = false;
  reply.nsid = undefined;
  reply.keepalive = -1;
  reply.reportChannel = undefined;
  reply.paddingBlock = 0;
}
