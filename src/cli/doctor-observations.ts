import { randomBytes } from 'node:crypto';
import {
  OPTION_COOKIE,
  OPTION_NSID,
  TYPE_A,
  TYPE_AAAA,
  TYPE_CNAME,
  TYPE_DNSKEY,
  TYPE_DS,
  TYPE_NS,
  TYPE_SOA,
} from '../dns/constants.ts';
import type { DecodedRecord } from '../dns/decode.ts';
import { COOKIE_CLIENT_LENGTH } from '../dns/message.ts';
import { parseName } from '../dns/name.ts';
import type {
  Host,
  NameserverSights,
  Observation,
  ParentServerSights,
  Sight,
} from '../doctor/observation.ts';
import { type Question, subnetOption } from '../doctor/query.ts';
import {
  addressesOf,
  isInZone,
  namesOf,
  ownNameservers,
  readReferral,
  recordsOf,
} from '../doctor/reading.ts';
import type { Prefix } from '../ip/prefix.ts';
import type { DnsServer } from './dns-client.ts';
import {
  type Asker,
  createAsker,
  createResolver,
  nameText,
  type Resolver,
} from './doctor-asker.ts';

/** The asking of `meridian doctor`: DNS only, first the parent, then all that are called nameservers. */
export type DoctorTask = {
  /** Uncompressed wire form, not the root. */
  readonly zone: Uint8Array;
  /** Servers of the parent; empty = those that the resolver knows. */
  readonly parents: readonly DnsServer[];
  readonly resolvers: readonly DnsServer[];
  /** Where nameservers listen. */
  readonly port: number;
  readonly timeoutMs: number;
  readonly walk:
    | { readonly name: Uint8Array; readonly type: number; readonly clients: readonly Prefix[] }
    | undefined;
};

/** Milliseconds since 1970. */
type Clock = () => number;

/** All sights; or a sentence when nobody could be asked about the delegation. */
export async function observeDelegation(
  task: DoctorTask,
  nowMs: Clock,
): Promise<Observation | string> {
  const asker = createAsker(task.timeoutMs);
  const resolver = createResolver(asker, task.resolvers);
  const zone = nameText(task.zone);
  const parent = await findParent(task, resolver);
  if (typeof parent === 'string') return `The zone above ${zone} was not found: ${parent}.`;
  const servers = await Promise.all(
    parent.servers.map((server) => observeParent(asker, server, task.zone)),
  );
  if (!servers.some(({ ns }) => ns.ok)) {
    const said = servers.map(({ address, ns }) => `${address}: ${ns.ok ? '' : ns.reason}`);
    return `No server of the zone above ${zone} answers (${said.join('; ') || 'none is known'}).`;
  }
  const search = { asker, resolver, name: task.zone, zone, port: task.port };
  const hosts = await findHosts(search, servers);
  const nameservers = await Promise.all(
    hosts.flatMap((host) =>
      allAddresses(host).map((address) => observeServer(asker, task, host.name, address, nowMs)),
    ),
  );
  return {
    zone,
    parent: { name: parent.name, servers },
    hosts,
    nameservers,
    walk: task.walk && { name: nameText(task.walk.name), type: task.walk.type },
  };
}

/** More nameservers than the root has are more than anybody needs asked; a reply may name thousands. */
export const HOSTS_MAX = 16;
/** Addresses of one of them, or of all servers of the parent, likewise. */
export const ADDRESSES_MAX = 16;

async function findParent({ parents, port, zone }: DoctorTask, resolver: Resolver) {
  if (parents.length > 0) return { name: undefined, servers: parents };
  const found = await resolver.findParent(zone);
  if (typeof found === 'string') return found;
  return {
    name: found.name,
    servers: found.addresses.slice(0, ADDRESSES_MAX).map((address) => ({ address, port })),
  };
}

async function observeParent(
  asker: Asker,
  server: DnsServer,
  name: Uint8Array,
): Promise<ParentServerSights> {
  const ns = await asker.udp(server, { name, type: TYPE_NS, edns: {} }, { full: true });
  const ds = ns.ok
    ? await asker.udp(server, { name, type: TYPE_DS, edns: { dnssecOk: true } }, { full: true })
    : ns;
  return { address: server.address, ns, ds };
}

/** What the search for nameservers has at hand. */
type Search = {
  readonly asker: Asker;
  readonly resolver: Resolver;
  readonly name: Uint8Array;
  readonly zone: string;
  readonly port: number;
};

/** Every name that is called a nameserver, with what is known of its addresses. */
async function findHosts(
  search: Search,
  parents: readonly ParentServerSights[],
): Promise<readonly Host[]> {
  const { asker, name, port, zone } = search;
  const glue = glueOf(parents, zone);
  const foreign = new Map<string, ReturnType<Resolver['addresses']>>();
  /** What the owner of a name outside of the zone says, asked for once. */
  const lookUp = (host: string): ReturnType<Resolver['addresses']> => {
    const known = foreign.get(host) ?? search.resolver.addresses(host).then(bounded);
    foreign.set(host, known);
    return known;
  };
  const first = await Promise.all(
    [...glue].map(async ([host, addresses]) =>
      isInZone(host, zone) ? addresses : (await lookUp(host)).addresses,
    ),
  );
  const servers = [...new Set(first.flat())].map((address) => ({ address, port }));
  const replies = await Promise.all(
    servers.map(async (server) => ({
      server,
      sight: await asker.udp(server, { name, type: TYPE_NS }, { full: true }),
    })),
  );
  const authorities = replies.filter(
    ({ sight }) => sight.ok && sight.message.authoritative && sight.message.rcode === 0,
  );
  const own = authorities.flatMap(({ sight }) => namesOf(ownNameservers(sight, zone)));
  const names = [...new Set([...glue.keys(), ...own])].slice(0, HOSTS_MAX);
  return Promise.all(
    names.sort().map(async (host) => {
      const found = isInZone(host, zone)
        ? bounded(await askOwner(asker, authorities[0]?.server, host))
        : await lookUp(host);
      return { name: host, glue: glue.get(host) ?? [], ...found };
    }),
  );
}

