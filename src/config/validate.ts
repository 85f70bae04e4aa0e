import { z } from 'zod';
import type { Places } from '../geo/places.ts';
import type { Config } from './config.ts';
import { type ConfigDocument, type Environment, readDocument, visiblePath } from './document.ts';
import { errorMapFor, explainIssues, type SchemaMeta } from './explain-issue.ts';
import {
  type ConfigIssue,
  type ConfigPath,
  type Finding,
  finding,
  formatPath,
  type Report,
} from './issue.ts';
import type { ZoneFiles } from './master-file.ts';
import { mergeShared, type SharedText } from './own-sections.ts';
import { createPlainZoneReader } from './plain-zone.ts';
import { checkReferences, type WrittenNames } from './references.ts';
import { resolveConfig } from './resolve.ts';
import { entityOf, type Salvaged, salvage } from './salvage.ts';
import { type ConfigFile, configFileSchema } from './schema.ts';
import { checkZones } from './zone-consistency.ts';
import { createZonePlaces, type ZonePlaces } from './zone-places.ts';
import type { MasterFiles } from './zone-records.ts';

/**
 * From the text of a configuration file to a Config, or to everything that is wrong with it.
 *
 *   text -> document (YAML, variables) -> schema -> resolve -> references, zones -> Config
 *
 * Each stage goes on with what the one before it could make sense of, so that a person sees all
 * problems at once: what the schema refuses is cut out (salvage.ts), the rest is checked.
 */
export type Validation =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigIssue[] }
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

/** More issues than this help nobody. */
export const ISSUES_MAX = 200;
/** Cutting something out can break what held it, once per level of the file at most. */
const SALVAGE_ROUNDS_MAX = 8;

/**
 * Validates the text of a file.
 * @param file its name, for messages only
 * @param environment for `${VAR}`; its HOSTNAME is the default of `node.name`
 * @param places what places in the file can be named by
 * @param zoneFiles the master files that zones may name
 */
export function validateConfig(
  text: string,
  file: string,
  environment: Environment,
  places: Places,
  zoneFiles: ZoneFiles = NO_ZONE_FILES,
): Validation {
  const document = readDocument(text, environment);
  return validateDocument(document, file, environment, places, zoneFiles);
}

const NO_ZONE_FILES: ZoneFiles = () => ({ message: 'zone files cannot be read here' });

/**
 * Validates this node's own sections of its file together with everything else as all nodes share it.
 * Problems are shown in the text that they are in.
 */
export function validateShared(
  ownText: string,
  file: string,
  shared: SharedText,
  environment: Environment,
  places: Places,
  zoneFiles: ZoneFiles = NO_ZONE_FILES,
): Validation {
  const document = mergeShared(ownText, shared, environment);
  return validateDocument(document, file, environment, places, zoneFiles);
}

function validateDocument(
  document: ConfigDocument,
  file: string,
  environment: Environment,
  places: Places,
  zoneFiles: ZoneFiles,
): Validation {
  const zonePlaces = createZonePlaces();
  const plain = createPlainZoneReader();
  const schemaFindings: Finding[] = [];
  const salvaged = readFile(document, schemaFindings);
  const errors: Finding[] = [...document.findings, ...schemaFindings];
  const warnings: Finding[] = [];
  let config: Config | undefined;
  if (salvaged) {
    const reporter = (list: Finding[]): Report => {
      return (path, message, hint, at) => {
        list.push(finding(salvaged.original(path), message, hint, at));
      };
    };
    config = check(
      salvaged.file,
      document,
      environment,
      places,
      { files: zoneFiles, places: zonePlaces, plain },
      reporter(errors),
      reporter(warnings),
      errors,
    );
  }
  if (config && errors.length === 0) {
    return { ok: true, config, warnings: place(warnings, document, zonePlaces, file) };
  }
  return { ok: false, issues: place(errors, document, zonePlaces, file).slice(0, ISSUES_MAX) };
}

function check(
  fileShape: ConfigFile,
  document: ConfigDocument,
  environment: Environment,
  places: Places,
  masters: MasterFiles,
  error: Report,
  warn: Report,
  errors: readonly Finding[],
): Config {
  const { config, zones } = resolveConfig(
    fileShape,
    environment['HOSTNAME'],
    places,
    masters,
    error,
    warn,
  );
  const written = writtenNames(document.value);
  const steered = zones.flatMap((zone) => zone.steered);
  checkReferences({ file: fileShape, config, written, steered, error, warn });
  // A zone with a refused record may lack just what its other records point to.
  const broken = new Set(errors.map(({ path }) => zoneIn(path)));
  checkZones(zones, config.pools, error, warn, ({ path }) => !broken.has(zoneIn(path)));
  return config;
}

/** Which zone a path leads into, as text. */
const zoneIn = (path: ConfigPath): string =>
  path.slice(0, path[0] === 'zoneFolders' ? 3 : 2).join(' ');

/** The file's shape, or of its sound parts; problems of the first reading go to `findings`. */
function readFile(
  document: ConfigDocument,
  findings: Finding[],
): (Salvaged & { readonly file: ConfigFile }) | undefined {
  if (document.value === undefined) return undefined;
  const known = document.findings.map(({ path }) => formatPath(path));
  const cuts: ConfigPath[] = [];
  for (let round = 0; round < SALVAGE_ROUNDS_MAX; round++) {
    const salvaged = salvage(document.value, cuts);
    const result = configFileSchema.safeParse(salvaged.value, { error: errorMap });
    if (result.success) return { ...salvaged, file: result.data };
    const found = explainIssues(result.error.issues, salvaged.value).map((one) => ({
      ...one,
      path: salvaged.original(one.path),
    }));
    if (round === 0)
      findings.push(...found.filter(({ path }) => !isBelow(formatPath(path), known)));
    const entities = found.map(entityOf);
    if (entities.some((path) => path.length === 0)) return undefined;
    cuts.push(...entities);
  }
  return undefined;
}

const errorMap = errorMapFor((schema) => z.globalRegistry.get(schema) as SchemaMeta | undefined);

/** A value that the document could not read must not be complained about again. */
function isBelow(path: string, known: readonly string[]): boolean {
  return known.some((one) => path === one || path.startsWith(`${one}.`));
}

function writtenNames(value: unknown): WrittenNames {
  const keys = (parent: unknown, key: string): ReadonlySet<string> => {
    const entry = (parent as Record<string, unknown> | undefined)?.[key];
    return new Set(typeof entry === 'object' && entry !== null ? Object.keys(entry) : []);
  };
  return {
    regions: keys(value, 'regions'),
    monitors: keys(value, 'monitors'),
    monitorGroups: keys(value, 'monitorGroups'),
    pools: keys(value, 'pools'),
    policies: keys(value, 'policies'),
    upstreams: keys((value as Record<string, unknown>)['balancer'], 'upstreams'),
  };
}

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** Findings with their positions, in the order of the file. */
function place(
  findings: readonly Finding[],
  document: ConfigDocument,
  places: ZonePlaces,
  file: string,
): readonly ConfigIssue[] {
  const issues = findings.map(({ path, at, message, hint }): ConfigIssue => {
    const position = places.locate(path) ?? document.locate(path, at);
    const shown = formatPath(visiblePath(path));
    return { file, ...position, path: shown, message, ...(hint === undefined ? {} : { hint }) };
  });
  // The file itself first, then others by name.
  const order = (issue: ConfigIssue): string => (issue.file === file ? '' : issue.file);
  return issues.sort(
    (a, b) => compareText(order(a), order(b)) || a.line - b.line || a.column - b.column,
  );
}
