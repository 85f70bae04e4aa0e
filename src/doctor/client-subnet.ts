import { OPTION_CLIENT_SUBNET, RCODE_NOERROR } from '../dns/constants.ts';
import type { DecodedMessage } from '../dns/decode.ts';
import { rcodeName } from '../dns/mnemonic.ts';
import { typeName } from '../dns/type-names.ts';
import { formatAddress } from '../ip/address.ts';
import { containsAddress, formatPrefix, networkOf, type Prefix } from '../ip/prefix.ts';
import { bad, type Check, type Found, ok, warn } from './finding.ts';
import type { NameserverSights, Observation } from './observation.ts';
import { serving, titleOf } from './standing.ts';

/** What clients all over the world get for the steered name, as their resolvers would ask (RFC 7871). */
export const clientSubnet: Check = {
  kind: 'client-subnet',
  look(observation) {
    if (observation.walk === undefined) return [];
    const servers = serving(observation);
    const found = servers.flatMap((server) => serverFindings(server, observation.walk!));
    if (found.some(({ severity }) => severity === 'bad')) return found;
    return [...found, ...agreementFindings(servers), ...summaryFindings(observation, servers)];
  },
};

/** One step of the walk that got an answer. `scope` is undefined when no client subnet came back. */
export type Steered = {
  readonly client: Prefix;
  /** Data of the answer, sorted. */
  readonly data: readonly string[];
  readonly scope: number | undefined;
  readonly ttlSeconds: number | undefined;
};

/** The answers that a server gave, in the order of the walk; failures are left out. */
export function steeredAnswers({ walk }: NameserverSights): readonly Steered[] {
  return walk.flatMap(({ client, reply }) => {
    if (!reply.ok || reply.message.rcode !== RCODE_NOERROR) return [];
    const { answer, edns } = reply.message;
    const ttls = answer.map(({ ttlSeconds }) => ttlSeconds);
    return [
      {
        client,
        data: answer.map(({ text }) => text).sort(),
        scope: edns?.ecs?.scope,
        ttlSeconds: ttls.length === 0 ? undefined : Math.min(...ttls),
      },
    ];
  });
}

function serverFindings(
  server: NameserverSights,
  { name, type }: NonNullable<Observation['walk']>,
): readonly Found[] {
  const title = titleOf(server);
  const found: Found[] = [];
  const silent = server.walk.find(({ reply }) => !reply.ok);
  if (silent !== undefined && !silent.reply.ok) {
    found.push(
      warn(
        `${title} leaves the question for ${name} without an answer: ${silent.reply.reason}.`,
        'Ask again; when it stays, look for rate limits on the way.',
      ),
    );
  }
  const replies = server.walk.flatMap(({ client, reply }) =>
    reply.ok ? [{ client, message: reply.message }] : [],
  );
  const failed = replies.find(({ message }) => message.rcode !== RCODE_NOERROR);
  if (failed !== undefined) {
    const said = rcodeName(failed.message.rcode);
    return [
      ...found,
      bad(
        `${title} answers ${said} for ${name} to the network ${formatPrefix(failed.client)}.`,
        'Give a steered name of the zone with --name; "meridian explain NAME" shows what a node does with it.',
      ),
    ];
  }
  found.push(...echoFindings(title, replies), ...emptyFindings(title, name, type, replies));
  return [...found, ...scopeFindings(server)];
}

type Replies = readonly { readonly client: Prefix; readonly message: DecodedMessage }[];

/** FAMILY, SOURCE and ADDRESS come back as they were sent (RFC 7871 7.2.1). */
function echoFindings(title: string, replies: Replies): readonly Found[] {
  const isSilent = ({ message }: Replies[number]): boolean =>
    !(message.edns?.options ?? []).some(({ code }) => code === OPTION_CLIENT_SUBNET);
  const silent = replies.filter(isSilent);
  if (silent.length > 0) {
    return [
      bad(
        `${title} does not send the client subnet back (${silent.length} of ${replies.length} answers): resolvers take one answer for all their clients.`,
        'Switch client subnets on, or look for a box before the server that removes EDNS options.',
      ),
    ];
  }
  const wrong = replies.find(({ client, message }) => {
    const ecs = message.edns?.ecs;
    return (
      ecs === undefined ||
      ecs.family !== (client.address.family === 4 ? 1 : 2) ||
      ecs.source !== client.length ||
      ecs.address !== formatAddress(client.address) ||
      ecs.scope > client.address.bytes.length * 8
    );
  });
  if (wrong === undefined) return [];
  return [
    bad(
      `${title} sends another client subnet back than ${formatPrefix(wrong.client)}, which was asked for: resolvers drop the answer.`,
      'Family, source length and address have to come back as they were sent (RFC 7871 7.2.1): look for what changes them.',
    ),
  ];
}

