import type { BalancerCounts } from '../balancer/counts.ts';
import type {
  RequestQuestion as AskedRequest,
  RequestProblem as BadRequest,
  RequestExplanation as ExplainedRequest,
} from '../balancer/explain-request.ts';
import type { PassedClass } from '../capacity/passed-on.ts';
import type { Sharing as Shared } from '../cluster/share-waiters.ts';
import type { ConfigIssue as Issue } from '../config/issue.ts';
import type { DrillRequest as RequestedDrill } from '../drill/plan.ts';
import type { NamePrediction, Shares as PredictedShares } from '../drill/predict.ts';
import type { Counts as AnswerCounts } from '../drill/report.ts';
import type { Location } from '../geo/location.ts';
import type { Observation } from '../health/observation.ts';
import type { AgentReport } from '../health/statement.ts';
import type { Explanation as Explained, ExplainQuestion } from '../nameserver/explain.ts';
import type { CapacityStatus } from './capacity-status.ts';
import type { NodeStatus } from './node-status.ts';
import type { ReportedLoad as Reported } from './reported-loads.ts';
import type {
  KeyRollRequest as RequestedRoll,
  KeyStepRequest as RequestedStep,
  ZoneDnssec as SignedZone,
} from './zone-dnssec.ts';
import type { Visibility } from './zone-records.ts';

/**
 * All that a node lets people do and see, as one record of functions: the admin API exposes exactly
 * this, the CLI and the page go through the API. A bad request is a Problem, never a throw.
 */
export type ControlPlane = {
  status(): NodeStatus;
  regions(): readonly RegionStatus[];
  pools(): readonly PoolStatus[];
  zones(): readonly ZoneStatus[];
  /** Challenges that a zone answers with now. */
  acmeChallenges(zone: string): readonly AcmeChallenge[] | Problem;
  /** Settles when all nodes answer with it, or after a while; the result says which do. */
  setAcmeChallenge(request: AcmeChallengeRequest): Promise<AcmeChallengeChange | Problem>;
  clearAcmeChallenge(request: AcmeChallengeClear): Promise<AcmeChallengeChange | Problem>;
  /** Records that a zone has besides its configuration, whoever added them. */
  addedRecords(zone: string): readonly AddedRecordStatus[] | Problem;
  addRecord(request: AddRecordRequest): Promise<RecordChange | Problem>;
  removeRecords(request: RemoveRecordsRequest): Promise<RecordChange | Problem>;
  /** How a zone is signed. */
  zoneDnssec(zone: string): ZoneDnssec | Problem;
  /** Begins to replace a key of a zone. */
  startKeyRoll(request: KeyRollRequest): Promise<ZoneDnssec | Problem>;
  /** The next step of it. */
  advanceKeyRoll(request: KeyStepRequest): Promise<ZoneDnssec | Problem>;
  balancers(): readonly UpstreamStatus[];
  /** What this node's balancers have counted. */
  traffic(): TrafficStatus;
  /** Adds a server to an upstream while it is served. */
  addServer(request: AddServerRequest): Promise<ServerChange | Problem>;
  /** Another weight, or whether it takes requests. */
  changeServer(request: ChangeServerRequest): Promise<ServerChange | Problem>;
  /** Takes out a server that was added; what is in flight on it goes on. */
  removeServer(request: RemoveServerRequest): Promise<ServerChange | Problem>;
  /** The nodes of the cluster as this one knows them. */
  cluster(): ClusterStatus;
  /** As of now, or as it was at an instant of the record. */
  explain(question: Question, atMs?: number): Promise<Explanation | Problem>;
  /** What would become of a request, with the servers' states as of now. */
  explainRequest(question: RequestQuestion): RequestExplanation | Problem;
  /** What the capacity plan makes of regions, and the classes of clients that it passes on, so many at most. */
  capacity(classes: number): CapacityView | Problem;
  /** The load or the capacity of a region as somebody else knows it, for a while. */
  reportLoad(report: LoadReport): Promise<LoadChange | Problem>;
  clearLoad(region: string): Promise<LoadChange | Problem>;
  overrides(): readonly OverrideStatus[];
  setOverride(request: OverrideRequest): Promise<OverrideStatus | Problem>;
  clearOverride(target: Target, by: string): Promise<OverrideStatus | Problem>;
  /** Looks now whether the primary of a zone has a newer one; with `isAnew` it takes all of it, whatever its serial. */
  refreshZone(zone: string, isAnew?: boolean): Promise<ZoneStatus | Problem>;
  /** @param zone only the file of this zone has changed: of that alone the rest is not read */
  reload(by: string, zone?: string): Promise<ReloadResult>;
  /** Shares a configuration with all nodes, or says what it would change. */
  publishConfig(request: PublishRequest): Promise<ConfigPublication | ConfigRefusal | Problem>;
  /** Revisions of the shared configuration, newest first. */
  configRevisions(): Promise<readonly ConfigRevision[]>;
  configText(revision: number): Promise<ConfigText | Problem>;
  predictDrill(request: DrillRequest): DrillPrediction | Problem;
  startDrill(request: DrillRequest): Promise<DrillStatus | Problem>;
  drills(): readonly DrillStatus[];
  /** Reverts now. */
  stopDrill(id: string, by: string): Promise<DrillStatus | Problem>;
  /** This node's events after `afterId`, oldest first; from the oldest when it is '' or not known any more. */
  events(afterId: string, count: number): Promise<readonly EventRecord[]>;
  /** The last events of all nodes that share the store, oldest first. */
  allEvents(count: number): Promise<readonly EventRecord[] | Problem>;
  /** Calls back for every new event; returns the function that stops it. */
  subscribe(onEvent: (event: EventRecord) => void): () => void;
  /** Prometheus text exposition. */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Configuration as validated (secrets redacted) and its JSON Schema. */
  config(): unknown;
};

