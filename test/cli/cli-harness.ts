import type { TestContext } from 'node:test';
import { explainRequestIn } from '../../src/balancer/explain-config.ts';
import type { CliIo, Handlers } from '../../src/cli/io.ts';
import { runCli } from '../../src/cli/program.ts';
import { openAdmin } from '../admin/admin-harness.ts';
import { createFixturePlane, type FixturePlane, STARTED_AT_MS } from '../admin/fixture-plane.ts';

/** The CLI in this process against a real admin API before the fixture plane, with its output captured. */
export type CliHarness = {
  readonly plane: FixturePlane;
  readonly url: string;
  /** What the handlers of `run`, `quickstart` and `origin` were called with. */
  readonly handled: unknown[];
  run(...argv: readonly string[]): Promise<CliResult>;
  /** As `run`, with some of the world replaced. */
  runIn(io: Partial<CliIo>, ...argv: readonly string[]): Promise<CliResult>;
};
export type CliResult = { readonly code: number; readonly stdout: string; readonly stderr: string };

export async function openCli(t: TestContext, tokens: readonly string[] = []): Promise<CliHarness> {
  const plane = createFixturePlane();
  const { admin } = await openAdmin(t, { plane, tokens });
  const handled: unknown[] = [];
  const handle = (name: string) => async (options: unknown) => {
    handled.push([name, options]);
    return 0;
  };
  const handlers: Handlers = {
    run: handle('run'),
    quickstart: handle('quickstart'),
    origin: handle('origin'),
    explainRequest: (config, question) =>
      explainRequestIn(config, question, () => undefined, { nowMs: 0, memoryOf: () => undefined }),
  };
  const runIn = async (io: Partial<CliIo>, ...argv: readonly string[]): Promise<CliResult> => {
    const captured = { stdout: '', stderr: '' };
    const into = (stream: 'stdout' | 'stderr') => ({
      write(text: string) {
        captured[stream] += text;
      },
    });
    const world: CliIo = {
      stdout: into('stdout'),
      stderr: into('stderr'),
      env: { MERIDIAN_ADMIN: admin.url, USER: 'alice' },
      isTTY: false,
      nowMs: () => STARTED_AT_MS + 3_600_000,
      async sleep(ms) {
        plane.advance(ms); // Time passes only when a command waits.
      },
      confirm: async () => {
        throw new Error('nothing may be asked');
      },
      onInterrupt: () => () => {},
      size: () => ({ columns: 120, rows: 40 }),
      onResize: () => () => {},
      onKey: () => () => {},
      readFile: async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOENT' })),
      ...io,
    };
    const code = await runCli(argv, world, handlers);
    return { code, ...captured };
  };
  return { plane, url: admin.url, handled, runIn, run: (...argv) => runIn({}, ...argv) };
}

/** An interrupt key: `press` calls back whoever listens. */
export function interruptKey(): { readonly onInterrupt: CliIo['onInterrupt']; press(): void } {
  const callbacks = new Set<() => void>();
  return {
    onInterrupt(callback) {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
    press() {
      for (const callback of callbacks) callback();
    },
  };
}
