import type { BalancerSnapshot, UpstreamSnapshot } from '../balancer/snapshot.ts';
import { sessionTableBytes } from '../sessions/session-table.ts';

/**
 * The memory of the tables of sessions, one for each upstream that has one: all workers of the node share it, whatever
 * region they serve, and it outlives them and every snapshot. One of another size begins empty.
 */
export type SessionMemories = {
  /** The snapshots with the memory of their tables; that of upstreams in none of them is given up. */
  attach(snapshots: ReadonlyMap<string, BalancerSnapshot>): Map<string, BalancerSnapshot>;
  of(upstream: string): SharedArrayBuffer | undefined;
};

export function createSessionMemories(): SessionMemories {
  let memories = new Map<string, SharedArrayBuffer>();
  return {
    attach(snapshots) {
      const kept = new Map<string, SharedArrayBuffer>();
      const withMemory = (upstream: UpstreamSnapshot): UpstreamSnapshot => {
        const { affinity, name } = upstream;
        if (affinity?.table === undefined) return upstream;
        const bytes = sessionTableBytes(affinity.table.sessionsMax);
        const present = kept.get(name) ?? memories.get(name);
        const sessionMemory =
          present?.byteLength === bytes ? present : new SharedArrayBuffer(bytes);
        kept.set(name, sessionMemory);
        return { ...upstream, sessionMemory };
      };
      const attached = [...snapshots].map(([region, snapshot]): [string, BalancerSnapshot] => [
        region,
        { ...snapshot, upstreams: snapshot.upstreams.map(withMemory) },
      ]);
      memories = kept;
      return new Map(attached);
    },
    of: (upstream) => memories.get(upstream),
  };
}
