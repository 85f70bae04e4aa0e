import { REGIONS, type Region } from './wide-area.ts';

/**
 * What is true at a time, and what an answer is worth against it. The lab says what it does to the
 * world (`Truth`), clients say what they were told, and this decides: pure, so that it can be tested
 * that it finds what is wrong.
 */
export type Client = {
  readonly name: string;
  /** Where it is, which says what it can reach. */
  readonly network: Region;
  /** Where the map puts it, which says what it should be answered. */
  readonly near: Region;
  readonly isGuest: boolean;
};

export type Reply = {
  readonly client: string;
  /** `serverName(region)`, or `resolver`. */
  readonly server: string;
  /** When it was asked, in milliseconds since the epoch. */
  readonly atMs: number;
  readonly tookMs: number;
  /** `lost` when no reply came. */
  readonly rcode: string;
  /** Several are apart by blanks. */
  readonly address: string;
  readonly ttlSeconds: number;
};

/** `unsure`: nobody can say; whatever is answered will do. */
export type State = 'there' | 'gone' | 'unsure';

export type Truth = {
  /** From this time on, for clients in this network, a region or nameserver is so. */
  set(atMs: number, network: Region, thing: string, state: State): void;
  /** All states that it had at any moment from one time to the other. */
  between(network: Region, thing: string, fromMs: number, toMs: number): ReadonlySet<State>;
};

export type Verdict =
  | 'right'
  /** No address, or a response code other than NOERROR. */
  | 'empty'
  /** A region that has been gone for longer than the bound. */
  | 'dead'
  /** Not the nearest, which has been there for longer than the bound. */
  | 'withdrawn'
  | 'lost'
  /** No reply, which is as it should be: the server or the way to it is gone. */
  | 'unreachable';

export type Bounds = {
  /** A region that is gone may be answered for so long. */
  readonly leaveMs: number;
  /** One that is back may be missing for so long. */
  readonly returnMs: number;
  /** What a resolver may add to both: the TTL, in whole seconds. */
  readonly resolverMs: number;
};

/** From near to far, for clients near a region. */
export const NEAREST: Readonly<Record<Region, readonly Region[]>> = {
  virginia: ['virginia', 'frankfurt', 'singapore'],
  frankfurt: ['frankfurt', 'virginia', 'singapore'],
  singapore: ['singapore', 'frankfurt', 'virginia'],
};

export const serverName = (region: Region): string => `nameserver in ${region}`;
export const RESOLVER = 'resolver';

export function judgeReply(
  reply: Reply,
  client: Client,
  truth: Truth,
  regionAt: (address: string) => Region | undefined,
  bounds: Bounds,
): Verdict {
  const endMs = reply.atMs + reply.tookMs;
  const states = (thing: string, beforeMs: number): ReadonlySet<State> =>
    truth.between(client.network, thing, reply.atMs - beforeMs, endMs);
  if (reply.rcode === 'lost') {
    const way = reply.server === RESOLVER ? new Set(['there']) : states(reply.server, 0);
    return isOnly(way, 'there') ? 'lost' : 'unreachable';
  }
  const region = regionAt(reply.address);
  if (reply.rcode !== 'NOERROR' || region === undefined) return 'empty';
  const moreMs = reply.server === RESOLVER ? bounds.resolverMs : 0;
  if (isOnly(states(region, bounds.leaveMs + moreMs), 'gone')) return 'dead';
  const order = NEAREST[client.near];
  const nearer = order.slice(0, order.indexOf(region));
  // Who answers cannot know what only the client reaches (a resolver may have asked any of them), and
  // what clients near a region reach is what the region's vantage points reach.
  const knowers = REGIONS.filter(
    (each) =>
      reply.server === RESOLVER || reply.server === serverName(each) || each === client.near,
  );
  const isPassedOver = (other: Region): boolean =>
    [client.network, ...knowers].every((network) =>
      isOnly(truth.between(network, other, reply.atMs - bounds.returnMs - moreMs, endMs), 'there'),
    );
  return nearer.some(isPassedOver) ? 'withdrawn' : 'right';
}

const isOnly = (states: ReadonlySet<string>, state: State): boolean =>
  states.size === 1 && states.has(state);

/** Everything is there from the beginning. */
export function createTruth(): Truth {
  const changes = new Map<string, { readonly atMs: number; readonly state: State }[]>();
  const key = (network: Region, thing: string): string => `${network} ${thing}`;
  return {
    set(atMs, network, thing, state) {
      const known = changes.get(key(network, thing)) ?? [];
      changes.set(key(network, thing), [...known, { atMs, state }]);
    },
    between(network, thing, fromMs, toMs) {
      const known = changes.get(key(network, thing)) ?? [];
      const before = known.findLast(({ atMs }) => atMs <= fromMs)?.state ?? 'there';
      const within = known.filter(({ atMs }) => atMs > fromMs && atMs <= toMs);
      return new Set([before, ...within.map(({ state }) => state)]);
    },
  };
}
