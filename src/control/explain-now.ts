import { explainRequestIn } from '../balancer/explain-config.ts';
import { createClient, TRANSPORT_TCP, TRANSPORT_UDP } from '../nameserver/client.ts';
import { type EndpointView, type ExplainContext, explain } from '../nameserver/explain.ts';
import { explainReply } from '../nameserver/explain-reply.ts';
import type { DeferredQuery } from '../workers/dns-messages.ts';
import type {
  Explanation,
  Problem,
  Question,
  RequestExplanation,
  RequestQuestion,
} from './control-plane.ts';
import type { Serving } from './serving.ts';
import { type Facts, outlierOf } from './status.ts';

/** The same instant by two clocks. */
export type Instant = {
  /** As people are told. */
  readonly agreedMs: number;
  /** As the DNS workers draw. */
  readonly wallMs: number;
};

/** Explains with what is served and known at this moment. `config` is the hash of its steering part. */
export function explainNow(
  { health, plan, serving, words }: Pick<Facts, 'health' | 'plan' | 'serving' | 'words'>,
  question: Question,
  now: Instant,
  config: string | undefined,
): Explanation | Problem {
  const { geo, latency, snapshot } = serving;
  const view = (endpoint: string, near: string | undefined): EndpointView | undefined => {
    const status = health(endpoint);
    if (near === undefined) return status;
    return status?.near.find(({ region }) => region === near) ?? status;
  };
  const served = { node: serving.config.node.name, config };
  const context = { snapshot, health: { ...words, ...plan }, geo, latency, view, served };
  return explainAt(context, question, now);
}

type RequestFacts = Pick<Facts, 'server' | 'serverOutliers' | 'sessionMemory'> & {
  readonly serving: Pick<Serving, 'config'>;
};

/** With the configuration that is served and the servers as they are judged at this moment. */
export function explainRequestNow(
  facts: RequestFacts,
  question: RequestQuestion,
  nowMs: number,
): RequestExplanation | Problem {
  const sessions = { nowMs, memoryOf: facts.sessionMemory };
  const view = (upstream: string, server: string) => serverView(facts, upstream, server);
  const explained = explainRequestIn(facts.serving.config, question, view, sessions);
  if (!('wrong' in explained)) return explained;
  const { hint, wrong } = explained;
  return { problem: 'invalid', code: 'explain.request', message: `${upper(wrong)}.`, hint };
}

/** What requests hold against a server comes before what probes say for it. */
function serverView(
  facts: Pick<Facts, 'server' | 'serverOutliers'>,
  upstream: string,
  server: string,
) {
  const health = facts.server(upstream, server);
  const outlier = outlierOf(facts, upstream, server);
  if (outlier === undefined || health?.state === 'down' || health?.state === 'unready')
    return health;
  const { level, untilMs, why, workers, workersTotal } = outlier;
  const until = new Date(untilMs).toISOString().replace(/\.\d+Z$/, 'Z');
  const reason = `${level} by ${workers} of ${workersTotal} workers until ${until}: ${why}`;
  // Where some workers go on asking it, it is not out.
  return { state: workers < workersTotal ? 'reduced' : level, reason };
}

const upper = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** Drawn by the workers' clock, told by that of people. */
export function explainAt(
  context: ExplainContext,
  question: Question,
  { agreedMs, wallMs }: Instant,
): Explanation | Problem {
  const explained = explain(context, question, wallMs);
  if ('problem' in explained || agreedMs === wallMs) return explained;
  const { draw } = explained;
  const endsAtMs = (draw?.slot.endsAtMs ?? 0) + agreedMs - wallMs;
  return {
    ...explained,
    atMs: agreedMs,
    draw: draw && { ...draw, slot: { ...draw.slot, endsAtMs } },
  };
}

/** The reply to a TXT query for `_explain.NAME` that a DNS worker handed over. */
export function explainDeferred(
  facts: Pick<Facts, 'health' | 'serving' | 'words'>,
  { address, family, isStream, nowMs, query }: DeferredQuery,
  config: string | undefined,
): Uint8Array | undefined {
  const client = createClient(isStream ? TRANSPORT_TCP : TRANSPORT_UDP);
  client.family = family;
  client.address.set(address);
  const { udpSizeMax } = facts.serving.snapshot;
  return explainReply(query, client, udpSizeMax, (question) => {
    const explained = explainNow(facts, question, { agreedMs: nowMs, wallMs: nowMs }, config);
    return 'problem' in explained ? { ...explained, problem: 'invalid' } : explained;
  });
}
