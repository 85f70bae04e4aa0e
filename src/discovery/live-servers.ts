import type { BalancerConfig, ServerConfig } from '../config/config.ts';
import type { FoundServer } from './server-set.ts';
import { nameOf } from './server-set.ts';
import type { ServerWord } from './server-word.ts';

/**
 * The servers that an upstream has now: those of the file, those that DNS gives, those that people have
 * added, as people want them used. Of two with the same address and port the first stands, so that
 * one that is in the file and in DNS keeps its name.
 */
export function withLiveServers(
  balancer: BalancerConfig,
  found: ReadonlyMap<string, readonly FoundServer[]>,
  words: readonly ServerWord[],
): BalancerConfig {
  const upstreams = Object.entries(balancer.upstreams).map(([name, upstream]) => {
    const own = words.filter((word) => word.upstream === name);
    const servers = liveServers(upstream.servers, found.get(name) ?? [], own);
    return [name, { ...upstream, servers }] as const;
  });
  return { ...balancer, upstreams: Object.fromEntries(upstreams) };
}

function liveServers(
  written: readonly ServerConfig[],
  found: readonly FoundServer[],
  words: readonly ServerWord[],
): readonly ServerConfig[] {
  const all = [...written, ...found.map(fromDns), ...words.flatMap(fromWord)];
  const places = new Map<string, ServerConfig>();
  const names = new Set<string>();
  for (const server of all) {
    if (places.has(nameOf(server)) || names.has(server.name)) continue;
    places.set(nameOf(server), server);
    names.add(server.name);
  }
  return [...places.values()].map((server) => {
    const word = words.find((each) => each.server === server.name);
    return word === undefined ? server : asSaid(server, word);
  });
}

function fromDns({ address, port, priority, weight }: FoundServer): ServerConfig {
  const server = { name: nameOf({ address, port }), address, port, weight };
  return { ...server, ...(priority === 0 ? {} : { priority }), origin: 'dns' };
}

function fromWord({ added, server }: ServerWord): readonly ServerConfig[] {
  return added === undefined ? [] : [{ ...added, name: server, weight: 1, origin: 'api' }];
}

function asSaid(server: ServerConfig, { mode, weight }: ServerWord): ServerConfig {
  return {
    ...server,
    ...(weight === undefined ? {} : { weight }),
    ...(mode === undefined ? {} : { mode }),
  };
}

/** Servers that may take new requests, as far as people and the file say. */
export const serving = (servers: readonly ServerConfig[]): readonly ServerConfig[] =>
  servers.filter(({ mode, weight }) => mode === undefined && weight > 0);
