import type { Client } from '../nameserver/client.ts';
import { COUNT_TRANSFERS, COUNT_TRANSFERS_REFUSED } from '../nameserver/counters.ts';
import { type Desk, transferFrom } from './desk.ts';
import type { ClientAccount } from './sessions.ts';

/**
 * A zone on its way over one connection: its messages are made as the reader takes them, so that a large
 * zone and a slow reader cost one message of memory.
 */
export type TransferPump = {
  /** Begins with the request that was asked last; false when too many are under way. */
  begin(client: Client, message: Uint8Array): boolean;
  /** Goes on until `mayGoOn` says no, or all is sent. */
  goOn(): void;
  isActive(): boolean;
  /** Gives it up. */
  end(): void;
};

/** Zones that are copied at once, from one worker. */
export const TRANSFERS_MAX = 16;

/** Of them to one client. */
export const TRANSFERS_PER_CLIENT_MAX = 4;

/** Whoever takes a zone more slowly than this makes room when there is none: octets per second, on average. */
export const TRANSFER_SPEED_MIN = 16_384;
/** Nobody is judged before. */
export const TRANSFER_JUDGED_AFTER_MS = 30_000;

/** One that is under way. */
type Progress = { readonly sinceMs: number; octets: number; readonly giveUp: () => void };
const active = new Set<Progress>();

/** Ends the slowest that is too slow; false when there is none. */
function makeRoom(nowMs: number): boolean {
  let slowest: Progress | undefined;
  let least = TRANSFER_SPEED_MIN;
  for (const each of active) {
    const ms = nowMs - each.sinceMs;
    const speed = (each.octets * 1000) / ms;
    if (ms < TRANSFER_JUDGED_AFTER_MS || speed >= least) continue;
    slowest = each;
    least = speed;
  }
  slowest?.giveUp();
  return slowest !== undefined;
}

/** @param close the connection, in favour of others; it calls end() */
export function createTransferPump(
  desk: Desk,
  account: ClientAccount,
  send: (message: Uint8Array) => void,
  mayGoOn: () => boolean,
  close: () => void,
): TransferPump {
  let progress: Progress | undefined;
  let messages: Iterator<Uint8Array> | undefined;
  let isBegun = false;
  const count = (slot: number): void => {
    desk.worker.counters[slot]! += 1;
  };
  const end = (): void => {
    if (messages === undefined) return;
    messages = undefined;
    if (progress !== undefined) active.delete(progress);
    account.transfers -= 1;
  };
  const goOn = (): void => {
    while (messages !== undefined && mayGoOn()) {
      const next = messages.next();
      if (next.done === true) {
        end();
        break;
      }
      // Its first message says whether there is a transfer at all.
      if (!isBegun) count((next.value[3]! & 0xf) === 0 ? COUNT_TRANSFERS : COUNT_TRANSFERS_REFUSED);
      isBegun = true;
      if (progress !== undefined) progress.octets += next.value.length;
      send(next.value);
    }
  };
  return {
    begin(client, message) {
      const nowMs = desk.nowMs();
      const isOver = account.transfers >= TRANSFERS_PER_CLIENT_MAX;
      if (isOver || (active.size >= TRANSFERS_MAX && !makeRoom(nowMs))) {
        count(COUNT_TRANSFERS_REFUSED);
        return false;
      }
      progress = { sinceMs: nowMs, octets: 0, giveUp: close };
      active.add(progress);
      account.transfers += 1;
      isBegun = false;
      messages = transferFrom(desk, client, message)[Symbol.iterator]();
      goOn();
      return true;
    },
    goOn,
    isActive: () => messages !== undefined,
    end,
  };
}
