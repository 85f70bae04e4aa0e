/**
 * What a secondary asks: the SOA, the changes since a serial (IXFR, RFC 1995 3), all of the zone (AXFR, RFC 5936
 * 2.1). Without EDNS, which no transfer needs and some primaries refuse.
 */
import { CLASS_IN, HEADER_LENGTH, TYPE_IXFR, TYPE_SOA } from '../dns/constants.ts';
import type { ZoneContent } from '../zone/zone-content.ts';

/**
 * @param type SOA, IXFR or AXFR
 * @param copy what is there already: IXFR says its SOA
 */
export function writeTransferQuery(
  id: number,
  apex: Uint8Array,
  type: number,
  copy?: Pick<ZoneContent, 'soa'>,
): Uint8Array {
  const soa = type === TYPE_IXFR ? copy?.soa : undefined;
  const authority = soa === undefined ? 0 : apex.length + 10 + soa.rdata.length;
  const message = new Uint8Array(HEADER_LENGTH + apex.length + 4 + authority);
  const view = new DataView(message.buffer);
  view.setUint16(0, id);
  view.setUint16(4, 1);
  message.set(apex, HEADER_LENGTH);
  let at = HEADER_LENGTH + apex.length;
  view.setUint16(at, type);
  view.setUint16(at + 2, CLASS_IN);
  if (soa === undefined) return message;
  view.setUint16(8, 1);
  at += 4;
  message.set(apex, at);
  at += apex.length;
  view.setUint16(at, TYPE_SOA);
  view.setUint16(at + 2, CLASS_IN);
  view.setUint32(at + 4, soa.ttlSeconds);
  view.setUint16(at + 8, soa.rdata.length);
  message.set(soa.rdata, at + 10);
  return message;
}
