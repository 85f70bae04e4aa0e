import assert from 'node:assert/strict';
import { createMonitoring, type VantageVerdict } from '../../src/monitoring/monitoring.ts';
import { probeKinds } from '../../src/probe/registry.ts';

/** Monitoring by the real clock and real probes, none of which may fail within this machine. */
export const startMonitoring = (onVerdict: (verdict: VantageVerdict) => void) =>
  createMonitoring({
    clock: {
      nowMs: () => Date.now(),
      setTimer(ms, run) {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    },
    draw: Math.random,
    probes: probeKinds,
    onAttempt: (_job, fault) => assert.equal(fault, undefined),
    onVerdict,
  });
