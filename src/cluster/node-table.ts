import { z } from 'zod';

/** What is known of the nodes of the cluster, from their leases and from their own mouths. Pure. */
export type NodeTable = {
  /** The node holds its lease in the store. */
  leased(name: string, info: NodeInfo, nowMs: number): void;
  /** Its lease is gone. */
  ended(name: string): void;
  heard(name: string, info: NodeInfo, nowMs: number): void;
  leasedNames(): readonly string[];
  /** All nodes by name; forgets those that have been gone for long. */
  rows(self: { readonly name: string; readonly info: NodeInfo }, nowMs: number): readonly NodeRow[];
};

/** What a node says of itself. */
export type NodeInfo = {
  readonly version: string;
  readonly roles: readonly string[];
  readonly region: string | undefined;
  /** Where peers reach it, `host:port`. */
  readonly peerAddress: string | undefined;
  readonly adminUrl: string | undefined;
  /** Of the snapshot that it serves. */
  readonly generation: number;
  /** Of the shared configuration that it serves; 0 = its file's own. */
  readonly revision: number;
  readonly configSha: string;
  /** Which added records it serves, see node/record-stamps.ts; '' = none. */
  readonly records: string;
  readonly startedAtMs: number;
  /** Of this life of the name: later lives have larger ones. */
  readonly incarnation: number;
  /** Its own wall clock when it said so; 0 in a lease. */
  readonly wallMs: number;
};

export type NodeRow = NodeInfo & {
  readonly name: string;
  readonly isSelf: boolean;
  /** `silent`: not heard for a while; `gone`: for so long that it will soon be forgotten. */
  readonly state: 'here' | 'silent' | 'gone';
  readonly lastHeardMs: number;
  /** How many revisions it is behind the furthest node. */
  readonly revisionsBehind: number;
};

export const NODE_SILENT_MS = 15_000;
export const NODE_GONE_MS = 5 * 60_000;
export const NODE_FORGET_MS = 24 * 3600_000;
/** More nodes than this are not told apart. */
export const NODES_MAX = 2000;

type Known = { info: NodeInfo; heardMs: number; isLeased: boolean };

export function createNodeTable(): NodeTable {
  const nodes = new Map<string, Known>();
  const put = (name: string, info: NodeInfo, nowMs: number, isLeased: boolean): void => {
    const known = nodes.get(name);
    if (!known && nodes.size >= NODES_MAX) return;
    // Of two lives the later one counts; an earlier one's words may still be on their way. But a node
    // whose clock was set back numbers its next life lower.
    const isEarlier = known !== undefined && info.incarnation < known.info.incarnation;
    if (isEarlier && nowMs - known.heardMs <= NODE_SILENT_MS) return;
    nodes.set(name, { info, heardMs: nowMs, isLeased: isLeased || (known?.isLeased ?? false) });
  };
  return {
    leased: (name, info, nowMs) => put(name, info, nowMs, true),
    ended(name) {
      const known = nodes.get(name);
      if (known) known.isLeased = false;
    },
    heard: (name, info, nowMs) => put(name, info, nowMs, false),
    leasedNames: () => [...nodes].flatMap(([name, { isLeased }]) => (isLeased ? [name] : [])),
    rows(self, nowMs) {
      for (const [name, { heardMs }] of nodes) {
        if (nowMs - heardMs > NODE_FORGET_MS) nodes.delete(name);
      }
      nodes.set(self.name, { info: self.info, heardMs: nowMs, isLeased: true });
      const newest = Math.max(...[...nodes.values()].map(({ info }) => info.revision));
      return [...nodes]
        .map(([name, { heardMs, info }]) => ({
          ...info,
          name,
          isSelf: name === self.name,
          state: stateOf(nowMs - heardMs),
          lastHeardMs: heardMs,
          revisionsBehind: newest - info.revision,
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    },
  };
}

/** What a node said of itself; undefined for anything else. */
export function readNodeInfo(text: string): NodeInfo | undefined {
  if (text.length > INFO_LENGTH_MAX) return undefined;
  try {
    const info = infoSchema.safeParse(JSON.parse(text)).data;
    return info && { ...ABSENT, ...info };
  } catch {
    // Not JSON: not a node.
    return undefined;
  }
}

const ABSENT = { region: undefined, peerAddress: undefined, adminUrl: undefined };
const INFO_LENGTH_MAX = 4096;
const word = z.string().max(255);
const count = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
/** Unknown words are left out: a newer version may say more. */
const infoSchema = z.object({
  version: word,
  roles: z.array(word).max(16),
  region: word.optional(),
  peerAddress: word.optional(),
  adminUrl: z.string().max(1024).optional(),
  generation: count,
  revision: count,
  configSha: word,
  records: z.string().max(512).default(''),
  startedAtMs: z.number(),
  incarnation: count,
  wallMs: z.number(),
});

function stateOf(silentMs: number): NodeRow['state'] {
  if (silentMs > NODE_GONE_MS) return 'gone';
  return silentMs > NODE_SILENT_MS ? 'silent' : 'here';
}