const bounded = <Found extends { readonly addresses: readonly string[] }>(found: Found): Found => ({
  ...found,
  addresses: found.addresses.slice(0, ADDRESSES_MAX),
});

/** Names that the parent delegates to, with their glue; that of all its servers together. */
function glueOf(
  parents: readonly ParentServerSights[],
  zone: string,
): ReadonlyMap<string, readonly string[]> {
  const glue = new Map<string, readonly string[]>();
  for (const { ns } of parents) {
    const referral = ns.ok ? readReferral(ns.message, zone) : undefined;
    if (referral?.kind !== 'delegated') continue;
    for (const [name, addresses] of referral.glue) {
      if (glue.size >= HOSTS_MAX && !glue.has(name)) continue;
      const all = new Set([...(glue.get(name) ?? []), ...addresses]);
      glue.set(name, [...all].sort().slice(0, ADDRESSES_MAX));
    }
  }
  return glue;
}

/** Addresses of a name in the zone, as the zone itself gives them. */
async function askOwner(
  asker: Asker,
  server: DnsServer | undefined,
  host: string,
): Promise<Pick<Host, 'addresses' | 'isAlias' | 'problem'>> {
  const unknown = (problem: string) => ({ addresses: [], isAlias: false, problem });
  if (server === undefined) return unknown('no nameserver of the zone answers');
  const name = parseName(host)!;
  const records: DecodedRecord[] = [];
  for (const type of [TYPE_A, TYPE_AAAA]) {
    const sight = await asker.udp(server, { name, type }, { full: true });
    if (!sight.ok) return unknown(`${server.address}: ${sight.reason}`);
    // A nameserver below a delegation of this zone has glue here.
    records.push(...sight.message.answer, ...sight.message.additional);
  }
  return {
    addresses: addressesOf(records, host),
    isAlias: recordsOf(records, host, TYPE_CNAME).length > 0,
    problem: undefined,
  };
}

const allAddresses = ({ addresses, glue }: Host): readonly string[] =>
  [...new Set([...addresses, ...glue])].sort().slice(0, ADDRESSES_MAX);

/** The three ways to ask at once; the rest one after the other, so that no rate limit takes offence. */
async function observeServer(
  asker: Asker,
  task: DoctorTask,
  host: string,
  address: string,
  nowMs: Clock,
): Promise<NameserverSights> {
  const server = { address, port: task.port };
  const apex = (more: Partial<Question> = {}): Question => ({
    name: task.zone,
    type: TYPE_SOA,
    ...more,
  });
  let soaAtSeconds = 0;
  const [soa, plain, tcp] = await Promise.all([
    asker.udp(server, apex({ edns: { dnssecOk: true, options: greeting() } })).finally(() => {
      soaAtSeconds = nowMs() / 1000;
    }),
    asker.udp(server, apex()),
    asker.tcp(server, apex({ edns: { dnssecOk: true } })),
  ]);
  const seen = { host, address, soa, soaAtSeconds, plain, tcp };
  if (![soa, plain, tcp].some((sight) => sight.ok)) {
    const rest: Sight = { ok: false, reason: 'not asked, because it answers nothing' };
    return { ...seen, nextVersion: rest, ns: rest, keys: rest, absent: rest, walk: [] };
  }
  const isEdnsKnown = soa.ok && soa.message.edns !== undefined;
  const full = { full: true };
  // A server that drops EDNS would keep us waiting at every question.
  const edns = isEdnsKnown ? { edns: {} } : {};
  const secure = isEdnsKnown ? { edns: { dnssecOk: true } } : {};
  const absentName = parseName(ABSENT_LABEL, task.zone) ?? task.zone;
  return {
    ...seen,
    ns: await asker.udp(server, apex({ type: TYPE_NS, ...edns }), full),
    keys: await asker.udp(server, apex({ type: TYPE_DNSKEY, ...secure }), full),
    absent: await asker.udp(server, { name: absentName, type: TYPE_A, ...edns }, full),
    nextVersion: isEdnsKnown
      ? await asker.udp(server, apex({ edns: { version: 1 } }))
      : { ok: false, reason: 'not asked, because it answers without EDNS' },
    walk: await walk(asker, server, task.walk),
  };
}

async function walk(
  asker: Asker,
  server: DnsServer,
  steps: DoctorTask['walk'],
): Promise<NameserverSights['walk']> {
  const seen = [];
  for (const client of steps?.clients ?? []) {
    const edns = { options: [subnetOption(client)] };
    const { name, type } = steps!;
    const reply = await asker.udp(server, { name, type, edns }, { full: true });
    seen.push({ client, reply });
    // One silence is enough to report; every further one would be waited for.
    if (!reply.ok) break;
  }
  return seen;
}

/** Asks who answers, and for a server cookie (RFC 5001, RFC 7873 5.1). */
const greeting = () => [
  { code: OPTION_NSID, value: new Uint8Array(0) },
  { code: OPTION_COOKIE, value: randomBytes(COOKIE_CLIENT_LENGTH) },
];

/** A name that nobody has: what the zone says about it is its negative answer. */
const ABSENT_LABEL = 'meridian-doctor-no-such-name';
