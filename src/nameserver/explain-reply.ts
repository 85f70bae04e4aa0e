/**
 * The reply to a query for an explanation: the query's bytes once more, in a thread that has time,
 * and TXT records out, one line each. TTL and scope are 0: it is true for this client and this moment.
 */
import {
  FLAG_AA,
  MESSAGE_LENGTH_MAX,
  RCODE_NOERROR,
  SECTION_ANSWER,
  TYPE_TXT,
  UDP_SIZE_MIN,
} from '../dns/constants.ts';
import { ECS_FAMILY_IPV4, ECS_FAMILY_NONE } from '../dns/ecs.ts';
import { EDE_NONE, writeOpt } from '../dns/edns.ts';
import { beginReply, createReply, finishReply, truncate, writeRecord } from '../dns/encode.ts';
import { createQuery, PARSE_OK, parseQuery, type Query } from '../dns/message.ts';
import { formatName } from '../dns/name.ts';
import { formatAddress } from '../ip/address.ts';
import { formatPrefix } from '../ip/prefix.ts';
import { type Client, TRANSPORT_UDP } from './client.ts';
import type { ExplainProblem, ExplainQuestion, Explanation } from './explain.ts';
import { explanationLines, problemLines } from './explain-lines.ts';
import { EXPLAIN_LABEL, isExplainQuery } from './explain-query.ts';

/**
 * Explains what the client that asks would get for the name's A, or AAAA when it has no A.
 *
 * @param ask the explanation of one question, at the time of the query
 * @returns the reply; undefined when the bytes are no such query, which only a bug hands over
 */
export function explainReply(
  bytes: Uint8Array,
  client: Client,
  udpSizeMax: number,
  ask: (question: ExplainQuestion) => Explanation | ExplainProblem,
): Uint8Array | undefined {
  const query = createQuery();
  if (parseQuery(query, bytes, bytes.length) !== PARSE_OK) return undefined;
  if (!isExplainQuery(query)) return undefined;
  const lines = linesFor(questionOf(query, client), ask);
  const isStream = client.transport !== TRANSPORT_UDP;
  const asked = query.hasEdns ? Math.max(UDP_SIZE_MIN, query.udpSize) : UDP_SIZE_MIN;
  const limit = isStream ? MESSAGE_LENGTH_MAX : Math.min(asked, udpSizeMax);
  const out = new Uint8Array(limit);
  const reply = createReply();
  beginReply(reply, out, query, bytes, limit);
  const fits = lines.every((line) => {
    const text = Uint8Array.from([line.length, ...Array.from(line, (c) => c.charCodeAt(0))]);
    const { qname } = query;
    return writeRecord(reply, SECTION_ANSWER, qname, 0, TYPE_TXT, 0, text, 0, text.length);
  });
  if (!fits) truncate(reply);
  writeOpt(reply, udpSizeMax, 0, EDE_NONE);
  return out.subarray(0, finishReply(reply, RCODE_NOERROR, FLAG_AA));
}

function linesFor(
  question: ExplainQuestion,
  ask: (question: ExplainQuestion) => Explanation | ExplainProblem,
): readonly string[] {
  const first = ask({ ...question, type: 'A' });
  if ('problem' in first) return problemLines(first);
  if (first.policy !== undefined || first.answer.length > 0) return explanationLines(first);
  const second = ask({ ...question, type: 'AAAA' });
  const isThere = !('problem' in second) && second.policy !== undefined;
  return explanationLines(isThere ? second : first);
}

function questionOf(query: Query, client: Client): ExplainQuestion {
  const name = formatName(query.qname.slice(EXPLAIN_LABEL.length, query.qnameLength));
  const octets = client.family === 4 ? 4 : 16;
  const resolver = formatAddress({
    family: client.family,
    bytes: client.address.slice(0, octets),
  });
  const subnet = subnetOf(query);
  return { name, resolver, ...(subnet === undefined ? {} : { client: subnet }) };
}

function subnetOf({ ecsAddress, ecsFamily, ecsSource, hasEcs }: Query): string | undefined {
  if (!hasEcs || ecsFamily === ECS_FAMILY_NONE) return undefined;
  const family = ecsFamily === ECS_FAMILY_IPV4 ? 4 : 6;
  const bytes = ecsAddress.slice(0, family === 4 ? 4 : 16);
  return formatPrefix({ address: { family, bytes }, length: ecsSource });
}
