import type { Agent, Dispatcher } from 'undici';
import type {
  AcmeChallenge,
  AcmeChallengeChange,
  AcmeChallengeRequest,
  AddedRecordStatus,
  AddRecordRequest,
  CapacityView,
  ChangeServerRequest,
  ClusterStatus,
  ConfigIssue,
  ConfigPublication,
  ConfigRevision,
  ConfigText,
  DrillPrediction,
  DrillStatus,
  EventRecord,
  Explanation,
  KeyRollRequest,
  KeyStepRequest,
  LoadChange,
  LoadReport,
  OverrideRequest,
  OverrideStatus,
  PoolStatus,
  PublishRequest,
  Question,
  RecordChange,
  RegionStatus,
  ReloadResult,
  RequestExplanation,
  RequestQuestion,
  ServerChange,
  Target,
  TrafficStatus,
  UpstreamStatus,
  ZoneDnssec,
  ZoneStatus,
} from '../control/control-plane.ts';
import type { NodeStatus } from '../control/node-status.ts';
import { CliExit, EXIT_CONFIG, EXIT_NO, EXIT_UNAVAILABLE, EXIT_USAGE } from './exit.ts';

/**
 * The admin API as typed functions. What goes wrong is a CliExit: a sentence with what to do, and the
 * exit code that fits. The answers' types are the control plane's own; the API checks them on its side.
 */
export type ApiClient = {
  readonly url: string;
  status(): Promise<NodeStatus>;
  regions(): Promise<readonly RegionStatus[]>;
  pools(): Promise<readonly PoolStatus[]>;
  cluster(): Promise<ClusterStatus>;
  zones(): Promise<readonly ZoneStatus[]>;
  refreshZone(zone: string, isAnew: boolean): Promise<ZoneStatus>;
  acmeChallenges(zone: string): Promise<readonly AcmeChallenge[]>;
  setAcmeChallenge(zone: string, request: ChallengeBody): Promise<AcmeChallengeChange>;
  /** Without a value all of the name. */
  clearAcmeChallenge(zone: string, name: string, value?: string): Promise<AcmeChallengeChange>;
  addedRecords(zone: string): Promise<readonly AddedRecordStatus[]>;
  addRecord(zone: string, request: RecordBody): Promise<RecordChange>;
  /** Without data all of the name and type. */
  removeRecords(zone: string, name: string, type: string, data?: string): Promise<RecordChange>;
  zoneDnssec(zone: string): Promise<ZoneDnssec>;
  startKeyRoll(request: Omit<KeyRollRequest, 'by'>): Promise<ZoneDnssec>;
  advanceKeyRoll(request: Omit<KeyStepRequest, 'by'>): Promise<ZoneDnssec>;
  balancers(): Promise<readonly UpstreamStatus[]>;
  traffic(): Promise<TrafficStatus>;
  addServer(upstream: string, request: AddServerBody): Promise<ServerChange>;
  changeServer(upstream: string, server: string, request: ServerBody): Promise<ServerChange>;
  removeServer(upstream: string, server: string, why: RemovalWords): Promise<ServerChange>;
  overrides(): Promise<readonly OverrideStatus[]>;
  /** As of now, or at an instant in milliseconds. */
  explain(question: Question & { readonly at?: number }): Promise<Explanation>;
  explainRequest(question: RequestQuestion): Promise<RequestExplanation>;
  capacity(classes: number): Promise<CapacityView>;
  reportLoad(region: string, report: Omit<LoadReport, 'by' | 'region'>): Promise<LoadChange>;
  clearLoad(region: string): Promise<LoadChange>;
  setOverride(request: Omit<OverrideRequest, 'by'>): Promise<OverrideStatus>;
  clearOverride(target: Target): Promise<OverrideStatus>;
  reload(zone?: string): Promise<ReloadResult>;
  publishConfig(request: PublishBody): Promise<ConfigPublication>;
  configRevisions(): Promise<readonly ConfigRevision[]>;
  configText(revision: number): Promise<ConfigText>;
  predictDrill(request: DrillBody): Promise<DrillPrediction>;
  startDrill(request: DrillBody): Promise<DrillStatus>;
  drills(): Promise<readonly DrillStatus[]>;
  stopDrill(id: string): Promise<DrillStatus>;
  /** The newest events, of the node or of all that share its store; oldest first. */
  events(count: number, all?: boolean): Promise<readonly EventRecord[]>;
  /** Events as they happen, until the signal aborts or the node ends the stream. */
  follow(signal: AbortSignal): AsyncGenerator<EventRecord>;
  config(): Promise<unknown>;
  /** The node's own word on whether it serves. */
  ready(): Promise<{ readonly ready: boolean; readonly detail: string }>;
  close(): Promise<void>;
};
export type RecordBody = Omit<AddRecordRequest, 'by' | 'zone'>;
export type AddServerBody = {
  /** `address:port` */
  readonly server: string;
  readonly weight?: number;
  readonly reason: string;
};
export type ServerBody = Omit<ChangeServerRequest, 'by' | 'server' | 'upstream'>;
export type RemovalWords = Pick<ServerBody, 'force' | 'reason'>;
export type ChallengeBody = Omit<AcmeChallengeRequest, 'by' | 'zone'>;
export type PublishBody = Omit<PublishRequest, 'by'>;
export type DrillBody = {
  readonly region: string;
  readonly durationSeconds: number;
  readonly reason: string;
  readonly force?: boolean;
};

