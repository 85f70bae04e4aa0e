import { connect } from 'node:net';
import type { ProbeWay } from '../clients/probe-round.ts';
import { type DnsProbeOptions, dns } from '../probe/dns.ts';
import { icmp } from '../probe/icmp.ts';

/**
 * How long one round trip takes, milliseconds; undefined = nobody answered in time. Whatever comes back counts, also
 * "no": a connection that is refused and a query that is refused have gone there and back.
 */
export async function roundTripMs(
  { kind, port }: ProbeWay,
  address: string,
  sourceAddress: string | undefined,
): Promise<number | undefined> {
  const source = sourceAddress === undefined ? {} : { sourceAddress };
  const target = { address, port, ...source };
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  switch (kind) {
    case 'tcp':
      return handshakeMs(address, port, sourceAddress, signal);
    case 'dns':
      return (await dns.run(target, QUESTION, signal)).timings?.firstByteMs;
    case 'icmp': {
      const { ok, rttMs, timings } = await icmp.run(target, {}, signal);
      return ok ? (timings?.firstByteMs ?? rttMs) : undefined;
    }
  }
}

/** Who is farther than that is of no use to anybody. */
const TIMEOUT_MS = 2000;

/** What every resolver knows, and need not look for: without RD none asks anybody else. The answer is short. */
const QUESTION: DnsProbeOptions = {
  ...{ name: '.', type: 'SOA', transport: 'udp' as const, recursion: false },
  ...{ rcode: 'NOERROR' as const, empty: true },
};

/** Until the connection is there, or refused (RFC 9293 3.5.1: a reset). Nothing is sent over it. */
function handshakeMs(
  host: string,
  port: number,
  localAddress: string | undefined,
  signal: AbortSignal,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const beganMs = performance.now();
    const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
    const end = (isAnswered: boolean): void => {
      resolve(isAnswered ? performance.now() - beganMs : undefined);
      signal.removeEventListener('abort', late);
      socket.destroy();
    };
    const late = (): void => end(false);
    signal.addEventListener('abort', late);
    socket.once('connect', () => end(true));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => end(code === 'ECONNREFUSED'));
  });
}
