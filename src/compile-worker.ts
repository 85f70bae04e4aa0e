import { parentPort } from 'node:worker_threads';
import { withOverlays, withoutBlamed, type ZoneOverlay } from './config/overlay.ts';
import { buildGeoTable } from './geo/mmdb.ts';
import type { PrefixTable } from './ip/prefix-table.ts';
import { type Compiled, compileSnapshot } from './nameserver/compile.ts';
import type { CompileRequest, CompileResult } from './workers/compile-messages.ts';
import { createProgress } from './workers/compile-progress.ts';
import { createGeoFiles, readCentroids } from './workers/geo-files.ts';

/** The compile worker's thread: configuration and geo files in, snapshots out, one at a time. */
const geoFiles = createGeoFiles();
/** For configurations of the past that have other geo data than the present one. */
const pastGeoFiles = createGeoFiles();
const centroids = readCentroids();
/** The last good one; whether it came to be served does not matter to the next. */
let last: (Compiled & { readonly geoTable: PrefixTable }) | undefined;
let lastGeoConfig = '';

parentPort?.on('message', (message: { readonly type: string }) => {
  if (message.type === 'stop') process.exit(0);
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
    return compile(request, JSON.stringify(request.config.geo) === lastGeoConfig);
  } catch (error) {
    // Written by another version, it may lack what this one reads.
    return { ok: false, reasons: [String(error)] };
  } finally {
    last = before;
    lastGeoConfig = geoConfig;
  }
}

function compile(
  { config: written, generation, overlays = [], revision }: CompileRequest,
  isPresentGeo = true,
): CompileResult {
  const startedMs = performance.now();
  const progress = createProgress(
    (message) => parentPort?.postMessage(message),
    () => performance.now(),
  );
  const loaded = (isPresentGeo ? geoFiles : pastGeoFiles).load(written.geo, centroids, progress);
  if (!loaded.ok) return { ok: false, reasons: [`No geo database: ${loaded.reason}`] };
  const attempt = (some: readonly ZoneOverlay[]) =>
    compileSnapshot(withOverlays(written, some), loaded.geo, generation, revision, last, progress);
  let compiled = attempt(overlays);
  let leftOut: readonly string[] = [];
  if (!compiled.ok) {
    const reasons = compiled.issues.map(({ path, message }) => `${path}: ${message}`);
    const fewer = withoutBlamed(overlays, compiled.issues);
    if (fewer !== undefined) compiled = attempt(fewer);
    if (!compiled.ok) return { ok: false, reasons };
    leftOut = reasons;
  }
  const { geo } = loaded;
  const geoTable = last?.geo === geo ? last.geoTable : buildGeoTable(geo);
  last = { snapshot: compiled.snapshot, geo, geoTable };
  lastGeoConfig = JSON.stringify(written.geo);
  return {
    ok: true,
    snapshot: compiled.snapshot,
    geo,
    geoTable,
    warnings: loaded.warnings,
    leftOut,
    elapsedMs: performance.now() - startedMs,
  };
}
