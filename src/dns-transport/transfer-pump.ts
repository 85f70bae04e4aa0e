import type { Client } from '../nameserver/client.ts';
import { type Desk, transferFrom } from './desk.ts';

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

let active = 0;

export function createTransferPump(
  desk: Desk,
  send: (message: Uint8Array) => void,
  mayGoOn: () => boolean,
): TransferPump {
  let messages: Iterator<Uint8Array> | undefined;
  const end = (): void => {
    if (messages === undefined) return;
    messages = undefined;
    active -= 1;
  };
  const goOn = (): void => {
    while (messages !== undefined && mayGoOn()) {
      const next = messages.next();
      if (next.done === true) end();
      else send(next.value);
    }
  };
  return {
    begin(client, message) {
      if (active >= TRANSFERS_MAX) return false;
      active += 1;
      messages = transferFrom(desk, client, message)[Symbol.iterator]();
      goOn();
      return true;
    },
    goOn,
    isActive: () => messages !== undefined,
    end,
  };
}
