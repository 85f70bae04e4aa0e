import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Config, Role } from '../config/config.ts';
import type { ConfigIssue } from '../config/issue.ts';
import { validateConfig } from '../config/validate.ts';
import { readCentroids } from '../workers/geo-files.ts';

/** A configuration file as this node is to run it: validated, then narrowed by the command line. */
export type ConfigSource = {
  readonly file: string;
  /** Instead of the file's roles. */
  readonly roles?: readonly Role[] | undefined;
  /** The region that this node stands in: its balancer serves only that region's listeners. */
  readonly region?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

export type LoadedConfig =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigIssue[] }
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

export function loadConfig(source: ConfigSource): LoadedConfig {
  let text: string;
  try {
    text = readFileSync(source.file, 'utf8');
  } catch (error) {
    return { ok: false, issues: [unreadable(source.file, error as NodeJS.ErrnoException)] };
  }
  const environment = { HOSTNAME: hostname(), ...source.environment };
  const validation = validateConfig(text, source.file, environment, readCentroids());
  if (!validation.ok) return validation;
  const problem = checkRegion(validation.config, source);
  if (problem) return { ok: false, issues: [problem] };
  return { ...validation, config: narrow(validation.config, source) };
}

/** Leaves what is answered as it is, and takes away what this node does not run. */
function narrow(config: Config, { region, roles }: ConfigSource): Config {
  const node = { ...config.node, roles: roles ?? config.node.roles };
  if (region === undefined) return { ...config, node };
  const vantages = node.vantages.filter((vantage) => vantage.region === region);
  const listeners = config.balancer.listeners.filter((listener) => listener.region === region);
  const used = new Set(listeners.flatMap(({ routes }) => routes.map(({ upstream }) => upstream)));
  const upstreams = Object.fromEntries(
    Object.entries(config.balancer.upstreams).filter(([name]) => used.has(name)),
  );
  return {
    ...config,
    node: { ...node, vantages: vantages.length > 0 ? vantages : node.vantages },
    balancer: { ...config.balancer, listeners, upstreams },
  };
}

function checkRegion(config: Config, { file, region }: ConfigSource): ConfigIssue | undefined {
  if (region === undefined || Object.hasOwn(config.regions, region)) return undefined;
  return {
    file,
    line: 1,
    column: 1,
    path: 'regions',
    message: `there is no region "${region}"`,
    hint: `--region is one of ${Object.keys(config.regions).join(', ')}`,
  };
}

function unreadable(file: string, { code }: NodeJS.ErrnoException): ConfigIssue {
  const missing = code === 'ENOENT';
  return {
    file,
    line: 1,
    column: 1,
    path: '',
    message: missing ? 'there is no such file' : `the file cannot be read (${code})`,
    hint: missing
      ? 'give one with --config FILE; config/quickstart.yaml is an example'
      : 'check its permissions',
  };
}
