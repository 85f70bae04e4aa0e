import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeProblem } from '../../src/node/run-node.ts';
import { type NodeOptions, type RunningNode, startNode } from '../../src/node/start-node.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { shareCompiledCode } from './compile-cache.ts';

/** A whole node on real sockets in this process, from a configuration that a test writes. */
export type NodeFixture = {
  readonly node: RunningNode;
  /** The configuration file, for tests that change it and reload. */
  readonly file: string;
  readonly directory: string;
  /** Stops the node and removes the directory; again does nothing. */
  stop(): Promise<void>;
};

/** `config` is what the YAML file says, as a value or as text; throws with the node's own words. */
export async function startNodeFixture(
  config: string | Readonly<Record<string, unknown>>,
  options: Partial<NodeOptions> = {},
  /** Further files beside the configuration, by name. */
  files: Readonly<Record<string, string>> = {},
): Promise<NodeFixture> {
  shareCompiledCode();
  const directory = mkdtempSync(join(tmpdir(), 'meridian-test-'));
  const file = join(directory, 'meridian.yaml');
  // JSON is YAML.
  const text = typeof config === 'string' ? config : JSON.stringify(served(config), undefined, 2);
  writeFileSync(file, text);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const log = createLog('silent');
  const started = await startNode({ file, environment: {}, log, version: 'test', ...options });
  if (!started.ok) {
    rmSync(directory, { recursive: true });
    throw new Error(describeProblem(started.problem));
  }
  const { node } = started;
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= node.stop(0).then(() => rmSync(directory, { recursive: true }));
    return stopped;
  };
  return { node, file, directory, stop };
}

/** Its balancer serves at once: what a test waits for is something else. */
function served(config: Readonly<Record<string, unknown>>): unknown {
  const { balancer } = config;
  return balancer === undefined ? config : { ...config, balancer: { warmUp: '0s', ...balancer } };
}
