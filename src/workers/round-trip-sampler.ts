import type { BalancerReport } from '../balancer/messages.ts';
import { networkKey } from '../clients/network-key.ts';
import type { Connection } from '../io/stream.ts';
import { parseAddress } from '../ip/address.ts';

/**
 * How far clients are, as a balancer worker sees them come: of some new connections it asks the kernel, a call each, and
 * tells the main thread now and then, all networks in one message.
 */
export type RoundTripSampler = {
  take(connection: Pick<Connection, 'remoteAddress' | 'roundTripMs'>): void;
  /** To be called TICKS_PER_SECOND times in a second. */
  tick(): void;
  /** @param perSecond connections that are asked about; 0 = none */
  setRate(perSecond: number): void;
};

const TICKS_PER_SECOND = 10;
/** Ticks between two messages. */
const TELL_EVERY = 10;

export function createRoundTripSampler(send: (report: BalancerReport) => void): RoundTripSampler {
  let perTick = 0;
  let left = 0;
  let ticks = 0;
  let samples: number[] = [];
  return {
    take(connection) {
      if (left <= 0) return;
      left -= 1;
      const rttMs = connection.roundTripMs();
      if (rttMs <= 0) return;
      const address = parseAddress(connection.remoteAddress);
      const network = address === undefined ? -1 : networkKey(address);
      if (network >= 0) samples.push(network, rttMs);
    },
    tick() {
      // What a tick does not need is the next one's, up to a second's.
      left = Math.min(perTick * TICKS_PER_SECOND, left + perTick);
      ticks += 1;
      if (ticks % TELL_EVERY !== 0 || samples.length === 0) return;
      send({ type: 'round-trips', samples: Float64Array.from(samples) });
      samples = [];
    },
    setRate(perSecond) {
      perTick = perSecond / TICKS_PER_SECOND;
      left = Math.min(left, perSecond);
    },
  };
}
