import type { KeySource } from '../balancing/algorithm.ts';
import type { RequestHead } from '../http/head.ts';
import type { HedgeRules } from '../resilience/hedging.ts';
import { IDEMPOTENT_METHODS } from '../resilience/retry-rules.ts';
import { affinityKey } from './affinity-key.ts';
import { heldServer } from './cookie-affinity.ts';
import { COUNTER_SCRATCH } from './counters.ts';
import { type ExplainedSession, explainSession, type SessionFacts } from './explain-session.ts';
import type { Route } from './route.ts';
import type { UpstreamSnapshot } from './snapshot.ts';
import { armOf } from './split.ts';
import { createUpstream, pickServer, setUsable } from './upstream.ts';

/** How a split chose. */
export type ExplainedSplit = {
  /** What the choice depends on. */
  readonly why: string;
  readonly arms: readonly {
    readonly upstream: string;
    /** Of all requests. */
    readonly share: number;
    readonly isTaken: boolean;
  }[];
};

export type ExplainedUpstream = {
  readonly name: string;
  readonly algorithm: string;
  /** How the server is picked. */
  readonly why: string;
  /** Of algorithms with a table: nodes that show the same pick alike. */
  readonly tableVersion: string | undefined;
  /** What keeps the request on a server; undefined where nothing but the algorithm does. */
  readonly session: ExplainedSession | undefined;
  /** Whether and when a second server is asked too; undefined where none ever is. */
  readonly hedging: string | undefined;
  readonly servers: readonly ExplainedServer[];
};
export type ExplainedServer = {
  readonly name: string;
  readonly weight: number;
  /** `unknown` where nobody has judged it. */
  readonly state: string;
  readonly reason: string;
  /** It is the one that this request goes to, whatever the load. */
  readonly isPicked: boolean;
};
/** What is known of a server; undefined = nothing. */
export type ServerView = (
  upstream: string,
  server: string,
) => { readonly state: string; readonly reason: string } | undefined;

type Client = { readonly remoteAddress: string; readonly remotePort: number };

/** @returns the arm's place among the upstreams; without a key, that of the heaviest */
export function explainSplit(
  split: NonNullable<Route['split']>,
  upstreams: readonly UpstreamSnapshot[],
  head: RequestHead,
  client: Client,
): { readonly taken: number; readonly split: ExplainedSplit } {
  const key = split.key === undefined ? 0 : affinityKey(split.key, head, client);
  const heaviest = split.arms.reduce((best, arm) => (arm.weight > best.weight ? arm : best));
  const taken = key === 0 ? heaviest.upstream : armOf(split.arms, key, 0);
  const sum = split.arms.reduce((total, { weight }) => total + weight, 0);
  return {
    taken,
    split: {
      why: splitWords(split.key, key),
      arms: split.arms.map(({ upstream, weight }) => ({
        upstream: upstreams[upstream]!.name,
        share: weight / sum,
        isTaken: upstream === taken,
      })),
    },
  };
}

function splitWords(source: KeySource | undefined, key: number): string {
  if (source === undefined) return 'each request is drawn; shown is the arm with the most weight';
  if (key !== 0) return `by ${sourceText(source)}: always the same arm`;
  return `by ${sourceText(source)}, which the request does not have: drawn; shown is the arm with the most weight`;
}

/** Of a model of the upstream, which nothing happens to. */
const UNCOUNTED = { upstream: COUNTER_SCRATCH, servers: [], latencies: [] };
const isOut = ({ state }: { readonly state: string }): boolean =>
  state === 'down' || state === 'ejected';
const SILENT = { draw: () => 0, report: () => {} };

export function explainUpstream(
  settings: UpstreamSnapshot,
  head: RequestHead,
  client: Client,
  view: ServerView,
  sessions: SessionFacts,
): ExplainedUpstream {
  // A model needs no table of sessions, which may be large.
  const { affinity: _, ...model } = settings;
  const upstream = createUpstream(model, undefined, UNCOUNTED, SILENT, 0);
  const views = upstream.servers.map(
    ({ name }) => view(settings.name, name) ?? { state: 'unknown', reason: 'not judged here' },
  );
  setUsable(
    upstream,
    upstream.servers.map(({ name }, index) => ({
      server: name,
      usable: !isOut(views[index]!),
      draining: views[index]!.state === 'unready',
    })),
    0,
  );
  const { keySource } = upstream;
  const key = keySource === undefined ? 0 : affinityKey(keySource, head, client);
  const session = explainSession(settings, head, client.remoteAddress, sessions);
  const home = settings.servers.findIndex(({ name }) => name === session?.server);
  const held = heldServer(upstream, home, []);
  const picked = held ?? (key === 0 ? undefined : pickServer(upstream, [], key, 0, 0));
  const words = pickWords(settings.algorithm.kind, keySource, key, upstream.usable.includes(1));
  return {
    name: settings.name,
    algorithm: settings.algorithm.kind,
    why: held === undefined ? words : heldWords(held.name, settings),
    tableVersion: upstream.picker.tableVersion,
    session,
    hedging:
      settings.hedging &&
      hedgingWords(
        settings.hedging,
        settings.retries.attempts,
        head,
        // One of the table that has no server yet gets it when the request goes out.
        held !== undefined || session?.key !== undefined,
      ),
    servers: settings.servers.map(({ name, weight }, index) => ({
      name,
      weight,
      ...views[index]!,
      isPicked: picked?.name === name,
    })),
  };
}

function heldWords(server: string, { affinity }: UpstreamSnapshot): string {
  const bound = affinity?.loadFactor;
  const but =
    bound === undefined
      ? ''
      : `; another answers while it has more than ${bound} times its share of the requests in flight`;
  return `${server} has the session${but}`;
}

function pickWords(
  algorithm: string,
  source: KeySource | undefined,
  key: number,
  isAnyUsable: boolean,
): string {
  if (!isAnyUsable) return 'no server is usable: 503';
  if (source === undefined) return `${algorithm} picks among the usable ones for each request`;
  const by = sourceText(source);
  if (key === 0)
    return `${algorithm} by ${by}, which the request does not have: any of the usable ones`;
  return `${algorithm} by ${by}: the same server while it is usable and not too full`;
}

function hedgingWords(
  { leastMs, quantile }: HedgeRules,
  attempts: number,
  head: RequestHead,
  isHeld: boolean,
): string {
  if (attempts === 1) return 'none: it would be a retry, and there are none';
  if (!IDEMPOTENT_METHODS.has(head.method)) return `none: ${head.method} may not be sent twice`;
  if (head.upgrade) return 'none: it may become a tunnel';
  if (isHeld) return 'none: its session keeps it on one server';
  const percent = Number((100 * quantile).toFixed(1));
  return `a second server is asked when the answer takes longer than ${percent} % of this route's, and ${leastMs} ms at least`;
}

/** As it is written in a configuration. */
const sourceText = (source: KeySource): string =>
  'name' in source ? `${source.kind}:${source.name}` : source.kind;
