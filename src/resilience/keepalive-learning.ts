/**
 * At which idle age a server closes connections, learnt by watching it, so that they are retired before:
 * a request on a connection that the server is closing at that moment fails (Node closes after 5 s).
 * The age used is the low 1st percentile of what was seen, less a round trip and a margin: the request
 * that is sent at that age arrives before the server's own timer ends. A Keep-Alive: timeout caps it.
 *
 * What cannot be learnt by waiting is learnt by failing: a reused connection that dies under a request
 * counts as a close at its idle age. Ages are remembered per server in a ring, as the configuration of a
 * server may change; the limit rises again when old ones are overwritten or `forgetAges` says so.
 */
export type KeepAliveRules = {
  /** Nobody's connection is kept idle for longer. */
  readonly idleMaxMs: number;
  /** None is retired before this age: below it pooling is no use, and closes have other reasons. */
  readonly idleMinMs: number;
  /** On top of the round trip: timers and queues at both ends. */
  readonly marginMs: number;
  /** Fewer closes than this may be accidents, for instance a restart. */
  readonly closesMin: number;
};

export const DEFAULT_KEEP_ALIVE: KeepAliveRules = {
  idleMaxMs: 60_000,
  idleMinMs: 250,
  marginMs: 100,
  closesMin: 3,
};

/** Ages remembered per server. */
export const AGES = 64;

/** Slot i belongs to the server with index i, AGES numbers from AGES * i on in `ages`. */
export type KeepAliveState = {
  readonly ages: Float32Array;
  /** How many closes were seen; the next age goes to this, modulo AGES. */
  readonly closes: Uint32Array;
  /** What Keep-Alive: timeout said last, milliseconds; 0 = nothing. */
  readonly announcedMs: Float64Array;
  /** Smoothed round trip (or time to connect), milliseconds. */
  readonly rttMs: Float64Array;
  /** The limit that follows from these, kept so that asking costs one look. */
  readonly limitMs: Float64Array;
};

export function createKeepAliveState(servers: number, rules: KeepAliveRules): KeepAliveState {
  return {
    ages: new Float32Array(AGES * servers),
    closes: new Uint32Array(servers),
    announcedMs: new Float64Array(servers),
    rttMs: new Float64Array(servers),
    limitMs: new Float64Array(servers).fill(rules.idleMaxMs),
  };
}

/** The idle age at which to retire a connection to the server, milliseconds. */
export function idleLimitMs({ limitMs }: KeepAliveState, server: number): number {
  return limitMs[server]!;
}

/** The server closed an idle connection, or one died under the first bytes after it was idle. */
export function observeClose(
  state: KeepAliveState,
  rules: KeepAliveRules,
  server: number,
  idleMs: number,
): void {
  // At once after a response it is the server's choice not to keep this one, and no timer.
  if (idleMs < rules.idleMinMs) return;
  const count = state.closes[server]!;
  state.ages[AGES * server + (count % AGES)] = idleMs;
  // Kept where it stays the same modulo AGES and says that the ring is full.
  state.closes[server] = count + 1 >= 2 * AGES ? AGES : count + 1;
  state.limitMs[server] = learnedLimitMs(state, rules, server);
}

/** @param timeoutMs of Keep-Alive: timeout; 0 = the response had none */
export function observeAnnouncement(
  state: KeepAliveState,
  rules: KeepAliveRules,
  server: number,
  timeoutMs: number,
): void {
  if (state.announcedMs[server] === timeoutMs) return;
  state.announcedMs[server] = timeoutMs;
  state.limitMs[server] = learnedLimitMs(state, rules, server);
}

/** A connection was made; it took so long. */
export function observeRtt(
  state: KeepAliveState,
  rules: KeepAliveRules,
  server: number,
  rttMs: number,
): void {
  const before = state.rttMs[server]!;
  // RFC 6298 section 2: smoothed by an eighth.
  state.rttMs[server] = before === 0 ? rttMs : before + (rttMs - before) / 8;
  state.limitMs[server] = learnedLimitMs(state, rules, server);
}

/** The server was restarted or replaced: what it did before says nothing. */
export function forgetAges(state: KeepAliveState, rules: KeepAliveRules, server: number): void {
  state.closes[server] = 0;
  state.limitMs[server] = learnedLimitMs(state, rules, server);
}

function learnedLimitMs(state: KeepAliveState, rules: KeepAliveRules, server: number): number {
  const count = Math.min(state.closes[server]!, AGES);
  const announcedMs = state.announcedMs[server]!;
  let closesAtMs = announcedMs > 0 ? announcedMs : Number.POSITIVE_INFINITY;
  if (count >= rules.closesMin) {
    const seen = state.ages.slice(AGES * server, AGES * server + count).sort();
    closesAtMs = Math.min(closesAtMs, seen[Math.floor(count * LOW_QUANTILE)]!);
  }
  const safeMs = closesAtMs - state.rttMs[server]! - rules.marginMs;
  // An announcement below the least age is obeyed: such a server keeps nothing.
  const leastMs =
    announcedMs > 0 ? Math.min(rules.idleMinMs, Math.max(0, safeMs)) : rules.idleMinMs;
  return Math.min(rules.idleMaxMs, Math.max(leastMs, safeMs));
}

/** Below a hundred ages it is the lowest of them. */
const LOW_QUANTILE = 0.01;