/** A request that takes longer than this is given up. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** Of one that compiles zones anew and waits for all nodes: large zones take their time. */
export const WRITE_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 3_000;

/** `user` is the name that the audit trail shows; it grants nothing. */
export function createApiClient(options: {
  readonly url: string;
  readonly token: string | undefined;
  readonly user: string | undefined;
}): ApiClient {
  const base = baseUrl(options.url);
  const headers: Record<string, string> = { accept: 'application/json' };
  if (options.token !== undefined) headers['authorization'] = `Bearer ${options.token}`;
  if (options.user !== undefined) headers['x-meridian-user'] = options.user;

  const { close, send } = createSender(base, headers);

  async function call<Answer>(
    method: Dispatcher.HttpMethod,
    path: string,
    body?: unknown,
  ): Promise<Answer> {
    const isWrite = WRITES_ZONES.test(path) && method !== 'GET';
    const timeoutMs = isWrite ? WRITE_TIMEOUT_MS : REQUEST_TIMEOUT_MS;
    const response = await send(method, path, {
      timeoutMs,
      ...(body === undefined ? {} : { body }),
    });
    const answer = await bodyOf(response, base);
    if (response.statusCode < 400) return answer as Answer; // The API serialized it by the same contract.
    throw refused(response.statusCode, answer);
  }
  const { get, post } = verbs(call);

  return {
    url: base.href,
    status: () => get('status'),
    regions: () => get('regions'),
    pools: () => get('pools'),
    cluster: () => get('nodes'),
    ...zoneCalls(call),
    balancers: () => get('balancers'),
    traffic: () => get('traffic'),
    ...serverCalls(call),
    overrides: () => get('overrides'),
    explain: (question) => post('explain', question),
    explainRequest: (question) => post('explain/request', question),
    capacity: (classes) => get(`capacity?classes=${classes}`),
    reportLoad: (region, body) => call('PUT', `api/v1/${pathOf('regions', region, 'load')}`, body),
    clearLoad: (region) => call('DELETE', `api/v1/${pathOf('regions', region, 'load')}`),
    setOverride: (body) => post('overrides', body),
    clearOverride: ({ kind, name }) =>
      call('DELETE', `api/v1/overrides/${kind}/${encodeURIComponent(name)}`),
    reload: (zone) => post('reload', zone === undefined ? {} : { zone }),
    publishConfig: (body) => post('config/revisions', body),
    configRevisions: () => get('config/revisions'),
    configText: (revision) => get(`config/revisions/${revision}`),
    predictDrill: (body) => post('drills/predict', body),
    startDrill: (body) => post('drills', body),
    drills: () => get('drills'),
    stopDrill: (id) => post(`drills/${encodeURIComponent(id)}/stop`, {}),
    events: (count, all = false) => get(`events?count=${count}${all ? '&all=true' : ''}`),
    async *follow(signal) {
      const response = await send('GET', 'api/v1/events/stream', { signal });
      if (response.statusCode >= 400)
        throw refused(response.statusCode, await bodyOf(response, base));
      yield* readEvents(response.body, signal);
    },
    config: () => get('config'),
    async ready() {
      const response = await send('GET', 'readyz');
      const answer = (await bodyOf(response, base)) as { detail?: string };
      const ready = response.statusCode === 200;
      return {
        ready,
        detail: answer.detail ?? (ready ? 'The node is ready.' : 'The node is not ready.'),
      };
    },
    close,
  };
}

