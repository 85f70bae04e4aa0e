/**
 * Circuit breaking (Envoy `circuit_breakers`): connections, waiting requests, requests and retries have a
 * limit per server and one for the whole upstream; what is over it is refused at once instead of making
 * everything slower. Counters live in one typed array: a row of RESOURCES per server, the last row is the
 * upstream's.
 */
export const RESOURCE = { connections: 0, pending: 1, requests: 2, retries: 3 } as const;
export type Resource = (typeof RESOURCE)[keyof typeof RESOURCE];

export type ResourceLimits = Readonly<Record<keyof typeof RESOURCE, number>>;

/** Envoy's defaults, per upstream. */
export const DEFAULT_UPSTREAM_LIMITS: ResourceLimits = {
  connections: 1024,
  pending: 1024,
  requests: 1024,
  retries: 3,
};

/** A limit that is never reached. */
export const UNLIMITED = 0xffff_ffff;

export type LimitState = {
  readonly used: Uint32Array;
  readonly limits: Uint32Array;
  /** How often something was refused, for metrics. */
  readonly refused: Uint32Array;
};

/** For what belongs to no server yet. */
export const WHOLE_UPSTREAM = -1;

export function createLimitState(
  servers: readonly ResourceLimits[],
  upstream: ResourceLimits,
): LimitState {
  const rows = [...servers, upstream];
  return {
    used: new Uint32Array(RESOURCES * rows.length),
    limits: Uint32Array.from(
      rows.flatMap((row) => [row.connections, row.pending, row.requests, row.retries]),
    ),
    refused: new Uint32Array(RESOURCES * rows.length),
  };
}

/** Numbers in a row. */
export const RESOURCES = 4;

/**
 * Takes one, of the server and of the upstream, or of neither.
 * @param server index, or WHOLE_UPSTREAM
 * @returns false when one of the two is at its limit
 */
export function acquire(state: LimitState, server: number, resource: Resource): boolean {
  const { limits, refused, used } = state;
  const whole = used.length - RESOURCES + resource;
  if (used[whole]! >= limits[whole]!) {
    refused[whole]! += 1;
    return false;
  }
  if (server !== WHOLE_UPSTREAM) {
    const own = RESOURCES * server + resource;
    if (used[own]! >= limits[own]!) {
      refused[own]! += 1;
      return false;
    }
    used[own]! += 1;
  }
  used[whole]! += 1;
  return true;
}

/** Gives back what `acquire` took with the same arguments. */
export function release({ used }: LimitState, server: number, resource: Resource): void {
  const whole = used.length - RESOURCES + resource;
  used[whole] = Math.max(0, used[whole]! - 1);
  if (server === WHOLE_UPSTREAM) return;
  const own = RESOURCES * server + resource;
  used[own] = Math.max(0, used[own]! - 1);
}

/** Whether a server can take a request now: what an algorithm may choose from. */
export function hasRoom({ limits, used }: LimitState, server: number): boolean {
  const own = RESOURCES * server + RESOURCE.requests;
  return used[own]! < limits[own]!;
}

/** Sets a server's limit, as the ramp or slow start has it; what is over it already goes on. */
export function setLimit(
  { limits }: LimitState,
  server: number,
  resource: Resource,
  limit: number,
): void {
  limits[RESOURCES * server + resource] = limit;
}

export type LimitRamp = {
  /** A server's limit while the upstream is idle. */
  readonly limitMin: number;
  /** Its limit while the upstream is full. */
  readonly limitMax: number;
  /** Requests in the whole upstream from which on it is full. */
  readonly fullAt: number;
};

/**
 * HAProxy's `minconn` and `fullconn`: under little load servers are kept at few requests, which they
 * answer faster while the rest waits; as the upstream fills, they get up to their maximum.
 * @param inUpstream requests in flight and waiting
 * @param factor of slow start, 0 < factor <= 1
 */
export function rampedLimit(ramp: LimitRamp, inUpstream: number, factor: number): number {
  const { fullAt, limitMax, limitMin } = ramp;
  const part = fullAt <= 0 ? 1 : Math.min(1, inUpstream / fullAt);
  const limit = Math.max(Math.min(limitMin, limitMax), Math.floor(limitMax * part));
  return Math.max(1, Math.floor(limit * factor));
}
