import { randomBytes } from 'node:crypto';
import { getServers } from 'node:dns';
import type { Facts } from '../cluster/facts.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../control/clock.ts';
import type { Events } from '../control/events.ts';
import { ALL_NODES, createServerWords, type ServerWords } from '../control/server-words.ts';
import { withLiveServers } from '../discovery/live-servers.ts';
import { parseAddress } from '../ip/address.ts';
import { parseSocketAddress } from '../ip/socket-address.ts';
import type { Log } from '../telemetry/log.ts';
import { createAskResolver, realSockets } from './ask-resolver.ts';
import type { Peer } from './datagrams.ts';
import { openFoundServersFile } from './found-servers-file.ts';
import { createServerFinder } from './server-finder.ts';

/**
 * The servers that this node's upstreams have now: what the configuration says, with what DNS gives and
 * what people say beside it. The configuration itself stays what was written.
 */
export type LiveServers = {
  /** From now on this configuration is served; settles when all has been looked up once, whatever came of it, or soon. */
  follow(config: Config): Promise<void>;
  /** The configuration with the servers as they are now. */
  live(config: Config): Config;
  /** Called when they are others; at once when that has happened before anybody listened. */
  onChange(listener: () => void): () => void;
  readonly words: ServerWords;
  close(): void;
};

export type LiveServersParts = {
  readonly config: Config;
  readonly facts: Pick<Facts, 'clock' | 'replica' | 'settled'>;
  readonly events: Pick<Events, 'record'>;
  readonly log: Pick<Log, 'warn'>;
};

const DNS_PORT = 53;
/** A node that starts waits so long for its servers' names; later ones come as any change does. */
const FIRST_LOOK_MS = 5000;

export function openLiveServers({ config, events, facts, log }: LiveServersParts): LiveServers {
  let followed = config;
  let made: { readonly from: Config; readonly live: Config } | undefined;
  let listener: (() => void) | undefined;
  let isPending = false;
  const changed = (): void => {
    made = undefined;
    if (listener === undefined) isPending = true;
    else listener();
  };
  const words = createServerWords({
    ...facts,
    scope: () => (followed.cluster.sharedConfig ? ALL_NODES : followed.node.name),
    onChange: changed,
  });
  const file = openFoundServersFile(config.node.stateDirectory, (problem) =>
    log.warn('discovery.unreadable', `${problem}: no servers are known from before.`),
  );
  const finder = createServerFinder({
    clock: systemClock,
    ask: createAskResolver({ ...realSockets, ...systemClock, drawBytes: randomBytes }),
    draw: Math.random,
    systemResolvers,
    remembered: file.get,
    onChange(upstream, question, servers) {
      const problem = file.set(upstream, question, servers);
      if (problem !== undefined) {
        log.warn('discovery.unwritable', `${problem}: servers are not kept over a restart.`);
      }
      changed();
    },
    onNews(upstream, { kind, message }) {
      const isAlarm = kind === 'discovery.empty' || kind === 'discovery.failed';
      events.record(kind, upstream, message, isAlarm ? 'warn' : 'info');
    },
  });
  return {
    async follow(next) {
      followed = next;
      made = undefined;
      if (!next.node.roles.includes('balancer')) return;
      file.keepOnly(Object.keys(next.balancer.upstreams));
      finder.follow(next.balancer);
      await Promise.race([finder.ready(), soon()]);
    },
    live(from) {
      if (made?.from !== from) {
        const balancer = withLiveServers(from.balancer, finder.found(), words.current());
        made = { from, live: { ...from, balancer } };
      }
      return made.live;
    },
    onChange(hears) {
      listener = hears;
      if (isPending) hears();
      isPending = false;
      return () => {
        listener = undefined;
      };
    },
    words,
    close() {
      finder.close();
      words.close();
    },
  };
}

const soon = (): Promise<void> =>
  new Promise((resolve) => void systemClock.setTimer(FIRST_LOOK_MS, resolve));

/** As the system has them now: they change with the network. */
function systemResolvers(): readonly Peer[] {
  return getServers().flatMap((text) => {
    if (parseAddress(text) !== undefined) return [{ address: text, port: DNS_PORT }];
    return parseSocketAddress(text) ?? [];
  });
}
