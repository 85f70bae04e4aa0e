import { readFileSync } from 'node:fs';
import { createExchange, type Exchange, type ExchangeDeps } from '../cluster/exchange.ts';
import { deriveSessionKey } from '../cluster/session.ts';
import { createStoreVoice } from '../cluster/store-voice.ts';
import { openTransport, type Transport } from '../cluster/transport.ts';
import { CLUSTER_KEY_LENGTH_MIN } from '../config/cluster-schema.ts';
import type { ClusterConfig, Config } from '../config/config.ts';
import type { SocketProblem } from '../io/sockets.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * This node among the others: the sockets, keys and store that the exchange of health needs. What
 * cannot be opened is a problem in words; what goes away later is silence.
 */
export type ClusterLink = {
  readonly exchange: Exchange;
  /** Where other nodes reach this one, as `host:port`; undefined = nowhere. */
  readonly address: string | undefined;
  close(): Promise<void>;
};

export type ClusterLinkDeps = Pick<
  ExchangeDeps,
  'ears' | 'heldJudgements' | 'describe' | 'onNode' | 'facts' | 'clock'
> & {
  readonly config: Config;
  readonly log: Log;
  readonly store: Store;
  /** The texts of clusterKeys(). */
  readonly keys: readonly string[];
  /** Milliseconds since the epoch by the machine's own clock. */
  readonly wallMs: () => number;
};

export async function openClusterLink(
  deps: ClusterLinkDeps,
): Promise<
  { readonly ok: true; readonly link: ClusterLink } | ({ readonly ok: false } & SocketProblem)
> {
  const { config, keys, log, store, wallMs, ...rest } = deps;
  const { cluster, node } = config;
  const opened = await listen(cluster, log);
  if (!opened.ok) return opened;
  const { transport } = opened;
  const exchange = createExchange({
    ...rest,
    name: node.name,
    incarnation: Math.floor(wallMs()),
    direct: transport === undefined ? undefined : { transport, keys: keys.map(deriveSessionKey) },
    log,
  });
  exchange.setSeeds(cluster.peers);
  const { hear, life, statements } = exchange;
  // Alone in its own memory there is nobody to tell.
  const voice =
    config.store.kind === 'memory'
      ? undefined
      : createStoreVoice({ store, clock: deps.clock, node: node.name, hear, life, statements });
  if (voice !== undefined) exchange.onNews(voice.tell);
  const link: ClusterLink = {
    exchange,
    address: cluster.advertise ?? reachable(transport),
    async close() {
      exchange.close();
      voice?.close();
      await transport?.close();
    },
  };
  return { ok: true, link };
}

/** The cluster's secrets: those in files first. A file that cannot serve is a problem. */
export function clusterKeys(
  cluster: ClusterConfig,
):
  | { readonly ok: true; readonly keys: readonly string[] }
  | ({ readonly ok: false } & SocketProblem) {
  const keys: string[] = [];
  for (const file of cluster.keyFiles) {
    const text = readKeyFile(file);
    if (text === undefined || text.length < CLUSTER_KEY_LENGTH_MIN) {
      return {
        ok: false,
        code: 'CLUSTER_KEY',
        message:
          text === undefined
            ? `The cluster key in ${file} cannot be read.`
            : `The cluster key in ${file} is shorter than ${CLUSTER_KEY_LENGTH_MIN} characters.`,
        hint: `Make one for all nodes: openssl rand -hex 32 > ${file}`,
      };
    }
    keys.push(text);
  }
  return { ok: true, keys: [...keys, ...cluster.keys] };
}

function readKeyFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    // Not there or not ours to read: the caller says so.
    return undefined;
  }
}

async function listen(
  { listen: listeners }: ClusterConfig,
  log: Log,
): Promise<
  | { readonly ok: true; readonly transport: Transport | undefined }
  | ({ readonly ok: false } & SocketProblem)
> {
  if (listeners.length === 0) return { ok: true, transport: undefined };
  try {
    return { ok: true, transport: await openTransport(listeners, log) };
  } catch (error) {
    const { code = 'ERROR' } = error as NodeJS.ErrnoException;
    const places = listeners.map(formatSocketAddress).join(', ');
    return {
      ok: false,
      code,
      message: `Other nodes cannot be listened to at ${places} (UDP): ${code}.`,
      hint: 'Is another process there, or is the address not of this machine? See cluster.listen.',
    };
  }
}

/** Nobody reaches a wildcard. */
function reachable(transport: Transport | undefined): string | undefined {
  return transport?.addresses.find((address) => !/^(0\.0\.0\.0|\[::\]):/.test(address));
}
