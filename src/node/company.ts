import type { Config } from '../config/config.ts';
import type { Clock } from '../control/clock.ts';

/**
 * Whether a node without a store may make what all nodes are to have one of. The others may have it already,
 * so it needs one of them at least, and a moment to be told.
 */
export type Company = {
  /** Looks who is there; what is waited for, in words, undefined = nothing. */
  awaited(config: Config): string | undefined;
};

/** From the first moment with another node to the first at which something is made. */
export const PEERS_WAIT_MS = 5_000;

export function createCompany(
  clock: Pick<Clock, 'nowMs'>,
  /** True while no other node is connected that should be. */
  isCutOff: () => boolean,
): Company {
  let sinceMs: number | undefined;
  return {
    awaited({ cluster, store }) {
      // A store decides who is first.
      if (store.kind !== 'memory' || cluster.listen.length === 0) return undefined;
      if (isCutOff()) {
        sinceMs = undefined;
        return 'none of the other nodes (cluster.peers) is reached, and they may have them: none are made until one is';
      }
      sinceMs ??= clock.nowMs();
      if (clock.nowMs() - sinceMs >= PEERS_WAIT_MS) return undefined;
      return 'the other nodes are given a moment to tell theirs';
    },
  };
}
