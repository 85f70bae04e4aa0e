import type { Config } from '../config/config.ts';
import { changedEndpoints, type HealthWords, readExceptions } from '../health/health-words.ts';
import { stateOfWord } from '../nameserver/explain-candidates.ts';
import { type HashedPart, hashSteeringPart } from './journal-config.ts';
import type {
  EndpointRow,
  GeoMark,
  HealthEntry,
  Known,
  NearRow,
  ServingEntry,
} from './journal-entry.ts';
import type { Serving } from './serving.ts';

/**
 * From what a node serves with to entries of its record: what changed since the last one, by names.
 * Has no clock and writes nothing.
 */
export type Recorder = {
  /** What is new; undefined when nothing is. */
  change(
    serving: Serving,
    words: HealthWords,
    nowMs: number,
  ): ServingEntry | HealthEntry | undefined;
  /** All of it; undefined before the first change. */
  complete(nowMs: number): ServingEntry | undefined;
  /** Of the configuration that is served. */
  config(): HashedPart | undefined;
};

/** Why an endpoint is what it is, for the world and for clients near regions. */
export type StatusOf = (endpoint: string) => EndpointSaid | undefined;
export type EndpointSaid = {
  readonly state: string;
  readonly reason: string;
  readonly near: readonly {
    readonly region: string;
    readonly state: string;
    readonly reason: string;
  }[];
};

/** Reasons that are asked for one entry: each is a judgement anew. The others are told without. */
export const REASONS_MAX = 200;

export function createRecorder(statusOf: StatusOf): Recorder {
  let served: Serving | undefined;
  let config: HashedPart | undefined;
  let words: HealthWords | undefined;
  let known = new Map<string, Known>();
  let near: readonly NearRow[] = [];

  const complete = (nowMs: number): ServingEntry | undefined => {
    if (served === undefined || config === undefined) return undefined;
    const { generation, revision } = served.snapshot;
    return {
      kind: 'serving',
      atMs: nowMs,
      node: served.config.node.name,
      generation,
      revision,
      config: config.hash,
      geo: geoMark(served.geo),
      health: [...known].map(([name, { reason, state, word }]) => [name, word, state, reason]),
      near,
    };
  };
  const beginGeneration = (next: Serving, nextWords: HealthWords): void => {
    const before: Config | undefined = served?.config;
    if (config === undefined || before !== next.config) config = hashSteeringPart(next.config);
    const asked = createAsker(statusOf);
    const were = known;
    known = new Map(
      next.snapshot.endpoints.map(({ name }, index) => {
        const word = nextWords.words[index] ?? 0;
        return [name, knownAs(word, asked(name) ?? were.get(name))];
      }),
    );
    near = nearRows(next, nextWords, asked);
  };
  return {
    complete,
    config: () => config,
    change(next, nextWords, nowMs) {
      if (next !== served) {
        beginGeneration(next, nextWords);
        served = next;
        words = nextWords;
        return complete(nowMs);
      }
      const before = words;
      words = nextWords;
      if (before === undefined) return undefined;
      const changed = [...changedEndpoints(before, nextWords)];
      if (changed.length === 0) return undefined;
      const asked = createAsker(statusOf);
      const health: EndpointRow[] = [];
      for (const index of changed) {
        const name = next.snapshot.endpoints[index]?.name;
        if (name === undefined) continue;
        const word = nextWords.words[index] ?? 0;
        if (word === before.words[index]) continue;
        const now = knownAs(word, asked(name), known.get(name));
        known.set(name, now);
        health.push([name, word, now.state, now.reason]);
      }
      const entry: HealthEntry = { kind: 'health', atMs: nowMs, health };
      if (before.exceptions.length + nextWords.exceptions.length === 0) return entry;
      near = nearRows(next, nextWords, asked);
      return { ...entry, near };
    },
  };
}

export function geoMark({ builtAtMs, description, networks }: GeoMark): GeoMark {
  return { description, builtAtMs, networks };
}

type Said = { readonly state: string; readonly reason: string };

/** Asks for at most so many. */
function createAsker(statusOf: StatusOf): StatusOf {
  let left = REASONS_MAX;
  const told = new Map<string, EndpointSaid | undefined>();
  return (name) => {
    if (told.has(name) || left <= 0) return told.get(name);
    left -= 1;
    const said = statusOf(name);
    told.set(name, said);
    return said;
  };
}

/** What was said now, or before when the word has the same flags; else the word speaks for itself. */
function knownAs(word: number, said: Said | undefined, before?: Known): Known {
  if (said !== undefined) return { word, state: said.state, reason: said.reason };
  const state = stateOfWord(word);
  const isSame = before !== undefined && stateOfWord(before.word) === state;
  return isSame
    ? { word, state: before.state, reason: before.reason }
    : { word, state, reason: '' };
}

function nearRows(
  { snapshot }: Serving,
  { exceptions }: HealthWords,
  asked: StatusOf,
): readonly NearRow[] {
  return readExceptions(exceptions).flatMap(({ endpoint, near, word }): NearRow[] => {
    const name = snapshot.endpoints[endpoint]?.name;
    const region = snapshot.regions[near];
    if (name === undefined || region === undefined) return [];
    const said = asked(name)?.near.find((each) => each.region === region);
    return [[region, name, word, said?.state ?? stateOfWord(word), said?.reason ?? '']];
  });
}
