import { z } from 'zod';

/**
 * The record's lines: what this node served with, one JSON value a line. A `serving` entry is complete
 * in itself, so reading begins at the last one before an instant and goes on through the `health`
 * entries after it. Endpoints and regions go by their names: indexes mean something else after every
 * reload.
 */
export type ServingEntry = {
  readonly kind: 'serving';
  readonly atMs: number;
  readonly node: string;
  readonly generation: number;
  readonly revision: number;
  /** SHA-256 of the steering part of the configuration. */
  readonly config: string;
  readonly geo: GeoMark;
  /** Every endpoint. */
  readonly health: readonly EndpointRow[];
  readonly near: readonly NearRow[];
};

export type HealthEntry = {
  readonly kind: 'health';
  readonly atMs: number;
  /** Those that changed. */
  readonly health: readonly EndpointRow[];
  /** All of them; absent = as before. */
  readonly near?: readonly NearRow[] | undefined;
  /** Health changed faster than is written: what was between this entry and the last is not known. */
  readonly coarse?: true | undefined;
};

/** The node was there. */
export type AliveEntry = { readonly kind: 'alive'; readonly atMs: number };

export type JournalEntry = ServingEntry | HealthEntry | AliveEntry;

/** What tells one geo database from another. */
export type GeoMark = {
  readonly description: string;
  readonly builtAtMs: number;
  readonly networks: number;
};

/** Name, health word, and who said so; a row without a state has the state and reason of before. */
export type EndpointRow =
  | readonly [name: string, word: number]
  | readonly [name: string, word: number, state: string, reason: string];
/** How clients near a region see an endpoint. */
export type NearRow = readonly [
  region: string,
  name: string,
  word: number,
  state: string,
  reason: string,
];

/** What was served with at an instant. */
export type Moment = Pick<ServingEntry, 'node' | 'generation' | 'revision' | 'config' | 'geo'> & {
  readonly endpoints: ReadonlyMap<string, Known>;
  readonly near: readonly NearRow[];
  /** The last line before the instant: a sign of life. */
  readonly lastMs: number;
  /** Lines between the last complete entry and the instant that could not be read. */
  readonly damaged: number;
  /** Health changed faster around the instant than is written. */
  readonly isCoarse: boolean;
};
export type Known = { readonly word: number; readonly state: string; readonly reason: string };

/** The entry of a line; undefined when it is none, as the last line of a process that was killed. */
export function parseEntry(line: string): JournalEntry | undefined {
  try {
    return entrySchema.safeParse(JSON.parse(line)).data;
  } catch {
    // Not JSON: a torn line.
    return undefined;
  }
}

/**
 * The state at an instant, from the lines of a segment in their order. Of entries with the same time
 * all count. Undefined when no complete entry comes before it.
 */
export function momentAt(lines: Iterable<string>, atMs: number): Moment | undefined {
  let serving: ServingEntry | undefined;
  let near: readonly NearRow[] = [];
  let endpoints = new Map<string, Known>();
  let lastMs = 0;
  let damaged = 0;
  let isCoarse = false;
  for (const line of lines) {
    const entry = parseEntry(line);
    if (entry === undefined) {
      damaged += 1;
      continue;
    }
    if (entry.atMs > atMs) {
      if (entry.kind === 'alive') continue;
      isCoarse = entry.kind === 'health' && entry.coarse === true;
      break;
    }
    lastMs = Math.max(lastMs, entry.atMs);
    if (entry.kind === 'alive') continue;
    if (entry.kind === 'serving') {
      serving = entry;
      endpoints = new Map();
      damaged = 0;
    }
    if (entry.near !== undefined) near = entry.near;
    for (const [name, word, state, reason] of entry.health) {
      const before = endpoints.get(name);
      endpoints.set(name, {
        word,
        state: state ?? before?.state ?? '',
        reason: reason ?? before?.reason ?? '',
      });
    }
  }
  if (serving === undefined) return undefined;
  const { config, generation, geo, node, revision } = serving;
  return { config, generation, geo, node, revision, endpoints, near, lastMs, damaged, isCoarse };
}

const word = z.int().min(0).max(0xffffffff);
const endpointRow = z.union([
  z.tuple([z.string(), word, z.string(), z.string()]),
  z.tuple([z.string(), word]),
]);
const nearRow = z.tuple([z.string(), z.string(), word, z.string(), z.string()]);
const atMs = z.number();
const entrySchema: z.ZodType<JournalEntry> = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('serving'),
    atMs,
    node: z.string(),
    generation: z.number(),
    revision: z.number(),
    config: z.string().regex(/^[0-9a-f]{64}$/),
    geo: z.object({ description: z.string(), builtAtMs: z.number(), networks: z.number() }),
    health: z.array(endpointRow),
    near: z.array(nearRow),
  }),
  z.object({
    kind: z.literal('health'),
    atMs,
    health: z.array(endpointRow),
    near: z.array(nearRow).optional(),
    coarse: z.literal(true).optional(),
  }),
  z.object({ kind: z.literal('alive'), atMs }),
]);
