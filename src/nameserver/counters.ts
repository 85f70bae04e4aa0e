/**
 * Which slot of a worker's counter row counts what. The row is shared memory with a single writer
 * (telemetry/counters.ts); a count is one addition. Answers per endpoint follow the fixed slots, so a
 * row made for fewer endpoints than a later snapshot has still counts all it has room for: a store
 * beyond a typed array's end does nothing.
 */

import { TYPE_A, TYPE_AAAA } from '../dns/constants.ts';
import type { CounterRow } from '../telemetry/counters.ts';
import type { Transport } from './client.ts';
import { DURATION_SLOTS } from './durations.ts';

/** Queries by transport. */
export const COUNT_QUERIES_UDP = 0;
export const COUNT_QUERIES_TCP = 1;
/** Questions by type, of queries that could be parsed. */
export const COUNT_TYPE_A = 2;
export const COUNT_TYPE_AAAA = 3;
export const COUNT_TYPE_OTHER = 4;
/** Responses by RCODE, withheld ones too; the slot of an RCODE is COUNT_RCODE + min(rcode, 7), BADVERS being above. */
export const COUNT_RCODE = 5;
export const COUNT_RCODE_OTHER = 12;
/** Responses with TC. */
export const COUNT_TRUNCATED = 13;
/** Without any response: too short, themselves responses, from ports that nobody asks from, or more than the socket took replies for. */
export const COUNT_DROPPED = 14;
/** Queries with a client subnet that could be used. */
export const COUNT_CLIENT_SUBNET = 15;
/** Referrals to a delegated zone. */
export const COUNT_DELEGATIONS = 16;
/** Positive answers with sorry addresses. */
export const COUNT_SORRY = 17;
/** Queries for an explanation that were handed to the main thread, and those that nobody had time for. */
export const COUNT_DEFERRED = 18;
export const COUNT_DEFERRED_DROPPED = 19;
/** Responses that a client network had too many of: sent empty with TC, and not sent. */
export const COUNT_LIMITED_SLIPPED = 20;
export const COUNT_LIMITED_WITHHELD = 21;
/** Queries with a server cookie of ours, and with one that is not good. */
export const COUNT_COOKIES_GOOD = 22;
export const COUNT_COOKIES_BAD = 23;
/** Octets of queries and responses over UDP: what is sent may be meant for somebody else. */
export const COUNT_UDP_RECEIVED = 24;
export const COUNT_UDP_SENT = 25;
/** Connections that were taken, and those of clients that had too many, or of nobody who may come. */
export const COUNT_CONNECTIONS = 26;
export const COUNT_CONNECTIONS_REFUSED = 27;
/** Connections that we closed: too long without a query, for what no client says, and to make room for another. */
export const COUNT_CLOSED_IDLE = 28;
export const COUNT_CLOSED_GARBAGE = 29;
export const COUNT_CLOSED_FOR_OTHERS = 37;
/** Times that a client had asked too much over its connections: it had to wait, or to ask again (HTTPS). */
export const COUNT_STREAM_LIMITED = 30;
/** Requests for a copy of a zone that were granted, and those by who may not or when too many were under way. */
export const COUNT_TRANSFERS = 31;
export const COUNT_TRANSFERS_REFUSED = 32;
/** Queries with a signature of a key of ours, and with one that is not good. */
export const COUNT_SIGNED_GOOD = 33;
export const COUNT_SIGNED_BAD = 34;
/** Queries whose answer was signed when it was asked for, and those for which nobody had time. */
export const COUNT_COLD = 35;
export const COUNT_COLD_BUSY = 36;
/** Updates that a key has signed and that were handed to the main thread, and those that nobody had time for. */
export const COUNT_UPDATES = 38;
export const COUNT_UPDATES_DROPPED = 39;
/** NOTIFYs for copied zones that were handed to the main thread, and those that nobody had time for. */
export const COUNT_NOTIFIES = 40;
export const COUNT_NOTIFIES_DROPPED = 41;
/** Requests over HTTP that were not answered with a DNS message: no query, too long, or too many. */
export const COUNT_HTTP_REFUSED = 42;
/** Connections that ended before they had anything to say: a handshake of TLS that failed. */
export const COUNT_CLOSED_HANDSHAKE = 43;
/** Queries, and connections, of those in `deny`; and queries of those who are not in `allow`. */
export const COUNT_DENIED = 44;
export const COUNT_NOT_ALLOWED = 45;
/** Queries over TLS and HTTPS. */
export const COUNT_QUERIES_TLS = 46;
export const COUNT_QUERIES_HTTPS = 47;
/** Replies that the kernel did not take. */
export const COUNT_UNSENT = 48;
/** Times that a worker was handed datagrams, by how many came together: 1, 2-3, 4-7, 8-15, 16-31, 32. */
export const COUNT_BATCHES = 49;
/** Events for dnstap: sent, not sent because the collector had gone, and those that there was no room for. */
export const COUNT_DNSTAP_WRITTEN = 55;
export const COUNT_DNSTAP_LOST = 56;
export const COUNT_DNSTAP_DROPPED = 57;
/** How long queries took, of a sample (durations.ts): over UDP, and over streams. */
export const COUNT_DURATIONS_UDP = 58;
export const COUNT_DURATIONS_STREAM = COUNT_DURATIONS_UDP + DURATION_SLOTS;
/** Positive steered answers whose first address is that of endpoint i: slot COUNT_ANSWERS + i. */
export const COUNT_ANSWERS = COUNT_DURATIONS_STREAM + DURATION_SLOTS;

