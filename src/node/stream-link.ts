import { connect, type Socket } from 'node:net';
import { MESSAGE_LENGTH_MAX } from '../dns/constants.ts';
import { createStreamFraming, STREAM_BROKEN } from '../nameserver/stream-framing.ts';
import type { Peer } from './datagrams.ts';

/** A connection to a nameserver on which questions are asked and messages awaited. */
export type StreamLink = {
  send(message: Uint8Array): void;
  /** The next message, or why there will be none. */
  receive(): Promise<Uint8Array | string>;
  close(): void;
};

export type OpenStream = (peer: Peer) => StreamLink;

/** Until it is open, and from one whole message to the next: octets that drip in are no progress. */
export const STREAM_PROGRESS_MS = 15_000;
/** However it progresses: a primary that never comes to an end must not keep others waiting for their turn. */
export const STREAM_LIFE_MS = 3_600_000;

export const openStream: OpenStream = ({ address, port, source }) => {
  const socket = connect({
    host: address,
    port,
    ...(source === undefined ? {} : { localAddress: source }),
  });
  socket.setNoDelay(true);
  const messages = messagesOf(socket);
  const end = setTimeout(() => {
    socket.destroy(new Error('it came to no end within an hour'));
  }, STREAM_LIFE_MS);
  end.unref();
  let late: NodeJS.Timeout | undefined;
  return {
    send(message) {
      const length = Uint8Array.of(message.length >> 8, message.length);
      socket.write(Buffer.concat([length, message]));
    },
    async receive() {
      let isOver = false;
      const giveUp = (): void => {
        if (isOver) return;
        socket.destroy(new Error(`nothing came for ${STREAM_PROGRESS_MS / 1000} s`));
      };
      // Another zone may have kept this thread: what came meanwhile is read first.
      late = setTimeout(() => setImmediate(giveUp), STREAM_PROGRESS_MS);
      try {
        const next = await messages.next();
        return next.done === true ? 'it closed the connection' : next.value;
      } catch (error) {
        return reasonOf(error);
      } finally {
        isOver = true;
        clearTimeout(late);
      }
    },
    close() {
      clearTimeout(end);
      clearTimeout(late);
      // Nobody waits for what it says of it.
      socket.on('error', () => {});
      socket.destroy();
    },
  };
};

/** Read no faster than they are taken. */
async function* messagesOf(socket: Socket): AsyncGenerator<Uint8Array, undefined> {
  const framing = createStreamFraming(MESSAGE_LENGTH_MAX);
  for await (const chunk of socket) {
    const whole: Uint8Array[] = [];
    const take = (message: Uint8Array): unknown => whole.push(new Uint8Array(message));
    if (framing.receive(chunk as Buffer, take) === STREAM_BROKEN) {
      throw new Error('it does not speak DNS');
    }
    yield* whole;
  }
  return undefined;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ECONNREFUSED':
      return 'nothing listens there';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'it closed the connection';
    case 'ETIMEDOUT':
      return 'it does not answer';
    case 'EADDRNOTAVAIL':
      return 'this machine does not have the address that it is to be asked from';
    default:
      return message;
  }
}
