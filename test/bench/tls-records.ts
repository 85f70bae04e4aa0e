import type { Socket } from 'node:net';

/**
 * Makes each write a TLS record of its own, as programs in C send their queries. Node joins writes that have to wait
 * into one record, and NSD 4.6 answers one query of a record whenever bytes come, so the others would wait for the
 * next ones.
 */
export function writeRecordByRecord(socket: Socket): void {
  // Without it a stream of Node's writes one chunk after the other.
  (socket as { _writev: unknown })._writev = undefined;
}