export type CounterSlot = {
  readonly slot: number;
  /** Name of the metric without the program's prefix, and its label. */
  readonly metric: string;
  readonly label: string;
  readonly value: string;
};

const BATCH_SIZES = ['1', '3', '7', '15', '31', '32'];
const RCODES = ['noerror', 'formerr', 'servfail', 'nxdomain', 'notimp', 'refused', 'yxdomain'];

/** The first slot of each histogram of durations (durations.ts), by what it is of. */
export const durationSlots: readonly { readonly slot: number; readonly transport: string }[] = [
  { slot: COUNT_DURATIONS_UDP, transport: 'udp' },
  { slot: COUNT_DURATIONS_STREAM, transport: 'stream' },
];

/** Every other fixed slot with the metric that it is shown as; labels are empty where there is one only. */
export const counterSlots: readonly CounterSlot[] = [
  named(COUNT_QUERIES_UDP, 'dns_queries_total', 'transport', 'udp'),
  named(COUNT_QUERIES_TCP, 'dns_queries_total', 'transport', 'tcp'),
  named(COUNT_QUERIES_TLS, 'dns_queries_total', 'transport', 'tls'),
  named(COUNT_QUERIES_HTTPS, 'dns_queries_total', 'transport', 'https'),
  named(COUNT_DENIED, 'dns_denied_total', '', ''),
  named(COUNT_NOT_ALLOWED, 'dns_not_allowed_total', '', ''),
  named(COUNT_TYPE_A, 'dns_questions_total', 'type', 'a'),
  named(COUNT_TYPE_AAAA, 'dns_questions_total', 'type', 'aaaa'),
  named(COUNT_TYPE_OTHER, 'dns_questions_total', 'type', 'other'),
  ...RCODES.map((name, rcode) => named(COUNT_RCODE + rcode, 'dns_responses_total', 'rcode', name)),
  named(COUNT_RCODE_OTHER, 'dns_responses_total', 'rcode', 'other'),
  named(COUNT_TRUNCATED, 'dns_truncated_total', '', ''),
  named(COUNT_DROPPED, 'dns_dropped_total', '', ''),
  named(COUNT_CLIENT_SUBNET, 'dns_client_subnet_total', '', ''),
  named(COUNT_DELEGATIONS, 'dns_delegations_total', '', ''),
  named(COUNT_SORRY, 'dns_sorry_total', '', ''),
  named(COUNT_DEFERRED, 'dns_explain_queries_total', 'result', 'taken'),
  named(COUNT_DEFERRED_DROPPED, 'dns_explain_queries_total', 'result', 'dropped'),
  named(COUNT_UPDATES, 'dns_updates_total', 'result', 'taken'),
  named(COUNT_UPDATES_DROPPED, 'dns_updates_total', 'result', 'dropped'),
  named(COUNT_NOTIFIES, 'dns_notifies_total', 'result', 'taken'),
  named(COUNT_NOTIFIES_DROPPED, 'dns_notifies_total', 'result', 'dropped'),
  named(COUNT_LIMITED_SLIPPED, 'dns_rate_limited_total', 'result', 'slipped'),
  named(COUNT_LIMITED_WITHHELD, 'dns_rate_limited_total', 'result', 'withheld'),
  named(COUNT_COOKIES_GOOD, 'dns_cookies_total', 'result', 'good'),
  named(COUNT_COOKIES_BAD, 'dns_cookies_total', 'result', 'bad'),
  named(COUNT_UDP_RECEIVED, 'dns_udp_bytes_total', 'direction', 'received'),
  named(COUNT_UDP_SENT, 'dns_udp_bytes_total', 'direction', 'sent'),
  named(COUNT_CONNECTIONS, 'dns_connections_total', 'result', 'taken'),
  named(COUNT_CONNECTIONS_REFUSED, 'dns_connections_total', 'result', 'refused'),
  named(COUNT_CLOSED_IDLE, 'dns_connections_closed_total', 'reason', 'idle'),
  named(COUNT_CLOSED_GARBAGE, 'dns_connections_closed_total', 'reason', 'garbage'),
  named(COUNT_CLOSED_HANDSHAKE, 'dns_connections_closed_total', 'reason', 'handshake'),
  named(COUNT_HTTP_REFUSED, 'dns_http_refused_total', '', ''),
  named(COUNT_CLOSED_FOR_OTHERS, 'dns_connections_closed_total', 'reason', 'room'),
  named(COUNT_STREAM_LIMITED, 'dns_stream_limited_total', '', ''),
  named(COUNT_TRANSFERS, 'dns_transfers_total', 'result', 'taken'),
  named(COUNT_TRANSFERS_REFUSED, 'dns_transfers_total', 'result', 'refused'),
  named(COUNT_SIGNED_GOOD, 'dns_signed_queries_total', 'result', 'good'),
  named(COUNT_SIGNED_BAD, 'dns_signed_queries_total', 'result', 'bad'),
  named(COUNT_COLD, 'dns_signed_on_demand_total', 'result', 'taken'),
  named(COUNT_COLD_BUSY, 'dns_signed_on_demand_total', 'result', 'busy'),
  named(COUNT_UNSENT, 'dns_unsent_total', '', ''),
  named(COUNT_DNSTAP_WRITTEN, 'dns_dnstap_events_total', 'result', 'written'),
  named(COUNT_DNSTAP_LOST, 'dns_dnstap_events_total', 'result', 'lost'),
  named(COUNT_DNSTAP_DROPPED, 'dns_dnstap_events_total', 'result', 'dropped'),
  ...BATCH_SIZES.map((size, index) =>
    named(COUNT_BATCHES + index, 'dns_batches_total', 'up_to', size),
  ),
];