type Call = <Answer>(
  method: Dispatcher.HttpMethod,
  path: string,
  body?: unknown,
) => Promise<Answer>;

function verbs(call: Call) {
  return {
    get: <Answer>(path: string): Promise<Answer> => call('GET', `api/v1/${path}`),
    post: <Answer>(path: string, body: unknown): Promise<Answer> =>
      call('POST', `api/v1/${path}`, body),
  };
}

function zoneCalls(call: Call) {
  const { get, post } = verbs(call);
  return {
    zones: () => get('zones'),
    refreshZone: (zone, anew) => post(pathOf('zones', zone, 'refresh'), { anew }),
    acmeChallenges: (zone) => get(challengesPath(zone)),
    setAcmeChallenge: (zone, body) => post(challengesPath(zone), body),
    clearAcmeChallenge: (zone, name, value) =>
      call('DELETE', `api/v1/${challengesPath(zone, name)}${asked({ value })}`),
    addedRecords: (zone) => get(recordsPath(zone)),
    addRecord: (zone, body) => post(recordsPath(zone), body),
    removeRecords: (zone, name, type, data) =>
      call('DELETE', `api/v1/${recordsPath(zone, name, type)}${asked({ data })}`),
    zoneDnssec: (zone) => get(pathOf('zones', zone, 'dnssec')),
    startKeyRoll: ({ zone, ...body }) => post(pathOf('zones', zone, 'dnssec', 'roll'), body),
    advanceKeyRoll: ({ zone, ...body }) =>
      post(pathOf('zones', zone, 'dnssec', 'roll', 'next'), body),
  } satisfies Partial<ApiClient>;
}

function serverCalls(call: Call) {
  const { post } = verbs(call);
  const path = (upstream: string, ...more: readonly string[]): string =>
    pathOf('balancers', upstream, 'servers', ...more);
  return {
    addServer: (upstream, body) => post(path(upstream), body),
    changeServer: (upstream, server, body) =>
      call('PATCH', `api/v1/${path(upstream, server)}`, body),
    removeServer: (upstream, server, { force, reason }) => {
      const query = asked({ reason, force: force === true ? 'true' : undefined });
      return call('DELETE', `api/v1/${path(upstream, server)}${query}`);
    },
  } satisfies Partial<ApiClient>;
}

function createSender(base: URL, headers: Readonly<Record<string, string>>) {
  let agent: Agent | undefined;
  async function send(
    method: Dispatcher.HttpMethod,
    path: string,
    more: {
      readonly body?: unknown;
      readonly signal?: AbortSignal;
      readonly timeoutMs?: number;
    } = {},
  ): Promise<Dispatcher.ResponseData> {
    // Loaded when it is needed: commands that ask nothing (`help`, `complete`) start twice as fast.
    const { Agent, request } = await import('undici');
    agent ??= new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS } });
    try {
      return await request(new URL(path, base), {
        method,
        dispatcher: agent,
        headers:
          more.body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        body: more.body === undefined ? null : JSON.stringify(more.body),
        headersTimeout: more.timeoutMs ?? REQUEST_TIMEOUT_MS,
        bodyTimeout: more.signal === undefined ? REQUEST_TIMEOUT_MS : 0,
        ...(more.signal === undefined ? {} : { signal: more.signal }),
      });
    } catch (error) {
      throw unreachable(base, error);
    }
  }
  return { send, close: async () => agent?.destroy() };
}

