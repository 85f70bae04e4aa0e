/** What the report of the map reads: configurations with their geo data, and latency maps; from files alone. */
import { readFileSync } from 'node:fs';
import type { LatencyLayer } from '../clients/latency-layer.ts';
import type { Config } from '../config/config.ts';
import type { GeoDatabase } from '../geo/database.ts';
import type { MapWorld } from '../steering/map-chart.ts';
import { validateFile, whyUnreadable } from './config-file.ts';
import { CliExit, EXIT_CONFIG, EXIT_NO } from './exit.ts';
import type { CliIo } from './io.ts';
import type { MapSide } from './map-groups.ts';

export type SideFiles = {
  readonly config: string;
  /** Instead of those that the configuration names. */
  readonly databases?: readonly string[] | undefined;
  /** A latency map; absent = nothing was measured. */
  readonly latency?: string | undefined;
};

/** What is told of a side. */
export type SideFacts = {
  readonly file: string;
  readonly geo: Pick<GeoDatabase, 'attribution' | 'builtAtMs' | 'description' | 'networks'>;
  readonly latency?: Pick<LatencyLayer, 'generation' | 'madeAtMs'> & { readonly networks: number };
};

export type LoadedSide = MapSide & { readonly facts: SideFacts };

/** Reads sides one after the other: what two of them are made of is read and laid out once. */
export async function createSideReader(
  io: CliIo,
): Promise<(files: SideFiles) => Promise<LoadedSide>> {
  const [{ createGeoFiles, readPlaces }, { createMapWorld }, { layerWithWays }, maps] =
    await Promise.all([
      import('../workers/geo-files.ts'),
      import('../steering/map-chart.ts'),
      import('../clients/latency-layer.ts'),
      import('../clients/latency-map.ts'),
    ]);
  const geoFiles = createGeoFiles();
  const places = readPlaces();
  const layerOf = (file: string): LatencyLayer => {
    const read = maps.decodeLatencyMap(bytesOf(file));
    if (read.ok) return layerWithWays(read.map);
    throw new CliExit(EXIT_NO, `${file} cannot be used: ${read.reason}.`, LATENCY_HINT);
  };
  const layers = new Map<string, LatencyLayer>();
  const worlds: { readonly world: MapWorld; readonly layer: LatencyLayer | undefined }[] = [];
  const worldOf = (geo: GeoDatabase, layer: LatencyLayer | undefined): MapWorld => {
    const known = worlds.find((each) => each.world.geo === geo && each.layer === layer);
    if (known !== undefined) return known.world;
    const world = createMapWorld(geo, layer);
    worlds.push({ world, layer });
    return world;
  };
  return async ({ config: file, databases, latency }) => {
    const config = await configOf(io, file);
    const sources = { ...config.geo, ...(databases && { databases }) };
    const loaded = geoFiles.load(sources, places);
    if (!loaded.ok) throw new CliExit(EXIT_NO, `There are no geo data. ${loaded.reason}`, GEO_HINT);
    for (const warning of loaded.warnings) io.stderr.write(`warning: ${warning}\n`);
    const layer = latency === undefined ? undefined : (layers.get(latency) ?? layerOf(latency));
    if (latency !== undefined && layer !== undefined) layers.set(latency, layer);
    return {
      config,
      world: worldOf(loaded.geo, layer),
      facts: factsOf(file, loaded.geo, layer),
    };
  };
}

const GEO_HINT = 'Name files that are there in geo.databases; "built-in" comes with the program.';
const LATENCY_HINT = 'A node keeps its latency map as latency-map.bin in its node.stateDirectory.';

async function configOf(io: CliIo, file: string): Promise<Config> {
  const result = await validateFile(io, file);
  if (result.ok) return result.config;
  throw new CliExit(EXIT_CONFIG, `${file} is not valid.`, undefined, result.issues);
}

function bytesOf(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CliExit(EXIT_NO, `${file} cannot be read: ${whyUnreadable(error)}.`, LATENCY_HINT);
  }
}

function factsOf(file: string, geo: GeoDatabase, layer: LatencyLayer | undefined): SideFacts {
  const { attribution, builtAtMs, description, networks } = geo;
  const facts = { file, geo: { description, builtAtMs, networks, attribution } };
  if (layer === undefined) return facts;
  const { generation, madeAtMs, networks: measured } = layer;
  return { ...facts, latency: { generation, madeAtMs, networks: measured.length } };
}
