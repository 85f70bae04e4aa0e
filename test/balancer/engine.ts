import assert from 'node:assert/strict';
import { openRingCalls } from '../../src/io/ring-calls.ts';
import { probeRing } from '../../src/io/ring-probe.ts';
import type { StreamEngine } from '../../src/io/stream.ts';
import { createPortableEngine } from '../../src/io/stream-portable.ts';
import { createRingEngine, type RingOptions } from '../../src/io/stream-ring.ts';
import { openSyscalls } from '../../src/io/syscall.ts';
import { compileBeforeExit } from '../../src/workers/compiling.ts';
import { isRingThere } from '../io/ring-there.ts';

/** The stream engine that rigs of this process run on. */
let create: () => StreamEngine = createPortableEngine;

export const createEngine = (): StreamEngine => create();

/** From now on rigs run on io_uring. False where there is none. */
export async function useRing(options?: RingOptions): Promise<boolean> {
  const [calls, syscalls] = [openRingCalls(), openSyscalls()];
  if (!calls.ok || !syscalls.ok || !isRingThere()) return false;
  assert.equal(await probeRing(syscalls.calls, calls), undefined);
  // One for all of them: its memory is never given back.
  compileBeforeExit();
  const engine = createRingEngine(calls.calls, syscalls.calls, options);
  create = () => engine;
  return true;
}
