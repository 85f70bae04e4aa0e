import type { DnsDiscoveryConfig } from '../config/config.ts';
import { TYPE_A, TYPE_AAAA, TYPE_SRV } from '../dns/constants.ts';
import { parseName } from '../dns/name.ts';
import { TTL_SECONDS_MAX } from '../dns/ttl.ts';
import type { Question } from './question.ts';
import type { Reply } from './reply.ts';
import {
  addressOf,
  arrange,
  type FoundServer,
  readService,
  type ServiceRecord,
} from './server-set.ts';

/** The servers that a name stands for now. */
export type Answer =
  | {
      readonly kind: 'found';
      readonly servers: readonly FoundServer[];
      readonly ttlSeconds: number;
    }
  /** Somebody who knows says that there are none. */
  | { readonly kind: 'none'; readonly reason: string; readonly ttlSeconds: number }
  | { readonly kind: 'failed'; readonly reason: string };

export type Ask = (question: Question) => Promise<Reply>;

/** Targets of one SRV answer that are looked up; what is beyond them is not used. */
export const TARGETS_MAX = 64;
/** Targets that are looked up at once. */
const TARGETS_AT_ONCE = 8;

/** @param ask one resolver: all of an answer is one resolver's word */
export async function lookUp(
  ask: Ask,
  { name, port = 0, type }: Pick<DnsDiscoveryConfig, 'name' | 'port' | 'type'>,
): Promise<Answer> {
  if (type === 'SRV') return lookUpService(ask, name);
  const reply = await askFor(ask, name, type === 'A' ? TYPE_A : TYPE_AAAA);
  if (reply.kind !== 'records') return reply;
  const servers = addressesOf(reply.rdata).map((address) => ({
    ...{ address, port },
    ...{ weight: 1, priority: 0 },
  }));
  return found(servers, reply.ttlSeconds);
}

async function lookUpService(ask: Ask, name: string): Promise<Answer> {
  const reply = await askFor(ask, name, TYPE_SRV);
  if (reply.kind !== 'records') return reply;
  const services = reply.rdata.flatMap((rdata) => readService(rdata) ?? []);
  const targets = [...new Set(services.map(({ target }) => target))].slice(0, TARGETS_MAX);
  const addresses = new Map<string, readonly string[]>();
  let { ttlSeconds } = reply;
  for (let first = 0; first < targets.length; first += TARGETS_AT_ONCE) {
    const some = targets.slice(first, first + TARGETS_AT_ONCE);
    const replies = await Promise.all(some.map((target) => lookUpTarget(ask, target)));
    for (const [index, each] of replies.entries()) {
      // With a part of the servers the others would be taken for gone.
      if (each.kind === 'failed') return failed(`${some[index]}: ${each.reason}`);
      ttlSeconds = Math.min(ttlSeconds, each.ttlSeconds);
      addresses.set(some[index]!, each.addresses);
    }
  }
  return found(serversOf(services, addresses), ttlSeconds);
}

type Target =
  | { readonly kind: 'known'; readonly addresses: readonly string[]; readonly ttlSeconds: number }
  | { readonly kind: 'failed'; readonly reason: string };

/** Its addresses of both families; a name without any is no failure. */
async function lookUpTarget(ask: Ask, target: string): Promise<Target> {
  const replies = await Promise.all([TYPE_A, TYPE_AAAA].map((type) => askFor(ask, target, type)));
  const addresses: string[] = [];
  let ttlSeconds = TTL_SECONDS_MAX;
  for (const reply of replies) {
    if (reply.kind === 'failed') return reply;
    if (reply.kind === 'none') continue;
    addresses.push(...addressesOf(reply.rdata));
    ttlSeconds = Math.min(ttlSeconds, reply.ttlSeconds);
  }
  return { kind: 'known', addresses, ttlSeconds };
}

function serversOf(
  services: readonly ServiceRecord[],
  addresses: ReadonlyMap<string, readonly string[]>,
): readonly FoundServer[] {
  return services.flatMap(({ port, priority, target, weight }) => {
    const own = addresses.get(target) ?? [];
    // A name with several addresses has its weight once.
    return own.map((address) => ({ address, port, priority, weight: weight / own.length }));
  });
}

async function askFor(ask: Ask, name: string, type: number): Promise<Reply> {
  const wire = parseName(name);
  return wire === undefined ? failed(`${name} is no name`) : ask({ name: wire, type });
}

const addressesOf = (rdata: readonly Uint8Array[]): readonly string[] =>
  rdata.flatMap((octets) => addressOf(octets) ?? []);

function found(servers: readonly FoundServer[], ttlSeconds: number): Answer {
  return servers.length === 0
    ? { kind: 'none', reason: 'no server is in the answer', ttlSeconds }
    : { kind: 'found', servers: arrange(servers), ttlSeconds };
}

const failed = (reason: string): { readonly kind: 'failed'; readonly reason: string } => ({
  kind: 'failed',
  reason,
});
