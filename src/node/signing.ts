import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import type { Parts } from './parts.ts';
import { keepZoneKeys, type ZoneKeysKeeper } from './zone-keys.ts';

/** A node that starts without an answer of its store serves meanwhile, unsigned what it has no keys for. */
export const KEYS_START_WAIT_MS = 3000;

/** Opens the keys of signed zones on a node that answers for them, before anything is compiled. */
export async function openZoneKeys(
  { facts, link, events, log, overlays, signer, store }: Parts,
  config: Config,
): Promise<ZoneKeysKeeper | undefined> {
  const { cluster, node } = config;
  if (!node.roles.includes('nameserver') && !node.roles.includes('admin')) return undefined;
  const keeper = keepZoneKeys({
    config,
    secrets: facts.secrets,
    clock: facts.clock,
    events,
    log,
    tell: signer.setKeys,
    overlays,
    setOverlay: (zone, overlay) => overlays.set('dnssec', zone, overlay),
    isCutOff() {
      if (config.store.kind !== 'memory') return store.status().state !== 'ready';
      // The list of all nodes may have this one, too.
      const others = cluster.peers.filter((peer) => peer !== link.address);
      const peers = link.exchange.peers();
      return others.length > 0 && !peers.some(({ state }) => state === 'connected');
    },
    settled: facts.settled,
  });
  await Promise.race([keeper.ready, delay(KEYS_START_WAIT_MS, undefined, { ref: false })]);
  return keeper;
}