const WRITES_ZONES = /\/(acme-challenges|added-records)(\/|$)/;
/** A dot alone would be a step within the path to every URL parser, escaped or not: the root is `@`. */
const pathOf = (...parts: readonly string[]): string =>
  parts.map((part) => (part === '.' ? '@' : encodeURIComponent(part))).join('/');
const recordsPath = (zone: string, ...more: readonly string[]): string =>
  pathOf('zones', zone, 'added-records', ...more);
const challengesPath = (zone: string, ...more: readonly string[]): string =>
  pathOf('zones', zone, 'acme-challenges', ...more);

/** The query of a URL, of what is there. */
function asked(words: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(words).filter(([, value]) => value !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given as [string, string][])}`;
}

function baseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) {
    return url.pathname.endsWith('/') ? url : new URL(`${url.pathname}/`, url);
  }
  throw new CliExit(
    EXIT_USAGE,
    `"${text}" is not the URL of an admin API.`,
    'Give it as http://ADDRESS:PORT with --admin or MERIDIAN_ADMIN, for instance http://127.0.0.1:8053.',
  );
}

function unreachable(base: URL, error: unknown): CliExit {
  const { code, message } = error as { code?: string; message?: string };
  const why = (code !== undefined && REASONS[code]) || message || 'unknown reason';
  return new CliExit(
    EXIT_UNAVAILABLE,
    `The admin API at ${base.href} does not answer: ${why}.`,
    'Start a node with "meridian run" or "meridian quickstart", or name another one with --admin URL.',
  );
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'that host name does not exist',
  EAI_AGAIN: 'that host name cannot be looked up now',
  EHOSTUNREACH: 'there is no route to that host',
  ENETUNREACH: 'there is no route to that network',
  UND_ERR_CONNECT_TIMEOUT: 'connecting took too long',
  UND_ERR_HEADERS_TIMEOUT: 'it took the request and did not answer in time',
  UND_ERR_SOCKET: 'the connection was closed',
  ECONNRESET: 'the connection was closed',
};

async function bodyOf(response: Dispatcher.ResponseData, base: URL): Promise<unknown> {
  const text = await response.body.text().catch(() => '');
  try {
    return JSON.parse(text);
  } catch {
    throw new CliExit(
      EXIT_UNAVAILABLE,
      `What answers at ${base.href} is not Meridian's admin API (HTTP ${response.statusCode}, no JSON).`,
      'Check the URL given with --admin or MERIDIAN_ADMIN.',
    );
  }
}

/** A problem document (RFC 9457) as the command's end. */
function refused(status: number, answer: unknown): CliExit {
  const problem = (answer ?? {}) as {
    detail?: string;
    title?: string;
    hint?: string;
    code?: string;
    issues?: readonly ConfigIssue[];
  };
  const code = problem.code === 'invalid-config' ? EXIT_CONFIG : EXIT_NO;
  const message = problem.detail ?? problem.title ?? `The admin API answered with HTTP ${status}.`;
  return new CliExit(code, message, problem.hint, problem.issues ?? []);
}

/** The longest event line that is read; a longer one ends the stream. */
const EVENT_LINE_LENGTH_MAX = 1024 * 1024;

/** Server-sent events: only `data:` lines matter here, each holds one whole record. */
async function* readEvents(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<EventRecord> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const chunk of body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > EVENT_LINE_LENGTH_MAX) return;
      for (const line of lines) {
        if (line.startsWith('data: ')) yield JSON.parse(line.slice('data: '.length)) as EventRecord;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
