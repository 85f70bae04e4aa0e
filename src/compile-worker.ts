import { randomInt } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { Config } from './config/config.ts';
import { withOverlays, withoutBlamed, type ZoneOverlay } from './config/overlay.ts';

import type { GeoDatabase } from './geo/database.ts';
import { type Compiled, compileSnapshot } from './nameserver/compile.ts';
import { geoObjection } from './nameserver/geo-guard.ts';
import { replaceZones } from './nameserver/replace-zones.ts';
import type { Snapshot } from './nameserver/snapshot.ts';
import { weightOf } from './nameserver/snapshot-weight.ts';
import type {
  CompileRequest,
  CompileResult,
  ReplaceRequest,
  ReplaceResult,
} from './workers/compile-messages.ts';
import { createProgress } from './workers/compile-progress.ts';
import { createGeoFiles, readPlaces } from './workers/geo-files.ts';
import { weigh } from './workers/weight.ts';
import { createZoneCompiler } from './zone/compile.ts';
import { numberMemoriesFrom } from './zone/table-store.ts';

/** The compile worker's thread: configuration and geo files in, snapshots out, one at a time. */

/** Numbers begin anywhere below: what a thread has numbered that died is not taken for what this one reads. */
const NUMBERS_MAX = 2 ** 47;
const geoFiles = createGeoFiles(randomInt(NUMBERS_MAX));
/** For configurations of the past that have other geo data than the present one. */
const pastGeoFiles = createGeoFiles(randomInt(NUMBERS_MAX));
const knownPlaces = readPlaces();
/** The last good one; whether it came to be served does not matter to the next. */
let last: Compiled | undefined;
let lastGeoConfig = '';
/** They came by themselves and are not taken. */
let refusedGeo: GeoDatabase | undefined;
numberMemoriesFrom(randomInt(NUMBERS_MAX));
const zoneCompiler = createZoneCompiler();
/** Of each zone its place among those of the last configuration that was compiled to be served. */
let places: ReadonlyMap<string, number> = new Map();

parentPort?.on('message', (message: { readonly type: string }) => {
  if (message.type === 'stop') process.exit(0);
  if (message.type === 'replace') {
    const request = message as ReplaceRequest;
    const result = replace(request);
    parentPort?.postMessage({ type: 'replaced', id: request.id, result });
  }
  if (message.type !== 'compile') return;
  const request = message as CompileRequest;
  const result = request.isPast === true ? compilePast(request) : compile(request);
  parentPort?.postMessage({ type: 'compiled', id: request.id, result });
});
parentPort?.postMessage({ type: 'ready', engine: 'compile' });

/** Changes nothing of what the next configuration is compiled from. */
function compilePast(request: CompileRequest): CompileResult {
  const [before, geoConfig] = [last, lastGeoConfig];
  try {
    const isPresentGeo = JSON.stringify(request.config.geo) === lastGeoConfig;
    return compile(request, isPresentGeo, createZoneCompiler());
  } catch (error) {
    // Written by another version, it may lack what this one reads.
    return { ok: false, reasons: [String(error)] };
  } finally {
    last = before;
    lastGeoConfig = geoConfig;
  }
}

function compile(
  {
    config: written,
    generation,
    isUnasked = false,
    latency,
    overlays = [],
    revision,
  }: CompileRequest,
  isPresentGeo = true,
  compiler = zoneCompiler,
): CompileResult {
  const startedMs = performance.now();
  const progress = createProgress(
    (message) => parentPort?.postMessage(message),
    () => performance.now(),
  );
  const loaded = (isPresentGeo ? geoFiles : pastGeoFiles).load(written.geo, knownPlaces, progress);
  if (!loaded.ok) return { ok: false, reasons: [`No geo database: ${loaded.reason}`] };
  const attempt = (some: readonly ZoneOverlay[], geo: GeoDatabase) =>
    compileSnapshot(
      withOverlays(written, some),
      geo,
      generation,
      revision,
      last,
      compiler,
      progress,
      latency,
    );
  if (compiler === zoneCompiler) places = new Map();
  const isGuarded =
    isUnasked && last !== undefined && JSON.stringify(written.geo) === lastGeoConfig;
  let geo = isGuarded && loaded.geo === refusedGeo ? last!.geo : loaded.geo;
  let made = attemptAll(overlays, (some) => attempt(some, geo));
  if (!made.ok) return made;
  let geoRefused: string | undefined;
  if (isGuarded && geo !== last!.geo) {
    geoRefused = geoObjection(last!, { snapshot: made.snapshot, geo });
    if (geoRefused !== undefined) {
      refusedGeo = geo;
      geo = last!.geo;
      made = attemptAll(overlays, (some) => attempt(some, geo));
      if (!made.ok) return made;
    }
  }
  if (geo === loaded.geo) refusedGeo = undefined;
  const compiled = made;
  const { leftOut } = made;
  last = { snapshot: compiled.snapshot, geo };
  weigh(last, weightOf(compiled.snapshot));
  lastGeoConfig = JSON.stringify(written.geo);
  if (compiler === zoneCompiler) places = placesOf(written);
  return {
    ok: true,
    snapshot: compiled.snapshot,
    geo,
    latency,
    warnings: loaded.warnings,
    geoRefused,
    leftOut,
    elapsedMs: performance.now() - startedMs,
  };
}

type Attempt =
  | { readonly ok: true; readonly snapshot: Snapshot; readonly leftOut: readonly string[] }
  | { readonly ok: false; readonly reasons: readonly string[] };

/** Without what keeps the rest from being served, if that will do. */
function attemptAll(
  overlays: readonly ZoneOverlay[],
  attempt: (some: readonly ZoneOverlay[]) => ReturnType<typeof compileSnapshot>,
): Attempt {
  const compiled = attempt(overlays);
  if (compiled.ok) return { ok: true, snapshot: compiled.snapshot, leftOut: [] };
  const reasons = compiled.issues.map(({ path, message }) => `${path}: ${message}`);
  const fewer = withoutBlamed(overlays, compiled.issues);
  const rest = fewer && attempt(fewer);
  if (!rest?.ok) return { ok: false, reasons };
  return { ok: true, snapshot: rest.snapshot, leftOut: reasons };
}

/** Of a node that serves no zones there are none. */
function placesOf({ zones }: Config): ReadonlyMap<string, number> {
  return new Map(Object.keys(zones).map((name, place) => [name, place]));
}

function replace({ base, generation, zones }: ReplaceRequest): ReplaceResult {
  if (last === undefined || last.snapshot.generation !== base) return { kind: 'whole' };
  const changed = new Map(zones.map((each) => [places.get(each[0]) ?? -1, each]));
  if (changed.has(-1)) return { kind: 'whole' };
  const compiled = replaceZones(zoneCompiler, last.snapshot, changed);
  if (compiled === undefined) return { kind: 'whole' };
  if (!compiled.ok) {
    const reasons = compiled.issues.map(({ path, message }) => `${path}: ${message}`);
    return { kind: 'refused', reasons };
  }
  last = { ...last, snapshot: { ...last.snapshot, generation, zones: compiled.table } };
  weigh(last, weightOf(last.snapshot));
  return { kind: 'replaced', table: compiled.table };
}
