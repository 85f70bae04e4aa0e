import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Config, Role, ZoneConfig } from '../config/config.ts';
import type { ConfigIssue } from '../config/issue.ts';
import { followsShared, type SharedText } from '../config/own-sections.ts';
import { rereadPlainZone } from '../config/reread-zone.ts';
import { upstreamsReached } from '../config/route-upstreams.ts';
import { type Validation, validateConfig, validateShared } from '../config/validate.ts';
import { readPlaces } from '../workers/geo-files.ts';
import { placeKeyFolders } from '../workers/key-folders.ts';
import { openZoneFiles } from '../workers/zone-files.ts';

/** A configuration file as this node is to run it: validated, then narrowed by the command line. */
export type ConfigSource = {
  readonly file: string;
  /** Instead of the file's roles. */
  readonly roles?: readonly Role[] | undefined;
  /** The region that this node stands in: its balancer serves only that region's listeners. */
  readonly region?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** A configuration that all nodes share, as text. */
export type SharedRevision = {
  readonly revision: number;
  readonly text: string;
  readonly by: string;
};

export type LoadedConfig =
  | {
      readonly ok: true;
      readonly config: Config;
      /** Of the shared configuration; 0 = all of it is the file's. */
      readonly revision: number;
      readonly warnings: readonly ConfigIssue[];
    }
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

/**
 * Reads the file, and validates it.
 * @param shared takes the place of all but the node's own sections, when the file says that it may
 */
export function loadConfig(source: ConfigSource, shared?: SharedRevision): LoadedConfig {
  const read = readOwn(source);
  if (!read.ok) return read;
  const { environment, text } = read;
  if (shared !== undefined && followsShared(text, environment)) {
    const common = { text: shared.text, name: revisionName(shared.revision) };
    return finish(validateWith(read, source, common), source, shared.revision);
  }
  const zoneFiles = openZoneFiles(source.file);
  const own = validateConfig(text, source.file, environment, readPlaces(), zoneFiles);
  return finish(own, source, 0);
}

/**
 * One zone as its file says now, of a configuration that is served: in time in proportion to that file.
 * Undefined = it takes a look at all, be it to say what is wrong.
 */
export function loadZone(
  source: ConfigSource,
  config: Config,
  zone: string,
): ZoneConfig | undefined {
  const read = readOwn(source);
  if (!read.ok || followsShared(read.text, read.environment)) return undefined;
  return rereadPlainZone(read.text, read.environment, openZoneFiles(source.file), config, zone);
}

/** What this text would be here, were it the configuration that the nodes share. */
export function checkShared(source: ConfigSource, common: SharedText): LoadedConfig {
  const read = readOwn(source);
  return read.ok ? finish(validateWith(read, source, common), source, 0) : read;
}

type OwnText = { readonly text: string; readonly environment: ConfigSource['environment'] };

function readOwn(
  source: ConfigSource,
):
  | ({ readonly ok: true } & OwnText)
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] } {
  try {
    const text = readFileSync(source.file, 'utf8');
    return { ok: true, text, environment: { HOSTNAME: hostname(), ...source.environment } };
  } catch (error) {
    return { ok: false, issues: [unreadable(source.file, error as NodeJS.ErrnoException)] };
  }
}

function validateWith(own: OwnText, { file }: ConfigSource, common: SharedText): Validation {
  const zoneFiles = openZoneFiles(file);
  return validateShared(own.text, file, common, own.environment, readPlaces(), zoneFiles);
}

function finish(validation: Validation, source: ConfigSource, revision: number): LoadedConfig {
  if (!validation.ok) return validation;
  const problem = checkRegion(validation.config, source);
  if (problem) return { ok: false, issues: [problem] };
  const placed = placeKeyFolders(validation.config, source.file);
  const warnings = [...validation.warnings, ...placed.warnings];
  return { ok: true, config: narrow(placed.config, source), warnings, revision };
}

/** How messages call a revision, in the place of a file's name. */
export function revisionName(revision: number): string {
  return `revision ${revision}`;
}

/** Leaves what is answered as it is, and takes away what this node does not run. */
function narrow(config: Config, { region, roles }: ConfigSource): Config {
  const node = { ...config.node, roles: roles ?? config.node.roles };
  if (region === undefined) return { ...config, node };
  const vantages = node.vantages.filter((vantage) => vantage.region === region);
  const listeners = config.balancer.listeners.filter((listener) => listener.region === region);
  const used = new Set(listeners.flatMap(({ routes }) => routes.flatMap(upstreamsReached)));
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
