import { fileURLToPath } from 'node:url';
import type { Topology } from '../topology.ts';
import { type Client, type Reply, serverName } from './judge.ts';
import { addressOf, REGIONS, type Region } from './wide-area.ts';

/**
 * Clients in all regions that never stop asking: each asks all three nameservers, and those at home in
 * their region its resolver too. What they were told is what the lab judges by (judge.ts).
 */
export type AskingClients = {
  /** Everything that was heard, in the order in which it came. */
  readonly replies: readonly Reply[];
  /** Forgets what was asked before this time. */
  forget(beforeMs: number): void;
  /** How long since a client was last heard, at most; grows when they do not live any more. */
  silentMs(): number;
};

/** Where guests belong: they are answered as clients near this region, from another one's network. */
const GUEST_OF = {
  virginia: 'singapore',
  frankfurt: 'virginia',
  singapore: 'frankfurt',
} as const satisfies Record<Region, Region>;

export const CLIENTS: readonly Client[] = REGIONS.flatMap((region) => [
  { name: `client in ${region}`, network: region, near: region, isGuest: false },
  {
    name: `guest in ${region}`,
    network: region,
    near: GUEST_OF[region],
    isGuest: true,
  },
]);

export type Pace = {
  readonly directMs: number;
  readonly guestMs: number;
  readonly resolverMs: number;
};
export const QUICK_PACE: Pace = { directMs: 50, guestMs: 100, resolverMs: 250 };
/** For hours. */
export const SLOW_PACE: Pace = { directMs: 250, guestMs: 500, resolverMs: 1000 };

const ASK_MANY = fileURLToPath(new URL('ask-many.ts', import.meta.url));

export function startAsking({ processes }: Topology, name: string, pace: Pace): AskingClients {
  const replies: Reply[] = [];
  const heardAtMs = new Map<string, number>();
  for (const region of REGIONS) {
    const mine = CLIENTS.filter(({ network }) => network === region);
    const questions = mine.flatMap((client) => {
      const source = addressOf(region, client.isGuest ? 'guest' : 'client');
      const everyMs = client.isGuest ? pace.guestMs : pace.directMs;
      const direct = REGIONS.map((other) => ({
        ...{ client: client.name, source, server: serverName(other), everyMs },
        address: addressOf(other, 'nameserver'),
        isRecursive: false,
      }));
      const resolved = {
        ...{ client: client.name, source, server: 'resolver', everyMs: pace.resolverMs },
        address: addressOf(region, 'resolver'),
        isRecursive: true,
      };
      return client.isGuest ? direct : [...direct, resolved];
    });
    const flags = ['--disable-warning=ExperimentalWarning', ASK_MANY];
    const words = [process.execPath, ...flags, name, JSON.stringify(questions)];
    processes.start(region, words).onLine((line) => {
      replies.push(JSON.parse(line));
      heardAtMs.set(region, Date.now());
    });
  }
  return {
    replies,
    forget(beforeMs) {
      const first = replies.findIndex(({ atMs }) => atMs >= beforeMs);
      replies.splice(0, first === -1 ? replies.length : first);
    },
    silentMs: () => Date.now() - Math.min(...REGIONS.map((region) => heardAtMs.get(region) ?? 0)),
  };
}
