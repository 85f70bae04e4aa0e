import type { Connection, ConnectionHandlers, StreamEngine } from '../../src/io/stream.ts';

/** What an engine and a balancer have told each other about one connection. */
export type Tap = {
  isOpen: boolean;
  /** Octets that the balancer heard, and whether it heard the end and the close. */
  heard: number;
  heardEnd: boolean;
  closed: boolean;
  /** Octets that it wrote, whether it finished, and whether it gave the connection up. */
  said: number;
  ended: boolean;
  gone: boolean;
  paused: boolean;
  /** A write was answered with false, and no drain was told since. */
  blocked: boolean;
  /** How often one was. */
  holds: number;
};

export type Taps = { readonly clients: Tap[]; readonly servers: Tap[] };

/**
 * The engine, and what passes between it and whoever uses it is noted in `taps`.
 * @param changed is called after each event
 */
export function tapEngine(engine: StreamEngine, taps: Taps, changed: () => void): StreamEngine {
  const { name, outboxes } = engine;
  return {
    name,
    ...(outboxes ? { outboxes } : {}),
    listen: (where, onConnection) =>
      engine.listen(where, (connection) => {
        const tap = addTap(taps.clients, true);
        const handlers = onConnection(speak(tap, connection));
        changed();
        return hear(tap, handlers, changed);
      }),
    connect(target, handlers) {
      const tap = addTap(taps.servers, false);
      return speak(tap, engine.connect(target, hear(tap, handlers, changed)));
    },
  };
}

function addTap(list: Tap[], isOpen: boolean): Tap {
  const tap: Tap = {
    isOpen,
    heard: 0,
    heardEnd: false,
    closed: false,
    said: 0,
    ended: false,
    gone: false,
    paused: false,
    blocked: false,
    holds: 0,
  };
  list.push(tap);
  return tap;
}

function hear(tap: Tap, handlers: ConnectionHandlers, changed: () => void): ConnectionHandlers {
  return {
    onOpen(nowMs) {
      tap.isOpen = true;
      handlers.onOpen?.(nowMs);
      changed();
    },
    onData(bytes, nowMs) {
      tap.heard += bytes.length;
      handlers.onData(bytes, nowMs);
      changed();
    },
    onEnd(nowMs) {
      tap.heardEnd = true;
      handlers.onEnd(nowMs);
      changed();
    },
    onDrain(nowMs) {
      tap.blocked = false;
      handlers.onDrain(nowMs);
      changed();
    },
    onClose(problem, nowMs) {
      tap.closed = true;
      handlers.onClose(problem, nowMs);
      changed();
    },
  };
}

function speak(tap: Tap, connection: Connection): Connection {
  const { id, localAddress, localPort, remoteAddress, remotePort } = connection;
  return {
    id,
    localAddress,
    localPort,
    remoteAddress,
    remotePort,
    write(bytes, length = bytes.length) {
      tap.said += length;
      const goOn = connection.write(bytes, length);
      if (goOn) return true;
      tap.blocked = true;
      tap.holds += 1;
      return false;
    },
    end() {
      tap.ended = true;
      connection.end();
    },
    destroy() {
      tap.gone = true;
      connection.destroy();
    },
    reset() {
      tap.gone = true;
      connection.reset();
    },
    pause() {
      tap.paused = true;
      connection.pause();
    },
    resume() {
      tap.paused = false;
      connection.resume();
    },
    taken: () => connection.taken(),
    roundTripMs: () => connection.roundTripMs(),
  };
}
