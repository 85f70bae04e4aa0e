import { z } from 'zod';
import type { MonitoringJob } from '../../src/monitoring/monitoring.ts';
import type { ProbeKind, ProbeResult } from '../../src/probe/probe.ts';

/** A probe kind whose results a test decides, by target address; it records what was asked. */
export type ScriptedProbe = {
  readonly kind: ProbeKind;
  /** What a target answers from now on; `hang` waits for the abort, `throw` is a bug. */
  set(address: string, answer: 'ok' | 'fail' | 'hang' | 'deaf' | 'local' | 'throw'): void;
  /** Addresses in the order in which they were probed. */
  readonly asked: string[];
  /** Probes in flight now, and the most there ever were. */
  readonly load: { now: number; peak: number; perAddress: Map<string, number> };
  readonly aborted: string[];
};

export function createScriptedProbe(): ScriptedProbe {
  const answers = new Map<string, string>();
  const asked: string[] = [];
  const aborted: string[] = [];
  const load = { now: 0, peak: 0, perAddress: new Map<string, number>() };

  const answer = async (address: string, signal: AbortSignal): Promise<ProbeResult> => {
    const result = (ok: boolean, reason: string): ProbeResult => ({ ok, rttMs: 3, reason });
    const scripted = answers.get(address) ?? 'ok';
    if (scripted === 'throw') throw new Error('a bug');
    if (scripted === 'local') return { ...result(false, 'no descriptors left'), local: true };
    if (scripted === 'hang' || scripted === 'deaf') {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          aborted.push(address);
          if (scripted === 'hang') resolve();
        });
      });
      return result(false, String(signal.reason));
    }
    return scripted === 'ok' ? result(true, '200 OK') : result(false, 'connection refused');
  };
  const kind: ProbeKind = {
    kind: 'scripted',
    summary: 'what the test says',
    options: z.unknown(),
    async run({ address }, _options, signal) {
      asked.push(address);
      load.now += 1;
      load.peak = Math.max(load.peak, load.now);
      const mine = (load.perAddress.get(address) ?? 0) + 1;
      load.perAddress.set(address, mine);
      try {
        return await answer(address, signal);
      } finally {
        load.now -= 1;
        load.perAddress.set(address, (load.perAddress.get(address) ?? 1) - 1);
      }
    },
  };
  return { kind, asked, aborted, load, set: (address, each) => answers.set(address, each) };
}

/** A job of the scripted kind, once a second, rise 2, fall 3. */
export function scriptedJob(
  vantage: string,
  address: string,
  more: Partial<MonitoringJob> = {},
): MonitoringJob {
  return {
    vantage,
    group: vantage,
    key: address,
    probe: 'scripted',
    options: {},
    target: { address, port: 80 },
    rules: { rise: 2, fall: 3, intervalMs: 1000, timeoutMs: 400, jitter: 0 },
    ...more,
  };
}
