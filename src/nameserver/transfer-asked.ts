/** Whether a query asks for a copy of a zone, in a way that is answered. */
import { CLASS_IN, TYPE_AXFR, TYPE_IXFR } from '../dns/constants.ts';
import type { Query } from '../dns/message.ts';
import { type Client, TRANSPORT_TCP, TRANSPORT_TLS, TRANSPORT_UDP } from './client.ts';
import type { Snapshot } from './snapshot.ts';

export type TransferAsked = typeof TRANSFER_NONE | typeof TRANSFER_STREAM | typeof TRANSFER_BEGUN;
/** No transfer, or no way to have one. */
export const TRANSFER_NONE = 0;
/** Over a stream of DNS, from a server that is copied by anybody at all. */
export const TRANSFER_STREAM = 1;
/**
 * With a datagram, to be asked again over a stream (RFC 1995 2). AXFR never begins so (RFC 5936 4.2).
 */
export const TRANSFER_BEGUN = 2;

export function transferAsked(
  { transfers }: Pick<Snapshot, 'transfers'>,
  { qclass, qtype }: Query,
  { transport }: Client,
): TransferAsked {
  const isTransfer = qclass === CLASS_IN && (qtype === TYPE_AXFR || qtype === TYPE_IXFR);
  if (!isTransfer || transfers.length === 0) return TRANSFER_NONE;
  if (transport === TRANSPORT_TCP || transport === TRANSPORT_TLS) return TRANSFER_STREAM;
  return transport === TRANSPORT_UDP && qtype === TYPE_IXFR ? TRANSFER_BEGUN : TRANSFER_NONE;
}
