/**
 * A DNS worker's line to the signer: queries whose answers need a signature that nobody foresaw. What a flood of
 * new names can take is bounded: so many a second, and so many that wait. Beyond it clients are told to
 * come back over TCP (nameserver/busy.ts), and everything else is answered as ever.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Client } from '../nameserver/client.ts';
import { createGate } from '../nameserver/defer.ts';
import type { Learned } from '../nameserver/learned.ts';
import type { ColdAnswer } from '../signing/signer-desk.ts';
import { type DeferredQuery, deferredQuery } from './dns-messages.ts';

/** Queries that one worker hands to the signer in a second, and at once after a pause. */
export const COLD_PER_SECOND_MAX = 2000;
/** Handed over and not yet answered. */
export const COLD_WAITING_MAX = 128;
/** What is not answered by then is forgotten: the client has asked again or gone. */
export const COLD_TIMEOUT_MS = 2000;

export type SigningClient = {
  /** Speaks to a signer, or to its successor, from now on; undefined = there is none. */
  connect(port: MessagePort | undefined): void;
  /** Hands a query over; the reply comes later, or undefined when there will be none. False = no room. */
  ask(bytes: Uint8Array, client: Client, nowMs: number, take: Take): boolean;
};

export type Take = (reply: Uint8Array | undefined) => void;

/** Over the port. */
export type ColdQuery = DeferredQuery & {
  readonly id: number;
  readonly transport: Client['transport'];
};
export type ColdReply = ColdAnswer & { readonly id: number };

/** @param learn told of what was signed, before the reply is */
export function createSigningClient(
  learn: (generation: number, learned: readonly Learned[]) => void,
): SigningClient {
  const waiting = new Map<number, { readonly take: Take; readonly sinceMs: number }>();
  const gate = createGate(COLD_PER_SECOND_MAX);
  let line: MessagePort | undefined;
  let nextId = 1;
  const settle = (id: number, reply: Uint8Array | undefined): void => {
    const found = waiting.get(id);
    waiting.delete(id);
    found?.take(reply);
  };
  return {
    connect(port) {
      line?.close();
      line = port;
      for (const id of [...waiting.keys()]) settle(id, undefined);
      if (port === undefined) return;
      port.on('message', ({ generation, id, learned, reply }: ColdReply) => {
        learn(generation, learned);
        settle(id, reply);
      });
      port.on('close', () => {
        if (line === port) line = undefined;
      });
      port.unref();
    },
    ask(bytes, client, nowMs, take) {
      for (const [id, { sinceMs }] of waiting) {
        if (Math.abs(nowMs - sinceMs) < COLD_TIMEOUT_MS) break;
        settle(id, undefined);
      }
      if (line === undefined || waiting.size >= COLD_WAITING_MAX || !gate(nowMs)) return false;
      const id = nextId++;
      waiting.set(id, { take, sinceMs: nowMs });
      const { transport } = client;
      const query = { ...deferredQuery(bytes, client, nowMs), transport, id };
      line.postMessage(query satisfies ColdQuery);
      return true;
    },
  };
}
