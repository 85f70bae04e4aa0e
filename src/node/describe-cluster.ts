import type { ClusterNodeStatus, ClusterStatus } from '../control/control-plane.ts';
import type { Parts } from './parts.ts';

/** The other nodes, the store and the clock, for people. */
export function describeCluster({
  config,
  facts,
  link,
  registry,
  store,
}: Pick<Parts, 'config' | 'facts' | 'link' | 'registry' | 'store'>): ClusterStatus {
  const peers = new Map(link.exchange.peers().map((peer) => [peer.name, peer.state]));
  const directOf = (name: string, isSelf: boolean): ClusterNodeStatus['direct'] => {
    if (isSelf) return 'self';
    const state = peers.get(name);
    return state === 'connected' || state === 'silent' ? state : 'never';
  };
  const status = store.status();
  const { isSkewed, offsetMs, source } = facts.clock.status();
  return {
    nodes: registry
      .list()
      .map(({ incarnation: _incarnation, records: _records, wallMs: _wallMs, ...row }) => ({
        ...row,
        direct: directOf(row.name, row.isSelf),
      })),
    store: {
      kind: config.store.kind,
      state: status.state,
      ...(status.state === 'away' ? { reason: status.reason } : {}),
    },
    clock: { source, offsetMs, isSkewed },
  };
}
