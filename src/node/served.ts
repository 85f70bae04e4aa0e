import { randomInt } from 'node:crypto';
import type { Revision } from '../cluster/revisions.ts';
import type { Config } from '../config/config.ts';
import { systemClock, wallClockMs } from '../control/clock.ts';
import type { Serving } from '../control/serving.ts';
import { drainedRegions } from '../health/override.ts';
import type { BalancerWorkers } from '../workers/balancer-workers.ts';
import type { DnsWorkers } from '../workers/dns-workers.ts';
import { type Agent, createAgent } from './agent.ts';
import type { ConfigSource } from './config-file.ts';
import { configSha } from './config-sha.ts';
import { openDatagrams } from './datagrams.ts';
import { watchGeoAge } from './geo-age.ts';
import { createNotifier, type Notifier } from './notifier.ts';
import { ownVantages, type Parts } from './parts.ts';
import { createPlannedHealth, type PlannedHealth } from './planned-health.ts';
import { type NodeRecord, openRecord } from './record.ts';
import { createRefresher, type Refresher } from './refresher.ts';
import { createReloader, type Reloader } from './reloader.ts';
import { type FollowedFrom, followShared } from './revision.ts';
import type { ZoneKeysKeeper } from './zone-keys.ts';

/**
 * What a node serves at this instant, and how the next takes its place: workers, health, the record and
 * the other nodes learn of a new configuration together, of a change of health as it comes.
 */
export type Served = {
  current(): Serving;
  /** The shared configurations that this node has kept, newest first. */
  kept(): readonly Revision[];
  readonly agent: Agent;
  readonly record: NodeRecord;
  readonly reloader: Reloader;
  /** With what the capacity plan makes of it. */
  readonly health: Pick<PlannedHealth, 'of' | 'plan' | 'without'>;
  /** Settles when no reload runs any more. */
  close(): Promise<void>;
};

export type ServedFrom = FollowedFrom & {
  readonly serving: Serving;
  readonly zoneKeys: ZoneKeysKeeper | undefined;
};

export type ServingRoles = {
  readonly dns: DnsWorkers | undefined;
  readonly balancer: BalancerWorkers | undefined;
};

export function createServed(
  source: ConfigSource,
  parts: Parts,
  from: ServedFrom,
  { balancer, dns }: ServingRoles,
): Served {
  const { desk, overrides, servers, told } = parts;
  let { serving } = from;
  let sha: string | undefined;
  const followed = followShared(parts, from, () => serving);
  const agent = createAgent(parts, balancer, () => servers.live(serving.config));
  const record = openRecord(parts, () => serving);
  const health = planHealth(parts, dns, () => serving);
  told.words = (words) => {
    record.note(words);
    dns?.publishHealth(serving.snapshot.generation, health.of(words));
  };
  tellBalancer(parts, balancer, agent);
  told.serving = () => {
    const { generation, revision } = serving.snapshot;
    sha ??= configSha(serving.config);
    return { generation, revision, configSha: sha };
  };
  const nameservers = openNameservers(parts, dns);
  told.words(desk.words());
  balancer?.publishServers(desk.serverStates());
  told.overrides(overrides.current());

  const refresher = openRefresher(parts, () => reloader.refresh());
  const reloader: Reloader = createReloader({
    source,
    ...{ clock: systemClock, compiler: parts.compiler, events: parts.events },
    ...{ current: () => serving, shared: followed, overlays: parts.overlays },
    async swapZone(next) {
      serving = next;
      sha = undefined;
      record.note(desk.words());
      await dns?.publishZones(next.snapshot, health.of(desk.words()));
      // The file may say a serial now that the zone has had already, with what was added to it.
      told.config(next.config);
    },
    async swap(next, shared) {
      // One tick: words belong to the generation that they are published with.
      void servers.follow(next.config);
      const live = servers.live(next.config);
      const listening = balancer?.publish(live);
      serving = next;
      sha = undefined;
      parts.link.exchange.setVantages(ownVantages(next.config));
      const words = desk.setConfig(live);
      record.note(words);
      balancer?.publishServers(desk.serverStates());
      await dns?.publish(next.snapshot, health.of(words));
      // Only now: a secondary that asks at once must find what it was told of.
      nameservers.tell(next);
      from.zoneKeys?.setConfig(next.config);
      followed.served(shared);
      refresher.served();
      told.config(next.config);
      return (await listening) ?? [];
    },
  });
  nameservers.tell(serving);
  const stops = [
    followServers(parts, balancer, agent, () => serving.config),
    followed.onNews((by) => reloadSoon(parts, reloader, by)),
    watchGeoAge(systemClock, parts.events, () => serving),
    ...renewing(parts).map((on) => on(refresher.refresh)),
  ];
  return {
    current: () => serving,
    kept: from.shelf.all,
    agent,
    record,
    reloader,
    health,
    async close() {
      for (const stop of stops) stop();
      health.close();
      refresher.close();
      from.zoneKeys?.close();
      agent.close();
      await reloader.close();
      nameservers.close();
      await record.close();
    },
  };
}

