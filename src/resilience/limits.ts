/**
 * Circuit breaking (Envoy `circuit_breakers`): connections, requests and retries have a limit per server
 * and one for the whole upstream. Counters live in one typed array: a row of RESOURCES per server, the
 * last row is the upstream's.
 */
export const RESOURCE = { connections: 0, requests: 1, retries: 2 } as const;
export type Resource = (typeof RESOURCE)[keyof typeof RESOURCE];

export type ResourceLimits = Readonly<Record<keyof typeof RESOURCE, number>>;

/** A limit that is never reached. */
export const UNLIMITED = 0xffff_ffff;

export type LimitState = {
  readonly used: Uint32Array;
  readonly limits: Uint32Array;
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
    limits: Uint32Array.from(rows.flatMap((row) => [row.connections, row.requests, row.retries])),
  };
}

/** Numbers in a row. */
export const RESOURCES = 3;

/**
 * Takes one, of the server and of the upstream, or of neither.
 * @param server index, or WHOLE_UPSTREAM
 * @returns false when one of the two is at its limit
 */
export function acquire(state: LimitState, server: number, resource: Resource): boolean {
  const { limits, used } = state;
  const whole = used.length - RESOURCES + resource;
  if (used[whole]! >= limits[whole]!) return false;
  const own = RESOURCES * server + resource;
  if (server !== WHOLE_UPSTREAM && used[own]! >= limits[own]!) return false;
  occupy(state, server, resource);
  return true;
}

/** Takes one of the server and of the upstream, limit or not: what is under way counts. */
export function occupy({ used }: LimitState, server: number, resource: Resource): void {
  used[used.length - RESOURCES + resource]! += 1;
  if (server !== WHOLE_UPSTREAM) used[RESOURCES * server + resource]! += 1;
}

/** Gives back what `acquire` or `occupy` took with the same arguments. */
export function release({ used }: LimitState, server: number, resource: Resource): void {
  const whole = used.length - RESOURCES + resource;
  const own = server === WHOLE_UPSTREAM ? whole : RESOURCES * server + resource;
  // Going on would let more in than the limit, for ever.
  if (used[whole] === 0 || used[own] === 0) throw new Error('more is given back than was taken');
  used[whole]! -= 1;
  if (own !== whole) used[own]! -= 1;
}

/** Sets a server's limit, as slow start has it; what is over it already goes on. */
export function setLimit(
  { limits }: LimitState,
  server: number,
  resource: Resource,
  limit: number,
): void {
  limits[RESOURCES * server + resource] = limit;
}
