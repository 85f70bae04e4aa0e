import type { KeySource } from '../balancing/algorithm.ts';
import { hashBytes, hashText } from '../balancing/hashing.ts';
import { parseAddress } from '../ip/address.ts';
import { networkOf } from '../ip/prefix.ts';
import type { ProxyOptions } from '../ip/proxy-options.ts';

/** Who speaks to whom, below any protocol: with the protocol of the listener, the 5-tuple. */
export type Flow = {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** What a proxy in front has told beside the client's address. */
  readonly told?: ProxyOptions;
};

/**
 * The hash that keeps a flow on its server, the same on every node; 0 when there is nothing to keep it by.
 * What only a request has (a path, a header) a flow has not; its host is the server name of the TLS
 * ClientHello where that was read.
 */
export function flowKey(source: KeySource | undefined, flow: Flow, serverName: string): number {
  switch (source?.kind) {
    case 'client': {
      const address = parseAddress(flow.remoteAddress);
      if (address === undefined) return 0;
      const length = address.family === 4 ? source.prefix4 : source.prefix6;
      const { bytes } = networkOf(address, length).address;
      return hashBytes(bytes, 0, bytes.length, SEED) || 1;
    }
    case 'connection': {
      const { localAddress, localPort, remoteAddress, remotePort } = flow;
      const text = `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
      return hashText(text, SEED) || 1;
    }
    case 'host':
      return serverName === '' ? 0 : hashText(serverName, SEED) || 1;
    default:
      return 0;
  }
}

const SEED = 5;