function planHealth(
  { desk, plans }: Parts,
  dns: DnsWorkers | undefined,
  serving: () => Serving,
): PlannedHealth {
  return createPlannedHealth({
    ...{ keeper: plans, serving, words: desk.words },
    tell: (planned) => dns?.publishHealth(serving().snapshot.generation, planned),
  });
}

function tellBalancer(
  { facts, told }: Parts,
  balancer: BalancerWorkers | undefined,
  agent: Agent,
): void {
  told.servers = (states) => {
    balancer?.publishServers(states);
    agent.report();
  };
  told.overrides = (current) => balancer?.setDrained(drainedRegions(current, facts.clock.nowMs()));
}

/** What changes answers besides the configuration: other keys may come without anything that a zone shows of them. */
const renewing = ({ latencyMaps, overlays, signer }: Parts) => [
  overlays.onChange,
  signer.onKeys,
  latencyMaps.onChange,
];

/** Other servers behind the balancer, while the configuration stays. */
function followServers(
  { desk, servers }: Parts,
  balancer: BalancerWorkers | undefined,
  agent: Agent,
  config: () => Config,
): () => void {
  return servers.onChange(() => {
    const live = servers.live(config());
    desk.setServers(live);
    // Listeners stay as they are: what could not be opened was said at the reload.
    void balancer?.publish(live);
    balancer?.publishServers(desk.serverStates());
    agent.report();
  });
}

function openRefresher({ events }: Parts, refresh: Reloader['refresh']): Refresher {
  return createRefresher({
    clock: systemClock,
    refresh,
    complain(reasons) {
      const message = `What came to a zone cannot be served: ${reasons.join(' ')}`;
      events.record('zone.refused', 'zones', message, 'warn');
    },
  });
}

/** Nobody waits for it. */
function reloadSoon({ log }: Parts, { reload }: Reloader, by: string): void {
  reload(by).catch((error: unknown) => {
    log.error('config.reload-failed', `The reload failed: ${String(error)}.`);
  });
}

/** Other nameservers, which copy zones of this one or have what it copies. */
function openNameservers(parts: Parts, dns: DnsWorkers | undefined) {
  const notifier = dns && openNotifier(parts);
  return {
    tell({ config, snapshot }: Serving): void {
      dns?.dnstap.set(config.dns.dnstap);
      if (notifier === undefined) return;
      notifier.serve(config, snapshot);
      parts.secondaries.follow(config, snapshot);
    },
    close: (): void => notifier?.close(),
  };
}

function openNotifier({ events }: Parts): Notifier {
  return createNotifier({
    clock: systemClock,
    wallSeconds: () => Math.floor(wallClockMs() / 1000),
    drawId: () => randomInt(2 ** 16),
    events,
    open: openDatagrams,
  });
}