export type ClusterStatus = {
  readonly nodes: readonly ClusterNodeStatus[];
  readonly store: { readonly kind: string; readonly state: string; readonly reason?: string };
  /** The time that nodes agree on, less the machine's own. */
  readonly clock: {
    readonly source: string;
    readonly offsetMs: number;
    readonly isSkewed: boolean;
  };
};
export type ClusterNodeStatus = {
  readonly name: string;
  readonly isSelf: boolean;
  readonly state: 'here' | 'silent' | 'gone';
  /** Whether its own datagrams reach this node. */
  readonly direct: 'self' | 'connected' | 'silent' | 'never';
  readonly version: string;
  readonly roles: readonly string[];
  readonly region: string | undefined;
  readonly peerAddress: string | undefined;
  readonly adminUrl: string | undefined;
  readonly generation: number;
  /** Of the shared configuration; 0 = of its file. */
  readonly revision: number;
  readonly revisionsBehind: number;
  /** Differs where the configurations do. */
  readonly configSha: string;
  readonly startedAtMs: number;
  readonly lastHeardMs: number;
};

/** `code` is stable and machine-readable, `message` a sentence, `hint` what to do. */
export type Problem = {
  readonly problem: 'not-found' | 'invalid' | 'conflict' | 'refused' | 'unavailable';
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
};

/**
 * `up`; `degraded`; `unknown` (counts as up); `down`; `frozen`: judged down and kept in the answers by
 * the withdrawal limit; `drained` and `forced-*` by an override.
 */
export type HealthState =
  | 'up'
  | 'degraded'
  | 'unknown'
  | 'down'
  | 'frozen'
  | 'drained'
  | 'forced-up'
  | 'forced-down';

