import {
  type AdaptiveLimitState,
  adaptiveLimit,
  createAdaptiveLimitState,
  DEFAULT_ADAPTIVE_LIMIT,
  observeAnswer,
} from '../resilience/adaptive-limit.ts';
import { carryOver } from '../resilience/carry-over.ts';
import {
  acquire,
  createLimitState,
  type LimitState,
  occupy,
  RESOURCE,
  RESOURCES,
  release,
  setLimit,
  UNLIMITED,
  WHOLE_UPSTREAM,
} from '../resilience/limits.ts';
import type { LimitSettings } from '../resilience/settings.ts';
import { slowStartFactor } from '../resilience/slow-start.ts';
import { createWaitQueue, type WaitQueue } from '../resilience/wait-queue.ts';
import { type Standing, setRoom } from './standing.ts';

/**
 * How much an upstream and each of its servers may have at a time, and who waits while there is none.
 * A server without room is not usable (`standing.ts`), so a pick needs to know nothing of limits.
 * A connection that carries a request, or has become a tunnel, counts; idle ones do not.
 */
export type Room<Waiting> = {
  readonly settings: LimitSettings;
  readonly standing: Standing;
  readonly limits: LimitState;
  readonly adaptive: AdaptiveLimitState | undefined;
  readonly queue: WaitQueue;
  /** Who holds each ticket of the queue. */
  readonly waiting: (Waiting | undefined)[];
};

export type Load = { readonly active: Uint32Array; readonly connections: Uint32Array };

/** @returns undefined when the settings limit nothing */
export function createRoom<Waiting>(
  settings: LimitSettings,
  standing: Standing,
  load: Load,
  former: Room<Waiting> | undefined,
  formerIndexes: readonly number[],
  nowMs: number,
): Room<Waiting> | undefined {
  if (!limitsSomething(settings)) return undefined;
  const { length } = load.active;
  const rules = DEFAULT_ADAPTIVE_LIMIT;
  const adaptive = settings.adaptive ? createAdaptiveLimitState(length, rules) : undefined;
  if (adaptive && former?.adaptive) carryOver(former.adaptive, adaptive, formerIndexes);
  const own = {
    connections: settings.serverConnections ?? UNLIMITED,
    requests: settings.serverRequests ?? UNLIMITED,
    retries: UNLIMITED,
  };
  const limits = createLimitState(
    Array.from(load.active, () => own),
    {
      connections: settings.connections ?? UNLIMITED,
      requests: settings.requests ?? UNLIMITED,
      retries: settings.retries ?? UNLIMITED,
    },
  );
  const { queueMax, queueOrder, queueTimeoutMs } = settings;
  const room: Room<Waiting> = {
    settings,
    standing,
    limits,
    adaptive,
    queue: createWaitQueue({
      waitingMax: queueMax,
      timeoutMs: queueTimeoutMs,
      order: queueOrder,
      standingMs: STANDING_MS,
      standingTimeoutMs: STANDING_TIMEOUT_MS,
    }),
    waiting: [],
  };
  for (const server of load.active.keys()) {
    for (let each = 0; each < load.active[server]!; each++)
      occupy(limits, server, RESOURCE.requests);
    for (let each = 0; each < load.connections[server]!; each++)
      occupy(limits, server, RESOURCE.connections);
  }
  tickRoom(room, nowMs);
  return room;
}

/** Facebook's values ("Fail at Scale", ACM Queue 2015). */
const STANDING_MS = 1000;
const STANDING_TIMEOUT_MS = 100;

function limitsSomething(settings: LimitSettings): boolean {
  const { adaptive, connections, requests, retries, serverConnections, serverRequests } = settings;
  const numbers = [connections, requests, retries, serverConnections, serverRequests];
  return adaptive || numbers.some((limit) => limit !== undefined);
}

/** Whether the upstream as a whole may have one more. */
export function isFull({ limits }: Room<unknown>): boolean {
  const { limits: most, used } = limits;
  const whole = used.length - RESOURCES;
  const { connections, requests } = RESOURCE;
  return (
    used[whole + requests]! >= most[whole + requests]! ||
    used[whole + connections]! >= most[whole + connections]!
  );
}

export function beginInRoom(room: Room<unknown>, server: number): void {
  occupy(room.limits, server, RESOURCE.requests);
  occupy(room.limits, server, RESOURCE.connections);
  judgeRoom(room, server);
}

export function endInRoom(room: Room<unknown>, server: number): void {
  release(room.limits, server, RESOURCE.requests);
  release(room.limits, server, RESOURCE.connections);
  judgeRoom(room, server);
}

export function beginTunnelInRoom(room: Room<unknown>, server: number): void {
  occupy(room.limits, server, RESOURCE.connections);
  judgeRoom(room, server);
}

export function endTunnelInRoom(room: Room<unknown>, server: number): void {
  release(room.limits, server, RESOURCE.connections);
  judgeRoom(room, server);
}

/** @returns false when as many retries are under way as may be */
export function beginRetryInRoom(room: Room<unknown> | undefined): boolean {
  return room === undefined || acquire(room.limits, WHOLE_UPSTREAM, RESOURCE.retries);
}

export function endRetryInRoom(room: Room<unknown> | undefined): void {
  if (room) release(room.limits, WHOLE_UPSTREAM, RESOURCE.retries);
}

/**
 * A request to the server is over. Its time counts from when the server had all of it until its response
 * began: what a slow client adds is not the server's. A failure says only that an answer would have taken
 * longer: it counts when it took longer than answers do, as one that came to a time limit does (Netflix
 * counts those it drops, and Envoy its own 504, with their time); a quick one would look like a fast server.
 * @param isAnswer it was answered, and not told to go away (429)
 * @param inFlight what the server had, this request included
 */
export function learnAnswer(
  room: Room<unknown>,
  server: number,
  elapsedMs: number,
  isAnswer: boolean,
  inFlight: number,
  nowMs: number,
): void {
  const { adaptive } = room;
  if (adaptive === undefined) return;
  const usualMs = adaptive.shortMs[server]!;
  if (!isAnswer && (usualMs === 0 || elapsedMs <= usualMs)) return;
  observeAnswer(adaptive, DEFAULT_ADAPTIVE_LIMIT, server, elapsedMs, inFlight, nowMs);
  applyLimit(room, server, nowMs);
}

/** Applies the clock: limits grow with slow start. */
export function tickRoom(room: Room<unknown>, nowMs: number): void {
  for (const server of room.standing.usable.keys()) applyLimit(room, server, nowMs);
}

function applyLimit(room: Room<unknown>, server: number, nowMs: number): void {
  const { adaptive, limits, settings, standing } = room;
  const most = settings.serverRequests ?? UNLIMITED;
  const learnt = adaptive ? Math.min(most, adaptiveLimit(adaptive, server)) : most;
  const { slowStart } = standing.settings;
  const factor = slowStartFactor(standing.slowStart, slowStart, server, nowMs);
  setLimit(limits, server, RESOURCE.requests, Math.max(1, Math.floor(learnt * factor)));
  judgeRoom(room, server);
}

function judgeRoom({ limits: { limits, used }, standing }: Room<unknown>, server: number): void {
  const first = RESOURCES * server;
  const { connections, requests } = RESOURCE;
  const has =
    used[first + requests]! < limits[first + requests]! &&
    used[first + connections]! < limits[first + connections]!;
  setRoom(standing, server, has);
}
