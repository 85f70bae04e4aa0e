import { openRingCalls, type RingCallsOrReason } from './ring-calls.ts';
import type { Connection } from './stream.ts';
import { createRingEngine, type RingEngine } from './stream-ring.ts';
import type { Syscalls } from './syscall.ts';

/** Longer than a piece that the kernel receives into, and than a block that is sent from. */
const LENGTHS = [1, 5000, 100_000];
/** Loopback is quick; only what never comes takes this long. */
const WAIT_MS = 2000;

/**
 * Why streams cannot run on a ring here, in words; undefined when a few octets went to and fro over
 * loopback as they should have. Many containers forbid io_uring, and a struct that is laid out otherwise
 * than we think shows here, not in service.
 */
export async function probeRing(
  syscalls: Syscalls,
  opened: RingCallsOrReason = openRingCalls(),
): Promise<string | undefined> {
  if (!opened.ok) return opened.reason;
  let engine: RingEngine;
  try {
    engine = createRingEngine(opened.calls, syscalls, { waits: false });
  } catch (error) {
    return (error as Error).message;
  }
  const { promise, reject, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => reject(new Error('nothing came back')), WAIT_MS);
  echoes(engine).then(() => resolve(undefined), reject);
  try {
    return await promise;
  } catch (error) {
    return `the self-test of io_uring failed: ${(error as Error).message}`;
  } finally {
    clearTimeout(timer);
    engine.close();
  }
}

/** Sends octets of each length to a listener that sends them back. */
async function echoes(engine: RingEngine): Promise<void> {
  const listener = await engine.listen({ address: '127.0.0.1', port: 0 }, (connection) => ({
    onData: (bytes) => void connection.write(bytes),
    onEnd: () => connection.end(),
    onDrain() {},
    onClose() {},
  }));
  for (const length of LENGTHS) await echo(engine, listener.port, length);
  await listener.close();
}

function echo(engine: RingEngine, port: number, length: number): Promise<void> {
  const { promise, reject, resolve } = Promise.withResolvers<void>();
  const sent = Uint8Array.from({ length }, (_, at) => (at * 31 + length) & 0xff);
  let came = 0;
  const connection: Connection = engine.connect(
    { address: '127.0.0.1', port },
    {
      onOpen() {
        connection.write(sent);
        connection.end();
      },
      onData(bytes) {
        const isSame = bytes.every((octet, at) => octet === sent[came + at]);
        came += bytes.length;
        if (!isSame) reject(new Error('octets did not come as they were sent'));
      },
      onEnd() {},
      onDrain() {},
      onClose(problem) {
        if (problem === '' && came === length) resolve();
        else reject(new Error(problem || `${came} octets came of ${length}`));
      },
    },
  );
  return promise;
}