export type RegionStatus = {
  readonly name: string;
  readonly location: Location;
  readonly vips: readonly string[];
  readonly capacity: number;
  /** What somebody reports in place of the balancers' count and of the configured capacity. */
  readonly reported?: ReportedLoadStatus;
  /** The worst judged state of its endpoints, or the override's. */
  readonly state: HealthState;
  readonly endpoints: readonly EndpointStatus[];
  /** Share of the address space (weighted by addresses) that would be answered with it now, 0..1. */
  readonly addressShare: number;
  readonly answersTotal: number;
  /** What its balancers report, as far as they are heard. */
  readonly agents: readonly AgentStatus[];
};
export type AgentStatus = Omit<AgentReport, 'region' | 'leaseMs'>;

export type ReportedLoadStatus = Omit<Reported, 'region'>;
export type LoadReport = Pick<Reported, 'region' | 'requestsPerSecond' | 'capacity' | 'by'> & {
  /** How long it holds; absent = a minute. */
  readonly forSeconds?: number | undefined;
};
export type LoadChange = Reported & { readonly sharing: Sharing };
export type CapacityView = NonNullable<CapacityStatus['plan']> & {
  /** How many classes have clients that are passed on. */
  readonly passedCount: number;
  readonly passed: readonly PassedClass[];
};

export type EndpointStatus = {
  /** `pool/region`. */
  readonly name: string;
  readonly pool: string;
  readonly region: string;
  readonly addresses: readonly string[];
  /** The name that is answered as a CNAME; the addresses are then those that are probed. */
  readonly cname?: string;
  readonly weight: number;
  readonly state: HealthState;
  /** The judged state beneath an override. */
  readonly judged: 'up' | 'down' | 'degraded' | 'unknown';
  readonly reason: string;
  readonly ttlSeconds: number;
  /** The part of its share that it gets: below 1 while it returns slowly. */
  readonly share: number;
  readonly answersTotal: number;
  readonly vantages: readonly VantageStatus[];
  /** Clients near these regions are steered by another state than the world's. */
  readonly near: readonly {
    readonly region: string;
    readonly state: HealthState;
    readonly reason: string;
  }[];
};
export type VantageStatus = {
  readonly vantage: string;
  readonly verdict: 'up' | 'down' | 'unknown' | 'abstains';
  readonly slow: boolean;
  /** Why it abstains; '' when it does not. */
  readonly abstains: string;
  readonly sinceMs: number;
  /**
   * The last results, oldest first. Timings and the end of the certificate are known where it was
   * probed, a warning everywhere.
   */
  readonly recent: readonly Observation[];
};

export type PoolStatus = {
  readonly name: string;
  readonly monitor: string | undefined;
  readonly names: readonly string[];
  readonly endpoints: readonly EndpointStatus[];
};
export type ZoneStatus = {
  readonly name: string;
  readonly serial: number;
  readonly rrsets: number;
  readonly steered: readonly {
    readonly name: string;
    readonly pool: string;
    readonly policy: string;
    readonly classes: number;
  }[];
  /** Of a zone that is copied from a primary. */
  readonly copy?: CopyStatus;
};
export type CopyStatus = {
  /** `missing`: nothing has come yet; `expired`: no primary has confirmed it for too long. */
  readonly standing: 'missing' | 'current' | 'expired';
  readonly serial: number | undefined;
  readonly rrsets: number;
  /** Who gave or confirmed it last. */
  readonly primary: string | undefined;
  readonly confirmedAtMs: number | undefined;
  readonly nextLookAtMs: number;
  readonly expiresAtMs: number | undefined;
  /** Why the last look was in vain. */
  readonly problem: string | undefined;
};
/** A TXT record that proves a name to a certificate authority (RFC 8555 8.4). */
export type AcmeChallenge = {
  readonly zone: string;
  /** `_acme-challenge.www.example.com`. */
  readonly name: string;
  readonly value: string;
  readonly ttlSeconds: number;
  /** Undefined = it stays until it is cleared. */
  readonly expiresAtMs: number | undefined;
};
export type AcmeChallengeRequest = {
  readonly zone: string;
  /** The name that is proved, in full, or that of its challenge. */
  readonly name: string;
  readonly value: string;
  readonly ttlSeconds?: number;
  readonly expiresInSeconds?: number;
  readonly by: string;
};
/** Without a value all challenges of the name are meant. */
export type AcmeChallengeClear = Pick<AcmeChallengeRequest, 'zone' | 'name' | 'by'> & {
  readonly value?: string;
};
/** A record that was added to a zone while it is served. */
export type AddedRecordStatus = {
  readonly zone: string;
  readonly name: string;
  readonly type: string;
  readonly ttlSeconds: number;
  /** Master-file text. */
  readonly data: string;
  /** Undefined = it stays until it is removed. */
  readonly expiresAtMs: number | undefined;
};
export type AddRecordRequest = {
  readonly zone: string;
  /** In full. */
  readonly name: string;
  readonly type: string;
  readonly data: string;
  readonly ttlSeconds?: number;
  readonly expiresInSeconds?: number;
  readonly by: string;
};
/** Without data all of the name and type are meant. */
export type RemoveRecordsRequest = Pick<AddRecordRequest, 'zone' | 'name' | 'type' | 'by'> & {
  readonly data?: string;
};
export type RecordChange = Visibility & {
  readonly records: readonly AddedRecordStatus[];
  readonly serial: number;
};
export type AcmeChallengeChange = Visibility & {
  readonly challenges: readonly AcmeChallenge[];
  /** That the zone has with this change. */
  readonly serial: number;
};

