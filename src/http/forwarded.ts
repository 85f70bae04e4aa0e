import { FIELD } from './fields.ts';

/**
 * Who the client was, told to the origin: X-Forwarded-For, -Proto and -Host. What an untrusted peer
 * claims about itself is dropped, with every relative of these fields, and replaced; a trusted peer
 * (another balancer) is believed and extended.
 */

export type ForwardedFields = {
  readonly for: string;
  readonly proto: string;
  readonly host: string;
};

/** @param received what the peer sent; `undefined` members are absent fields */
export function forwardedFields(
  peer: { readonly address: string; readonly proto: string; readonly host: string },
  received: { readonly for?: string; readonly proto?: string; readonly host?: string },
  trusted: boolean,
): ForwardedFields {
  if (!trusted) return { for: peer.address, proto: peer.proto, host: peer.host };
  const chain = received.for === undefined || received.for === '' ? [] : [received.for];
  return {
    for: [...chain, peer.address].join(', '),
    proto: received.proto ?? peer.proto,
    host: received.host ?? peer.host,
  };
}

/** Fields that claim who the client is, by code. */
export function claimsIdentity(code: number): boolean {
  return code >= FIELD.xForwardedFor && code <= FIELD.forwarded;
}
