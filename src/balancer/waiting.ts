import { enterQueue, leaveQueue, takeExpired, takeFromQueue } from '../resilience/wait-queue.ts';
import { observeLatency } from '../telemetry/latencies.ts';
import { UPSTREAM_COUNTER } from './counters.ts';
import { isFull } from './room.ts';
import type { BalancerRuntime, Exchange, Session } from './session.ts';
import type { Upstream } from './upstream.ts';

/** Requests that wait for a server with room: who may, in which order, and until when. */

/** @returns false when nobody would have it even with room, or the queue is full */
export function enterWaiting(session: Session, exchange: Exchange, nowMs: number): boolean {
  const { upstream } = exchange;
  const room = upstream?.room;
  if (room === undefined || !room.standing.willing.includes(1)) return false;
  const ticket = enterQueue(room.queue, nowMs);
  if (ticket < 0) {
    session.runtime.counters[upstream!.place.base + UPSTREAM_COUNTER.queueFull]!++;
    return false;
  }
  room.waiting[ticket] = session;
  exchange.ticket = ticket;
  session.phase = 'queue';
  session.runtime.queued++;
  tellQueue(session.runtime, upstream);
  return true;
}

/** The client has left, or has waited too long for something else. */
export function leaveWaiting(session: Session, exchange: Exchange): void {
  const room = exchange.upstream?.room;
  if (room === undefined || room.waiting[exchange.ticket] !== session) return;
  leaveQueue(room.queue, exchange.ticket);
  forget(session.runtime, exchange);
}

/** Who may go on now, out of the queue; undefined when nobody waits or there is no room. */
export function nextWaiting(runtime: BalancerRuntime, nowMs: number): Session | undefined {
  for (const upstream of runtime.upstreams) {
    if (upstream.room === undefined || !hasRoom(upstream)) continue;
    const ticket = takeFromQueue(upstream.room.queue, nowMs);
    const session = upstream.room.waiting[ticket];
    if (session?.exchange === undefined) continue;
    countWait(runtime, upstream, ticket, nowMs);
    forget(runtime, session.exchange);
    return session;
  }
  return undefined;
}

/** Who has waited too long, out of the queue. */
export function expiredWaiting(runtime: BalancerRuntime, nowMs: number): Session | undefined {
  for (const upstream of runtime.upstreams) {
    const { place, room } = upstream;
    if (room === undefined) continue;
    const ticket = takeExpired(room.queue, nowMs);
    const session = room.waiting[ticket];
    if (session?.exchange === undefined) continue;
    runtime.counters[place.base + UPSTREAM_COUNTER.queueTimeouts]!++;
    countWait(runtime, upstream, ticket, nowMs);
    forget(runtime, session.exchange);
    return session;
  }
  return undefined;
}

/** All who wait for the upstream, out of its queue: another one takes its place. */
export function allWaiting({ room }: Upstream): readonly Session[] {
  const sessions = (room?.waiting ?? []).filter((session) => session !== undefined);
  for (const session of sessions) {
    if (session.exchange) leaveWaiting(session, session.exchange);
  }
  return sessions;
}

const hasRoom = ({ room, usable }: Upstream): boolean =>
  room !== undefined && !isFull(room) && usable.includes(1);

function forget(runtime: BalancerRuntime, exchange: Exchange): void {
  const room = exchange.upstream?.room;
  if (room) room.waiting[exchange.ticket] = undefined;
  exchange.ticket = NO_TICKET;
  runtime.queued--;
  tellQueue(runtime, exchange.upstream);
}

function tellQueue({ counters }: BalancerRuntime, upstream: Upstream | undefined): void {
  if (upstream?.room === undefined) return;
  counters[upstream.place.base + UPSTREAM_COUNTER.queued] = upstream.room.queue.length;
}

function countWait(
  { counters }: BalancerRuntime,
  { place, room }: Upstream,
  ticket: number,
  nowMs: number,
): void {
  const waitedMs = nowMs - (room?.queue.enteredMs[ticket] ?? nowMs);
  observeLatency(counters, place.base + UPSTREAM_COUNTER.wait, waitedMs);
}

export const NO_TICKET = -1;
