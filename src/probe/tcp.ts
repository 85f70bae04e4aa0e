import type { Socket } from 'node:net';
import { z } from 'zod';
import { openConnection } from './connection.ts';
import { type Course, runCourse } from './course.ts';
import { type Finding, shorten } from './failure.ts';
import type { ProbeKind } from './probe.ts';

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
  run: (target, options, signal) =>
    runCourse(target, signal, async (course) => {
      const socket = await openConnection(course);
      const { expect, send } = options;
      if (expect !== undefined) {
        if (send !== undefined) socket.write(send);
        return awaitText(course, socket, expect);
      }
      if (send === undefined) return { ok: true, reason: 'connected' };
      // Half-closing after the text makes sure that it leaves before the socket is given up.
      await new Promise<void>((done, fail) => {
        socket.once('error', fail);
        socket.end(send, done);
      });
      return { ok: true, reason: 'connected and sent' };
    }),
};

async function awaitText(course: Course, socket: Socket, expect: string): Promise<Finding> {
  const sentMs = course.nowMs();
  const wanted = Buffer.from(expect);
  let answer: Buffer = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    if (answer.length === 0) course.note('firstByteMs', sentMs);
    const from = Math.max(0, answer.length - wanted.length);
    answer = Buffer.concat([answer, chunk]).subarray(0, ANSWER_BYTES_MAX);
    if (answer.includes(wanted, from)) return { ok: true, reason: 'answer as expected' };
    if (answer.length >= ANSWER_BYTES_MAX) break;
  }
  if (answer.length === 0) return { ok: false, reason: 'closed without an answer' };
  const reason = shorten(`answer does not contain ${JSON.stringify(expect)}`);
  return { ok: false, reason };
}
