import { until } from '../../node/until.ts';
import { CLIENTS } from './clients.ts';
import { POOL } from './config.ts';
import { type Client, RESOLVER, type Reply, serverName } from './judge.ts';
import type { Target } from './targets.ts';
import { addressOf, REGIONS, type Region } from './wide-area.ts';
import type { World } from './world.ts';

/** How long it takes from a fault until everybody has drawn the conclusion; all in milliseconds. */
export type Left = {
  /** To the last answer of any nameserver that still names the region. */
  readonly answersMs: number;
  /** The same for clients of resolvers, whose answers have a TTL; undefined when none is concerned. */
  readonly resolversMs: number | undefined;
};

export type Detected = {
  /** To the judgement of the first nameserver. */
  readonly detectMs: number;
  /** From there to that of the last. */
  readonly propagateMs: number;
};

/** Many times what is expected: other programs share the machine. */
const DEADLINE_MS = 30_000;
/** So many answers in a row say that it is over. */
const SETTLED = 5;
const SETTLED_RESOLVED = 3;

/** A client at a server. */
type Stream = { readonly client: Client; readonly server: string };

/** Those whose answers move when the region is gone for them, at these nameservers. */
export function concerned(
  world: World,
  region: Region,
  judges: readonly Region[],
): readonly Stream[] {
  const nowMs = Date.now();
  const is = (network: Region, thing: string, state: string): boolean =>
    [...world.truth.between(network, thing, nowMs, nowMs)].every((each) => each === state);
  const clients = CLIENTS.filter(
    ({ near, network }) => near === region && !is(network, region, 'there'),
  );
  return clients.flatMap((client) => {
    const reached = judges.filter((judge) => is(client.network, serverName(judge), 'there'));
    const servers = reached.map(serverName);
    return [...servers, ...(client.isGuest ? [] : [RESOLVER])].map((server) => ({
      client,
      server,
    }));
  });
}

/** Waits until nobody of these is answered with the region any more. */
export async function untilLeft(
  world: World,
  region: Region,
  streams: readonly Stream[],
  sinceMs: number,
): Promise<Left> {
  const address = addressOf(region, 'vip');
  const isOther = (reply: Reply): boolean => reply.rcode !== 'lost' && reply.address !== address;
  await untilSettled(world, streams, sinceMs, isOther, `without ${region}`);
  const lastOf = (some: readonly Stream[]): number =>
    Math.max(
      0,
      ...some.flatMap((stream) =>
        repliesOf(world, stream, sinceMs)
          .filter((reply) => reply.address === address)
          .map(({ atMs, tookMs }) => atMs + tookMs - sinceMs),
      ),
    );
  const resolvers = streams.filter(({ server }) => server === RESOLVER);
  return {
    answersMs: lastOf(streams.filter(({ server }) => server !== RESOLVER)),
    resolversMs: resolvers.length === 0 ? undefined : lastOf(resolvers),
  };
}

/** Waits until all of these are answered with the region again. */
export async function untilBack(
  world: World,
  region: Region,
  streams: readonly Stream[],
  sinceMs: number,
): Promise<Left> {
  const address = addressOf(region, 'vip');
  const isBack = (reply: Reply): boolean => reply.address === address;
  await untilSettled(world, streams, sinceMs, isBack, `with ${region} again`);
  const firstOf = (some: readonly Stream[]): number =>
    Math.max(
      ...some.map((stream) => {
        const first = repliesOf(world, stream, sinceMs).find(isBack)!;
        return first.atMs + first.tookMs - sinceMs;
      }),
    );
  const resolvers = streams.filter(({ server }) => server === RESOLVER);
  return {
    answersMs: firstOf(streams.filter(({ server }) => server !== RESOLVER)),
    resolversMs: resolvers.length === 0 ? undefined : firstOf(resolvers),
  };
}

/** When nameservers judged that the target is down, by their own event logs. */
export async function untilDetected(
  world: World,
  { region }: Target,
  judges: readonly Region[],
  sinceMs: number,
): Promise<Detected> {
  const times = new Map<Region, number>();
  const told = new Map<Region, string>();
  const look = async (): Promise<boolean> => {
    for (const judge of judges.filter((each) => !times.has(each))) {
      const events = await world.events(judge, sinceMs);
      const down = events.find(
        ({ kind, subject }) => kind === 'endpoint.down' && subject === `${POOL}/${region}`,
      );
      if (down !== undefined) times.set(judge, down.atMs);
      else told.set(judge, `${judge} says ${JSON.stringify(events.slice(-3))}`);
    }
    return times.size === judges.length;
  };
  const silent = (): string =>
    [...told].flatMap(([judge, text]) => (times.has(judge) ? [] : [text])).join('\n');
  const what = (): string => `all of ${judges.join()} say that ${region} is down:\n${silent()}`;
  await until(look, DEADLINE_MS, what);
  const all = [...times.values()];
  const firstMs = Math.min(...all);
  return { detectMs: firstMs - sinceMs, propagateMs: Math.max(...all) - firstMs };
}

/** Somebody drains a region at one node: until it has left the answers of all. */
export async function measureDrain(
  world: World,
  at: Region,
  region: Region,
  judges: readonly Region[],
): Promise<{ readonly drainMs: number; readonly undrainMs: number }> {
  const startMs = Date.now();
  for (const network of REGIONS) world.truth.set(startMs, network, region, 'unsure');
  const streams = concerned(world, region, judges).filter(({ server }) => server !== RESOLVER);
  const draining = world.post(at, `regions/${region}/drain`, { reason: 'lab' });
  const { answersMs: drainMs } = await untilLeft(world, region, streams, startMs);
  await draining;
  const endMs = Date.now();
  const undraining = world.post(at, `regions/${region}/undrain`, {});
  const { answersMs: undrainMs } = await untilBack(world, region, streams, endMs);
  await undraining;
  return { drainMs, undrainMs };
}

async function untilSettled(
  world: World,
  streams: readonly Stream[],
  sinceMs: number,
  isSo: (reply: Reply) => boolean,
  what: string,
): Promise<void> {
  const isSettled = (stream: Stream): boolean => {
    const count = stream.server === RESOLVER ? SETTLED_RESOLVED : SETTLED;
    const last = repliesOf(world, stream, sinceMs)
      .filter(({ rcode }) => rcode !== 'lost')
      .slice(-count);
    return last.length === count && last.every(isSo);
  };
  const missing = (): string =>
    streams
      .filter((stream) => !isSettled(stream))
      .map((stream) => {
        const told = repliesOf(world, stream, sinceMs).map((each) => each.rcode + each.address);
        const changes = told.filter((text, index) => text !== told[index - 1]);
        return `${stream.client.name} at ${stream.server}: ${changes.join(', ')}`;
      })
      .join('\n');
  await until(
    () => streams.every(isSettled),
    DEADLINE_MS,
    () => `${what}:\n${missing()}`,
  );
}

function repliesOf({ clients }: World, { client, server }: Stream, sinceMs: number): Reply[] {
  const first = clients.replies.findIndex(({ atMs }) => atMs >= sinceMs);
  return clients.replies
    .slice(first === -1 ? clients.replies.length : first)
    .filter((reply) => reply.client === client.name && reply.server === server)
    .filter(({ atMs }) => atMs >= sinceMs)
    .sort((one, other) => one.atMs - other.atMs);
}