export type ZoneDnssec = SignedZone;
export type KeyRollRequest = RequestedRoll;
export type KeyStepRequest = RequestedStep;
export type UpstreamStatus = {
  readonly name: string;
  readonly algorithm: string;
  readonly servers: readonly {
    readonly name: string;
    readonly address: string;
    readonly port: number;
    readonly weight: number;
    readonly priority: number;
    readonly mode: ServerMode;
    /** Who said that it is there. */
    readonly origin: 'file' | 'dns' | 'api';
    readonly state: 'up' | 'degraded' | 'unready' | 'down' | 'unknown';
    readonly reason: string;
    readonly active: number;
    readonly requestsTotal: number;
    readonly failuresTotal: number;
    /** Absent = requests have shown nothing against it. */
    readonly outlier?: OutlierStatus;
  }[];
};
export type TrafficStatus = BalancerCounts & { readonly atMs: number };
/** `reduced`: it has part of its weight; `ejected`: it gets no requests. */
export type OutlierStatus = {
  readonly level: 'reduced' | 'ejected';
  /** The detector and what it saw. */
  readonly why: string;
  readonly untilMs: number;
  /** How many balancer workers hold it against the server, of those that serve its upstream. */
  readonly workers: number;
  readonly workersTotal: number;
};
/** `drain`: nobody new, and it keeps whom it has; `maintenance`: nobody. */
export type ServerMode = 'ready' | 'drain' | 'maintenance';
export type AddServerRequest = {
  readonly upstream: string;
  readonly address: string;
  readonly port: number;
  readonly weight?: number;
  readonly reason: string;
  readonly by: string;
};
export type ChangeServerRequest = {
  readonly upstream: string;
  readonly server: string;
  readonly weight?: number;
  readonly mode?: ServerMode;
  readonly reason: string;
  readonly by: string;
  /** Needed when it would leave the upstream without a server that takes requests. */
  readonly force?: boolean;
};
export type RemoveServerRequest = Omit<ChangeServerRequest, 'mode' | 'weight'>;
export type ServerChange = {
  readonly upstream: string;
  readonly server: string;
  /** False once it is removed. */
  readonly isThere: boolean;
  readonly weight: number;
  readonly mode: ServerMode;
  readonly sharing: Sharing;
};

/** `client` an address or CIDR (as ECS); `resolver` the resolver's address; type A or AAAA. */
export type Question = ExplainQuestion;
export type Explanation = Explained;
export type RequestQuestion = AskedRequest;
export type RequestExplanation = ExplainedRequest;
export type RequestProblem = BadRequest;

