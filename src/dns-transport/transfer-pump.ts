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

let active = 0;

export function createTransferPump(
  desk: Desk,
  account: ClientAccount,
  send: (message: Uint8Array) => void,
  mayGoOn: () => boolean,
): TransferPump {
  let messages: Iterator<Uint8Array> | undefined;
  let isBegun = false;
  const count = (slot: number): void => {
    desk.worker.counters[slot]! += 1;
  };
  const end = (): void => {
    if (messages === undefined) return;
    messages = undefined;
    active -= 1;
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
      send(next.value);
    }
  };
  return {
    begin(client, message) {
      if (active >= TRANSFERS_MAX || account.transfers >= TRANSFERS_PER_CLIENT_MAX) {
        count(COUNT_TRANSFERS_REFUSED);
        return false;
      }
      active += 1;
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
