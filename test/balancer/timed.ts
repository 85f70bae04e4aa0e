import type { WireHandlers } from '../../src/balancer/wire.ts';
import type { ConnectionHandlers } from '../../src/io/stream.ts';

/** A clock that only tests move; handlers of connections are told its time. */
export function startClock(ms = 1_700_000_000_000) {
  const clock = { ms };
  const timed = (handlers: WireHandlers): ConnectionHandlers => ({
    onOpen: () => handlers.onOpen(clock.ms),
    onData: (bytes) => handlers.onData(bytes, clock.ms),
    onEnd: () => handlers.onEnd(clock.ms),
    onDrain: () => handlers.onDrain(clock.ms),
    onClose: (problem) => handlers.onClose(problem, clock.ms),
  });
  return { clock, timed };
}