/** What an override or a drill acts on. */
export type Target = { readonly kind: 'region' | 'pool' | 'endpoint'; readonly name: string };
export type OverrideRequest = {
  readonly target: Target;
  readonly action: 'drain' | 'up' | 'down';
  /** Seconds until it lapses by itself; absent = until cleared. */
  readonly forSeconds?: number;
  readonly reason: string;
  readonly by: string;
  /** Needed when it would leave a pool without any usable endpoint. */
  readonly force?: boolean;
};
export type OverrideStatus = {
  readonly target: Target;
  readonly action: 'drain' | 'up' | 'down' | 'cleared';
  readonly reason: string;
  readonly by: string;
  readonly setAtMs: number;
  readonly expiresAtMs: number | undefined;
  readonly drill: string | undefined;
  /** In the answer to whoever has just set or cleared it. */
  readonly sharing?: Sharing;
};

export type ConfigIssue = Issue;
/** Whether a word has got beyond this node, and to whom, or why not. */
export type Sharing = Shared;

export type ReloadResult = {
  readonly ok: boolean;
  readonly atMs: number;
  /** Counts what this node has served since it started. */
  readonly generation: number;
  /** Of the shared configuration; 0 = of its file. */
  readonly revision: number;
  readonly changes: readonly string[];
  readonly issues: readonly ConfigIssue[];
};

export type PublishRequest = {
  readonly text: string;
  /** How messages call it, for instance its file. */
  readonly name: string;
  readonly note: string;
  readonly by: string;
  /** Refused unless this revision is the current one; 0 = there is none. Default: whichever is. */
  readonly replaces?: number;
  /** Needed when it takes answers away. */
  readonly force?: boolean;
  /** Only say what it would change. */
  readonly dryRun?: boolean;
};
export type ConfigPublication = {
  readonly published: boolean;
  readonly revision: number;
  readonly changes: readonly string[];
  readonly warnings: readonly ConfigIssue[];
  /** What it takes away. */
  readonly shrinks: readonly string[];
  /** Whether other nodes can know of it yet; absent = it was not published. */
  readonly sharing?: Sharing;
  /** False when this node could not serve it after all; its events say why. */
  readonly isServed?: boolean;
};
/** A configuration that this node could not serve. */
export type ConfigRefusal = { readonly issues: readonly ConfigIssue[] };
export type ConfigRevision = {
  readonly revision: number;
  readonly sha256: string;
  readonly by: string;
  readonly atMs: number;
  readonly note: string;
  readonly isCurrent: boolean;
};
export type ConfigText = ConfigRevision & { readonly text: string };

export type DrillRequest = RequestedDrill;
export type Shares = PredictedShares;
export type DrillPrediction = {
  readonly region: string;
  /** Per steered name, share of the address space by region before and during. */
  readonly names: readonly NamePrediction[];
  readonly warnings: readonly string[];
};
export type DrillStatus = {
  readonly id: string;
  readonly region: string;
  readonly state: 'running' | 'finished' | 'stopped' | 'aborted';
  readonly startedAtMs: number;
  readonly endsAtMs: number;
  readonly by: string;
  readonly prediction: DrillPrediction;
  /** Answers given per region in each phase; a phase that has not begun is all zero. */
  readonly observed: { readonly before: Counts; readonly during: Counts; readonly after: Counts };
  readonly note: string;
};
export type Counts = AnswerCounts;

export type EventRecord = {
  /** Of this node's; another node may have the same. */
  readonly id: string;
  /** Whose it is. */
  readonly node: string;
  readonly atMs: number;
  /** Stable dotted kind: `endpoint.down`, `region.drain`, `config.reload`, `drill.start`, `worker.restart`, … */
  readonly kind: string;
  readonly subject: string;
  readonly message: string;
};
