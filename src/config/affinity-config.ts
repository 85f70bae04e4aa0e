import type { KeySource } from '../balancing/algorithm.ts';

/** What keeps a client on its server: at least one of them. A cookie that names a server counts first. */
export type AffinityConfig = {
  readonly cookie?: CookieAffinityConfig;
  readonly table?: TableAffinityConfig;
  /** A server with more than so many times its share of the requests in flight is spared; absent = never. */
  readonly loadFactor?: number;
};
export type CookieAffinityConfig = {
  readonly name: string;
  readonly secret: string;
  readonly formerSecret?: string;
  /** 0 = until the browser is closed. */
  readonly maxAgeSeconds: number;
  /** From the first cookie on, however often it is made anew; 0 = no end. */
  readonly maxLifeSeconds: number;
  readonly path: string;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite: 'Lax' | 'Strict' | 'None';
};
/** Sessions in a table, found by what the client shows. */
export type TableAffinityConfig = {
  readonly key: SessionKeySource;
  /** A session ends so long after its last use. */
  readonly ttlSeconds: number;
  /** In the table of one node. */
  readonly sessionsMax: number;
  /** With all nodes, through the store. */
  readonly shared: boolean;
  /** Keys are hashed with it; empty = with the upstream's name alone. */
  readonly secret: string;
};
export type SessionKeySource = Extract<
  KeySource,
  { readonly kind: 'client' | 'query' | 'header' | 'cookie' }
>;