/** Resolvers may keep "no such data" for everybody (RFC 7871 7.4): then it must hold for everybody. */
function emptyFindings(
  title: string,
  name: string,
  type: number,
  replies: Replies,
): readonly Found[] {
  const empty = replies.filter(({ message }) => message.answer.length === 0);
  if (empty.length === 0) return [];
  if (empty.length === replies.length) {
    return [
      warn(
        `${title} has no ${typeName(type)} records of ${name} for anybody.`,
        'Give another name with --name, or another type with --type.',
      ),
    ];
  }
  return [
    bad(
      `${title} has no ${typeName(type)} records of ${name} for ${empty.map(({ client }) => formatPrefix(client)).join(', ')}, and has some for others.`,
      'Give every client some answer: resolvers keep an empty one for everybody.',
    ),
  ];
}

/** An answer whose scope holds another client that gets another answer. */
function scopeFindings(server: NameserverSights): readonly Found[] {
  const answers = steeredAnswers(server);
  for (const wide of answers) {
    if (wide.scope === undefined) continue;
    const network = networkOf(wide.client.address, wide.scope);
    const other = answers.find(
      ({ client, data }) =>
        containsAddress(network, client.address) && data.join() !== wide.data.join(),
    );
    if (other === undefined) continue;
    return [
      warn(
        `${titleOf(server)} gives ${formatPrefix(wide.client)} an answer (${wide.data.join(', ')}) for all of ${formatPrefix(network)}, but ${formatPrefix(other.client)} in it gets ${other.data.join(', ')}.`,
        'Well when the policy draws (weights, rotation); else some clients get the answer of others: compare with "meridian explain NAME --client NETWORK".',
      ),
    ];
  }
  return [];
}

/** All nodes are to give a client the same answer. */
function agreementFindings(servers: readonly NameserverSights[]): readonly Found[] {
  const byClient = new Map<string, Map<string, string[]>>();
  for (const server of servers) {
    for (const { client, data } of steeredAnswers(server)) {
      const network = formatPrefix(client);
      const answers = byClient.get(network) ?? new Map<string, string[]>();
      const text = data.join(', ');
      answers.set(text, [...(answers.get(text) ?? []), server.address]);
      byClient.set(network, answers);
    }
  }
  const torn = [...byClient].filter(([, answers]) => answers.size > 1);
  const [first] = torn;
  if (first === undefined) return [];
  const said = [...first[1]].map(([data, at]) => `${data || 'nothing'} from ${at.join(', ')}`);
  return [
    warn(
      `The nameservers do not agree for ${torn.length} of ${byClient.size} client networks; ${first[0]} gets ${said.join('; ')}.`,
      'Ask again: health or a draw may have changed meanwhile. When it stays, nodes have other configurations or see other health: "meridian nodes", "meridian status".',
    ),
  ];
}

/** Clients stay with a region that failed for this long. */
const TTL_SECONDS_MAX = 300;

function summaryFindings(
  { walk }: Observation,
  servers: readonly NameserverSights[],
): readonly Found[] {
  const answers = servers.flatMap(steeredAnswers).filter(({ data }) => data.length > 0);
  if (answers.length === 0) return [];
  const found: Found[] = [];
  const ttl = Math.max(...answers.map(({ ttlSeconds }) => ttlSeconds ?? 0));
  if (ttl > TTL_SECONDS_MAX) {
    found.push(
      warn(
        `Answers for ${walk?.name} have a TTL of ${ttl} s.`,
        'Lower it to 60 s or less: so long clients keep the address of a region that has failed.',
      ),
    );
  }
  const networks = new Set(answers.map(({ client }) => formatPrefix(client))).size;
  const distinct = new Set(answers.map(({ data }) => data.join())).size;
  const scopes = answers.map(({ scope }) => scope ?? 0);
  found.push(
    ok(
      `Different answers for ${walk?.name}: ${distinct} (client networks: ${networks}; scopes /${Math.min(...scopes)} to /${Math.max(...scopes)}).`,
    ),
  );
  return found;
}
