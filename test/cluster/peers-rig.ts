import { createPeers, type Peers } from '../../src/cluster/peers.ts';
import { deriveSessionKey } from '../../src/cluster/session.ts';
import type { WireRecord } from '../../src/cluster/wire.ts';
import { createMovedClock, type MovedClock } from '../monitoring/moved-clock.ts';
import { createVirtualNetwork, seededDraw, type VirtualNetwork } from './virtual-network.ts';

/** Nodes that have sessions and nothing to say: what they hear is kept. */
export type PeersRig = {
  readonly clock: MovedClock;
  readonly network: VirtualNetwork;
  start(name: string, more?: Partial<StartOptions>): RigPeer;
};

export type RigPeer = {
  readonly name: string;
  readonly address: string;
  readonly peers: Peers;
  readonly heard: { readonly from: string; readonly records: readonly WireRecord[] }[];
  readonly connected: string[];
  readonly lines: string[];
  readonly offsets: Map<string, number>;
  /** Texts of `node` records that were heard from a node. */
  texts(from: string): readonly string[];
  stop(): void;
};

type StartOptions = {
  readonly address: string;
  readonly seeds: readonly string[];
  readonly keys: readonly string[];
  readonly wallAheadMs: number;
};

export const KEY = 'a cluster key that is long enough to be one';
const TICK_MS = 500;

export function createPeersRig(seed = 1): PeersRig {
  const clock = createMovedClock();
  const draw = seededDraw(seed);
  const network = createVirtualNetwork(clock, draw);
  return {
    clock,
    network,
    start(name, { address = `${name}:1`, keys = [KEY], seeds = [], wallAheadMs = 0 } = {}) {
      const heard: { from: string; records: readonly WireRecord[] }[] = [];
      const connected: string[] = [];
      const lines: string[] = [];
      const offsets = new Map<string, number>();
      const transport = network.attach(address);
      const keep = (event: string, message: string): void => void lines.push(`${event} ${message}`);
      const peers = createPeers({
        transport,
        nowMs: clock.nowMs,
        wallMs: () => clock.nowMs() + wallAheadMs,
        name,
        keys: keys.map(deriveSessionKey),
        log: { info: keep, warn: keep },
        onRecords: (records, from) => heard.push({ from, records }),
        onConnected: (from) => connected.push(from),
        onClock: (from, offsetMs) => offsets.set(from, offsetMs),
        randomBytes: (size) => Buffer.from(Array.from({ length: size }, () => draw() * 256)),
      });
      peers.setSeeds(seeds);
      let cancel = (): void => {};
      const tick = (): void => {
        cancel = clock.setTimer(TICK_MS, tick);
        peers.tick();
      };
      cancel = clock.setTimer(0, tick);
      return {
        name,
        address,
        peers,
        heard,
        connected,
        lines,
        offsets,
        texts: (from) =>
          heard
            .filter((each) => each.from === from)
            .flatMap(({ records }) => records)
            .flatMap((record) => (record.kind === 'node' ? [record.text] : [])),
        stop() {
          cancel();
          void transport.close();
        },
      };
    },
  };
}

export const say = (text: string): readonly WireRecord[] => [{ kind: 'node', text }];
