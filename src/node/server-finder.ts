import type { BalancerConfig, DnsDiscoveryConfig } from '../config/config.ts';
import type { Clock } from '../control/clock.ts';
import { type Answer, lookUp } from '../discovery/look-up.ts';
import type { FoundServer } from '../discovery/server-set.ts';
import { type News, NOTHING_FOUND, type Standing, takeAnswer } from '../discovery/standing.ts';
import type { AskResolver } from './ask-resolver.ts';
import type { Peer } from './datagrams.ts';

/** Looks the servers of upstreams up, again and again, and remembers the last good answer of each. */
export type ServerFinder = {
  /** Looks after these from now on; what is known of those that ask the same is kept. */
  follow(balancer: BalancerConfig): void;
  found(): ReadonlyMap<string, readonly FoundServer[]>;
  /** Settles when each of those that are followed now has been asked for once, whatever came of it. */
  ready(): Promise<void>;
  close(): void;
};

export type ServerFinderParts = {
  readonly clock: Pick<Clock, 'setTimer'>;
  readonly ask: AskResolver;
  /** In [0, 1). */
  draw(): number;
  systemResolvers(): readonly Peer[];
  /** What was known before a restart; undefined = nothing. */
  remembered(upstream: string, question: string): readonly FoundServer[] | undefined;
  /** Another set is good now. */
  onChange(upstream: string, question: string, servers: readonly FoundServer[]): void;
  onNews(upstream: string, news: News): void;
};

/** Each resolver is asked so often before the look-up is in vain. */
const ROUNDS = 2;

type Search = {
  readonly dns: DnsDiscoveryConfig;
  standing: Standing;
  cancel(): void;
  isOver: boolean;
  readonly first: Promise<void>;
};

export function createServerFinder(parts: ServerFinderParts): ServerFinder {
  const searches = new Map<string, Search>();
  const end = (upstream: string): void => {
    const search = searches.get(upstream);
    searches.delete(upstream);
    if (search === undefined) return;
    search.isOver = true;
    search.cancel();
  };
  return {
    follow(balancer) {
      for (const name of searches.keys()) {
        if (balancer.upstreams[name]?.discovery === undefined) end(name);
      }
      for (const [name, { discovery }] of Object.entries(balancer.upstreams)) {
        if (discovery === undefined) continue;
        const before = searches.get(name);
        if (before && JSON.stringify(before.dns) === JSON.stringify(discovery.dns)) continue;
        end(name);
        // Asked in another way, or of others, it is still the same servers that are meant.
        const isSame = before && questionOf(before.dns) === questionOf(discovery.dns);
        searches.set(name, begin(parts, name, discovery.dns, isSame ? before.standing : undefined));
      }
    },
    found: () => new Map([...searches].map(([name, { standing }]) => [name, standing.servers])),
    async ready() {
      await Promise.all([...searches.values()].map(({ first }) => first));
    },
    close() {
      for (const name of [...searches.keys()]) end(name);
    },
  };
}

/** What is asked for: the answer to it means the same whoever gives it. */
const questionOf = ({ name, port, type }: DnsDiscoveryConfig): string =>
  `${type} ${name.toLowerCase()} ${port ?? ''}`.trim();

function begin(
  parts: ServerFinderParts,
  upstream: string,
  dns: DnsDiscoveryConfig,
  known: Standing | undefined,
): Search {
  const servers = parts.remembered(upstream, questionOf(dns)) ?? [];
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const search: Search = {
    dns,
    standing: known ?? { ...NOTHING_FOUND, servers },
    cancel() {},
    isOver: false,
    first,
  };
  const look = async (): Promise<void> => {
    const answer = await askAll(parts, dns);
    if (search.isOver) return;
    const step = takeAnswer(search.standing, answer, dns, parts.draw());
    search.standing = step.standing;
    search.cancel = parts.clock.setTimer(step.waitMs, () => void look());
    if (step.isChanged) parts.onChange(upstream, questionOf(dns), step.standing.servers);
    for (const news of step.news) parts.onNews(upstream, news);
  };
  void look().finally(resolve);
  return search;
}

/** No descriptor is free, for instance. */
const unasked = (error: unknown): Answer => ({ kind: 'failed', reason: String(error) });

/** The first resolver that knows; one that says that there is nothing knows as well. */
async function askAll(parts: ServerFinderParts, dns: DnsDiscoveryConfig): Promise<Answer> {
  const resolvers = dns.resolvers ?? parts.systemResolvers();
  const reasons = new Map<string, string>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const resolver of resolvers) {
      const answer = await lookUp((question) => parts.ask(resolver, question), dns).catch(unasked);
      if (answer.kind !== 'failed') return answer;
      reasons.set(`${resolver.address} port ${resolver.port}`, answer.reason);
    }
  }
  const all = [...reasons].map(([who, reason]) => `${who}: ${reason}`);
  return { kind: 'failed', reason: all.join('; ') || 'this machine has no resolver' };
}
