import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';

/** Datagrams to one peer and from it: those of others are not heard. */
export type Datagrams = {
  /** One that cannot be sent is as one that is lost. */
  send(bytes: Uint8Array): void;
  close(): void;
};

export type Peer = {
  readonly address: string;
  readonly port: number;
  /** Local address; undefined = the system's choice. */
  readonly source?: string | undefined;
};

/** @param fail hears that nothing listens there, or that there is no way; it may still come otherwise */
export type OpenDatagrams = (
  peer: Peer,
  hear: (bytes: Uint8Array) => void,
  fail?: (reason: string) => void,
) => Datagrams;

export const openDatagrams: OpenDatagrams = ({ address, port, source }, hear, fail) => {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  let isOpen = true;
  let isConnected = false;
  let unsent: Uint8Array | undefined;
  const send = (bytes: Uint8Array): void => {
    if (isConnected && isOpen) socket.send(bytes, () => {});
    else unsent = bytes;
  };
  // A closed port, a missing address: whoever waits for an answer waits in vain, and says so.
  socket.on('error', ({ message }) => fail?.(message));
  socket.on('message', (bytes) => {
    if (isOpen) hear(bytes);
  });
  // Connected, so that the system drops what others send.
  socket.on('connect', () => {
    isConnected = true;
    if (unsent !== undefined) send(unsent);
    unsent = undefined;
  });
  const connect = (): void => {
    if (isOpen) socket.connect(port, address);
  };
  if (source === undefined) connect();
  else socket.bind({ address: source, exclusive: true }, connect);
  return {
    send,
    close() {
      if (!isOpen) return;
      isOpen = false;
      socket.close();
    },
  };
};
