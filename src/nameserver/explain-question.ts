/**
 * The question of an explanation, read into the same records that a query is parsed into, so that
 * everything after it is the code that answers queries.
 */
import { ECS_FAMILY_IPV4, ECS_FAMILY_IPV6 } from '../dns/ecs.ts';
import { createQuery, type Query } from '../dns/message.ts';
import { lowerName, parseName } from '../dns/name.ts';
import { typeNumber } from '../dns/type-names.ts';
import { type Address, parseAddress } from '../ip/address.ts';
import { networkOf, type Prefix } from '../ip/prefix.ts';
import { labelsOf } from '../zone/lookup.ts';
import { type Client, createClient, TRANSPORT_UDP } from './client.ts';

/** `client` is an address or network (as a client subnet), `resolver` an address. */
export type ExplainQuestion = {
  readonly name: string;
  readonly type?: string;
  readonly client?: string;
  readonly resolver?: string;
};

export type ExplainProblem = {
  readonly problem: 'invalid';
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
};

/** A question understood. */
export type Asked = {
  readonly name: Uint8Array;
  readonly query: Query;
  readonly client: Client;
  readonly subnet: Prefix | undefined;
  readonly resolver: Address;
};

/** The resolver when the question names nobody: this host. */
const RESOLVER_DEFAULT = '127.0.0.1';

/** Reads a question; one that makes no sense is a problem in words. */
export function readQuestion(question: ExplainQuestion): Asked | ExplainProblem {
  const text = question.name.endsWith('.') ? question.name : `${question.name}.`;
  const name = parseName(text);
  if (name === undefined) {
    return invalid('name', `"${question.name}" is not a domain name`);
  }
  const qtype = typeNumber(question.type ?? 'A');
  if (qtype === undefined) {
    return invalid('type', `"${question.type}" is not a record type`, 'for instance A or AAAA');
  }
  const resolver = parseAddress(question.resolver ?? RESOLVER_DEFAULT);
  if (resolver === undefined) {
    return invalid('resolver', `"${question.resolver}" is not an IP address`);
  }
  const subnet = question.client === undefined ? undefined : readSubnet(question.client);
  if (question.client !== undefined && subnet === undefined) {
    const hint = 'for instance 203.0.113.7 or 2001:db8::/48';
    return invalid('client', `"${question.client}" is neither an IP address nor a network`, hint);
  }
  const query = createQuery();
  query.qname.set(lowerName(name));
  query.qnameLength = name.length;
  query.qnameLabels = labelsOf(query.qname, name.length, query.labelOffsets);
  query.qtype = qtype;
  if (subnet !== undefined) {
    query.hasEcs = true;
    query.ecsFamily = subnet.address.family === 4 ? ECS_FAMILY_IPV4 : ECS_FAMILY_IPV6;
    query.ecsSource = subnet.length;
    query.ecsAddress.set(subnet.address.bytes);
  }
  const client = createClient(TRANSPORT_UDP);
  client.family = resolver.family;
  client.address.set(resolver.bytes);
  return { name, query, client, subnet, resolver };
}

/** An address is the network of one host; host bits are dropped, as `dig +subnet` does. */
function readSubnet(text: string): Prefix | undefined {
  const [head, length, ...rest] = text.split('/');
  const address = parseAddress(head ?? '');
  if (address === undefined || rest.length > 0) return undefined;
  const bits = address.bytes.length * 8;
  if (length === undefined) return { address, length: bits };
  if (!/^[0-9]{1,3}$/.test(length) || Number(length) > bits) return undefined;
  return networkOf(address, Number(length));
}

function invalid(field: string, message: string, hint?: string): ExplainProblem {
  const code = `explain.${field}`;
  return { problem: 'invalid', code, message, ...(hint !== undefined && { hint }) };
}