/** The layout of a row for snapshots of up to `endpointCount` endpoints. */
export function counterLayout(endpointCount: number): {
  readonly slots: readonly CounterSlot[];
  /** First of the `endpointCount` slots of answers, in the order of the snapshot's endpoints. */
  readonly answers: number;
  /** Slots in all. */
  readonly length: number;
} {
  return { slots: counterSlots, answers: COUNT_ANSWERS, length: COUNT_ANSWERS + endpointCount };
}

const QUERIES_BY_TRANSPORT = [
  COUNT_QUERIES_UDP,
  COUNT_QUERIES_TCP,
  COUNT_QUERIES_TLS,
  COUNT_QUERIES_HTTPS,
] as const;

/** Queries over every transport. */
export function queriesTotal(total: (slot: number) => number): number {
  return QUERIES_BY_TRANSPORT.reduce((sum: number, slot) => sum + total(slot), 0);
}

export function countQuery(counters: CounterRow, transport: Transport): void {
  const slot = QUERIES_BY_TRANSPORT[transport];
  counters[slot] = counters[slot]! + 1;
}

/** Of a query that could be parsed. */
export function countQuestion(counters: CounterRow, qtype: number): void {
  const slot =
    qtype === TYPE_A ? COUNT_TYPE_A : qtype === TYPE_AAAA ? COUNT_TYPE_AAAA : COUNT_TYPE_OTHER;
  counters[slot] = counters[slot]! + 1;
}

/** The slot of a response's RCODE. */
export function rcodeSlot(rcode: number): number {
  return rcode < RCODES.length ? COUNT_RCODE + rcode : COUNT_RCODE_OTHER;
}

/** The slot of a batch of datagrams. */
export function batchSlot(count: number): number {
  return COUNT_BATCHES + Math.min(BATCH_SIZES.length - 1, 31 - Math.clz32(count));
}

function named(slot: number, metric: string, label: string, value: string): CounterSlot {
  return { slot, metric, label, value };
}
