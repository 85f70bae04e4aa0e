import { openRingCalls } from '../../src/io/ring-calls.ts';
import { createRingEngine } from '../../src/io/stream-ring.ts';
import { openSyscalls } from '../../src/io/syscall.ts';
import { testStreamEngine } from './stream-conformance.ts';

const calls = openRingCalls();
const syscalls = openSyscalls();
if (calls.ok && syscalls.ok) testStreamEngine(() => createRingEngine(calls.calls, syscalls.calls));
