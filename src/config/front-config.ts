/** What holds for a listener whatever the route: whom to believe, ids, the access log, flows of layer 4. */

export type AccessLogConfig = {
  readonly format: 'json' | 'combined';
  /** Empty = standard output. */
  readonly file: string;
  /** Of the requests that went well. */
  readonly percent: number;
};

export type TraceConfig = {
  /** Percent of the requests without a trace. */
  readonly start: number;
  readonly requestId: 'pass' | 'make' | 'replace';
};

export type TrustConfig = {
  /** Networks of the proxies in front. */
  readonly proxies: readonly string[];
  /** The families of fields that they write. */
  readonly believe: readonly ('x-forwarded' | 'forwarded')[];
  readonly send: readonly ForwardingField[];
};

export type ForwardingField =
  | 'x-forwarded-for'
  | 'x-forwarded-proto'
  | 'x-forwarded-host'
  | 'x-forwarded-port'
  | 'x-real-ip'
  | 'forwarded'
  | 'via';

export type FlowConfig = {
  readonly protocol: 'tcp' | 'udp';
  readonly byServerName: boolean;
  readonly idleTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly sessionsMax: number;
  readonly responses: number;
};
