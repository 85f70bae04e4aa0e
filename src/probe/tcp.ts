import { connect, type Socket } from 'node:net';
import { z } from 'zod';
import { abortReason, failure, shorten } from './failure.ts';
import type { ProbeKind, ProbeResult } from './probe.ts';

/** Bytes of the answer in which the expected text must appear. */
export const ANSWER_BYTES_MAX = 65_536;

const tcpOptions = z.strictObject({
  send: z.string().optional().describe('Text that is sent once connected.'),
  expect: z.string().min(1).optional().describe('Text that the first 64 KiB received contain.'),
});
export type TcpProbeOptions = z.infer<typeof tcpOptions>;

/** Connects, and if asked to, sends a text and waits until the answer contains another one. */
export const tcp: ProbeKind<TcpProbeOptions> = {
  kind: 'tcp',
  summary: 'TCP connect; if wanted, sends a text and expects one',
  options: tcpOptions,
  run({ address, port, sourceAddress }, options, signal) {
    const startMs = performance.now();
    if (signal.aborted) {
      return Promise.resolve({ ok: false, rttMs: 0, reason: abortReason(signal) });
    }
    return new Promise((resolve) => {
      let socket: Socket | undefined;
      const settle = (result: Omit<ProbeResult, 'rttMs'>): void => {
        signal.removeEventListener('abort', onAbort);
        socket?.destroy();
        resolve({ ...result, rttMs: performance.now() - startMs });
      };
      const onAbort = (): void => settle({ ok: false, reason: abortReason(signal) });
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        const source = sourceAddress === undefined ? {} : { localAddress: sourceAddress };
        socket = connect({ host: address, port, ...source });
        socket.on('error', (error) => settle(failure(error, 0, address)));
        converse(socket, options, settle);
      } catch (error) {
        // An address that is none makes connect() throw.
        settle(failure(error, 0, address));
      }
    });
  },
};

function converse(
  socket: Socket,
  { send, expect }: TcpProbeOptions,
  settle: (result: Omit<ProbeResult, 'rttMs'>) => void,
): void {
  socket.on('connect', () => {
    if (send !== undefined) socket.write(send);
    if (expect !== undefined) return;
    if (send === undefined) settle({ ok: true, reason: 'connected' });
    // Half-closing after the text makes sure that it leaves before the socket is given up.
    else socket.end(() => settle({ ok: true, reason: 'connected and sent' }));
  });
  if (expect === undefined) return;
  const wanted = Buffer.from(expect);
  const missing = shorten(`answer does not contain ${JSON.stringify(expect)}`);
  let answer: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    answer = Buffer.concat([answer, chunk]).subarray(0, ANSWER_BYTES_MAX);
    if (answer.includes(wanted)) settle({ ok: true, reason: 'answer as expected' });
    else if (answer.length >= ANSWER_BYTES_MAX) settle({ ok: false, reason: missing });
  });
  socket.on('end', () => {
    settle({ ok: false, reason: answer.length === 0 ? 'closed without an answer' : missing });
  });
}
