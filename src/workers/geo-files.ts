import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { networkSites, SITE_NETWORKS_MAX } from '../clients/network-sites.ts';
import type { GeoConfig } from '../config/geo-config.ts';
import { parseCentroids } from '../geo/centroids.ts';
import { parseCloudRegions } from '../geo/cloud-regions.ts';
import { composeGeo, type GeoDatabase, type OpenGeoResult } from '../geo/database.ts';
import { openGeo } from '../geo/mmdb.ts';
import { openNetworks } from '../geo/networks.ts';
import { isPack, readPack } from '../geo/pack.ts';
import type { Places } from '../geo/places.ts';
import { openResolvers } from '../geo/resolvers.ts';
import type { Progress } from './compile-progress.ts';

/**
 * Geo databases from disk. A file that cannot be opened never takes the place of one that could: the
 * last good content of each path is kept, and the reason is a warning.
 */
export type GeoFiles = {
  /**
   * Reads what changed since the last call. When nothing did, `geo` is the same object as before.
   * Without any readable database the result is a reason.
   */
  load(config: GeoSources, places: Places, progress?: Progress): GeoLoad;
};

export type GeoSources = Pick<GeoConfig, 'databases' | 'overrides' | 'resolvers'>;

export type GeoLoad =
  | { readonly ok: true; readonly geo: GeoDatabase; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly reason: string };

/** What the last call put together, and of what. */
type Composed = {
  readonly parts: readonly GeoDatabase[];
  readonly key: string;
  readonly geo: GeoDatabase;
  /** Of more networks in sites than there is room for. */
  readonly isCutOff: boolean;
};

type Kept = { readonly version: string; readonly geo: GeoDatabase };

type Opened = {
  readonly kept: Kept | undefined;
  /** Why there is nothing new. */
  readonly reason?: string;
  /** What is left out of what is new; told once. */
  readonly warning?: string;
};

const TOO_MANY_SITES = `geo.resolvers have more than ${SITE_NETWORKS_MAX} IPv4 /24s and IPv6 /48s: those behind them are not pooled by site.`;

/** Instead of a path: what comes with the program. */
const BUILT_IN = 'built-in';

function builtInPath(): string {
  return fileURLToPath(new URL('../../geo/places.pack', import.meta.url));
}

/** The places that the program comes with. */
export function readPlaces(): Places {
  const read = (name: string): unknown => {
    return JSON.parse(readFileSync(new URL(`../../geo/${name}`, import.meta.url), 'utf8'));
  };
  const cloudRegions = parseCloudRegions(read('cloud-regions.json'));
  return { ...parseCentroids(read('centroids.json')), cloudRegions };
}

/** Paths that a configuration reads. */
export function geoPaths({ databases, resolvers }: GeoSources): readonly string[] {
  return [...resolvers, ...databasePaths(databases)];
}

function databasePaths(databases: readonly string[]): readonly string[] {
  const paths = databases.length > 0 ? databases : [BUILT_IN];
  return paths.map((path) => (path === BUILT_IN ? builtInPath() : path));
}

/** Changes when the file is replaced or rewritten; empty when it is not there. */
export function fileVersion(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return '';
  }
}

/** @param edition of the first data that are put together; those after it count up */
export function createGeoFiles(edition = 1): GeoFiles {
  let next = edition;
  const kept = new Map<string, Kept>();
  let last: Composed | undefined;
  const compose = (parts: readonly GeoDatabase[], { overrides }: GeoSources): Composed => {
    const key = JSON.stringify(overrides);
    const isSame = last?.key === key && last.parts.length === parts.length;
    if (last && isSame && parts.every((part, i) => part === last?.parts[i])) return last;
    const geo = { ...composeGeo(parts, overrides), edition: next };
    next += 1;
    last = { parts, key, geo, isCutOff: networkSites(geo.sites).isCutOff };
    return last;
  };
  return {
    load(config, places, progress = () => {}) {
      const warnings: string[] = [];
      const databases: GeoDatabase[] = [];
      const resolvers: GeoDatabase[] = [];
      const take = (path: string, isOfResolvers = false): void => {
        const key = JSON.stringify([path, isOfResolvers]);
        const from = { path, isOfResolvers, places, progress };
        const opened = open(from, kept.get(key));
        if (opened.kept) {
          kept.set(key, opened.kept);
          (isOfResolvers ? resolvers : databases).push(opened.kept.geo);
        }
        if (opened.reason !== undefined) {
          const consequence = opened.kept
            ? 'The last good content stays in use.'
            : 'It is left out.';
          warnings.push(`${path}: ${opened.reason}. ${consequence}`);
        }
        if (opened.warning !== undefined) warnings.push(`${path}: ${opened.warning}.`);
      };
      for (const path of config.resolvers) take(path, true);
      for (const path of databasePaths(config.databases)) take(path);
      // Systems without places: nobody means that nothing is to be near.
      if (databases.length > 0 && !databases.some(knowsPlaces)) take(builtInPath());
      if (databases.length === 0) return { ok: false, reason: warnings.join(' ') };
      progress('putting geo databases together', 0);
      const { geo, isCutOff } = compose([...resolvers, ...databases], config);
      if (isCutOff) warnings.push(TOO_MANY_SITES);
      return { ok: true, geo, warnings };
    },
  };
}

const knowsPlaces = ({ locations }: GeoDatabase): boolean => locations.length > 1;

/** Files of networks in text; all others are .mmdb. */
const NETWORKS_SUFFIX = '.csv';

type OpenedFrom = {
  readonly path: string;
  readonly isOfResolvers: boolean;
  readonly places: Places;
  readonly progress: Progress;
};

function open(from: OpenedFrom, before: Kept | undefined): Opened {
  const version = fileVersion(from.path);
  if (before && before.version === version) return { kept: before };
  try {
    const opened = read(from);
    if (opened.ok) {
      const { geo, warning } = opened;
      return { kept: { version, geo }, ...(warning !== undefined && { warning }) };
    }
    return { kept: before, reason: opened.reason };
  } catch (error) {
    return { kept: before, reason: `cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
}

function read({ isOfResolvers, path, places, progress }: OpenedFrom): OpenGeoResult {
  const bytes = readFileSync(path);
  if (isOfResolvers) return openResolvers(bytes, places, statSync(path).mtimeMs);
  if (path.endsWith(NETWORKS_SUFFIX)) return openNetworks(bytes, places, statSync(path).mtimeMs);
  if (isPack(bytes)) return readPack(bytes, places);
  return openGeo(bytes, places, (share) => progress(`reading ${path}`, share));
}
