import type { Config } from '../config/config.ts';
import { type HealthException, type HealthWords, writeExceptions } from '../health/health-words.ts';
import type { EndpointView, Explanation } from '../nameserver/explain.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import type { CompileRequest, CompileResult } from '../workers/compile-messages.ts';
import type { Problem, Question } from './control-plane.ts';
import { explainAt } from './explain-now.ts';
import type { Journal } from './journal.ts';
import { withSteeringPart } from './journal-config.ts';
import type { GeoMark, Moment } from './journal-entry.ts';
import { geoMark } from './journal-recorder.ts';
import type { Serving } from './serving.ts';

/**
 * An instant of the record, explained by the code that answered then: the configuration of that time
 * is compiled again when it is not the one that is served, and the health words are put into its order
 * by name. What could not be had as it was then is said in the explanation's notes.
 */
export type Replay = {
  explain(question: Question, atMs: number): Promise<Explanation | Problem>;
  /** SHA-256 of the steering part that is served now. */
  config(): string | undefined;
  /** By the clock that the DNS workers draw with. */
  wallMs(): number;
};

/**
 * People ask by the time that nodes agree on, health is recorded by the machine's steady clock, and
 * workers draw by its wall clock. On a machine whose clock is right all three say the same.
 */
export type Clocks = {
  readonly agreedMs: () => number;
  readonly steadyMs: () => number;
  readonly wallMs: () => number;
};

export type ReplayParts = {
  readonly journal: Pick<Journal, 'momentAt' | 'steeringPart' | 'config'>;
  compile(request: Omit<CompileRequest, 'type' | 'id'>): Promise<CompileResult>;
  /** What is served now. */
  current(): Serving;
  readonly clocks: Clocks;
};

/** What an explanation needs of a compiled configuration. */
export type Compiled = Pick<Serving, 'snapshot' | 'geo'>;

/** Configurations of the past that stay compiled; each may take as much memory as the one served. */
export const COMPILED_MAX = 3;
/** Compilations that may wait for each other: the compile worker has reloads to do. */
export const COMPILING_MAX = 4;

export function createReplay(parts: ReplayParts): Replay {
  const { clocks, journal } = parts;
  const compiled = createCompiledCache(parts);
  return {
    config: journal.config,
    wallMs: clocks.wallMs,
    async explain(question, atMs) {
      const sinceMs = atMs - clocks.agreedMs();
      const wallMs = clocks.wallMs() + sinceMs;
      const moment = await journal.momentAt(clocks.steadyMs() + sinceMs);
      if ('problem' in moment) return moment;
      const then = await compiled(moment);
      if ('problem' in then) return then;
      const { geo } = then;
      const snapshot = {
        ...then.snapshot,
        generation: moment.generation,
        revision: moment.revision,
      };
      const context = {
        snapshot,
        geo,
        health: wordsOf(moment, snapshot),
        view: viewOf(moment),
        served: { node: moment.node, config: moment.config },
        notes: [...notesOf(moment, geoMark(geo)), ...clockNotes(atMs - wallMs)],
      };
      return explainAt(context, question, { agreedMs: atMs, wallMs });
    },
  };
}

function createCompiledCache({ compile, current, journal }: ReplayParts) {
  const kept = new Map<string, Compiled>();
  const running = new Map<string, Promise<Compiled | Problem>>();
  const compileThen = async (moment: Moment, config: Config): Promise<Compiled | Problem> => {
    const { generation, revision } = moment;
    const result = await compile({ config, generation, revision, isPast: true });
    if (!result.ok) return cannotCompile(result.reasons.join(' '));
    const { geo, snapshot } = result;
    return { geo, snapshot };
  };
  return async (moment: Moment): Promise<Compiled | Problem> => {
    const hash = moment.config;
    if (hash === journal.config()) return current();
    const known = kept.get(hash);
    if (known !== undefined) {
      // The youngest use is last.
      kept.delete(hash);
      kept.set(hash, known);
      return known;
    }
    const part = await journal.steeringPart(hash);
    if (part === undefined) {
      return cannotCompile(`its text (${hash.slice(0, 12)}) is not kept any more, or damaged`);
    }
    if (!running.has(hash) && running.size >= COMPILING_MAX) return BUSY;
    const compilation =
      running.get(hash) ?? compileThen(moment, withSteeringPart(current().config, part));
    running.set(hash, compilation);
    const result = await compilation.finally(() => running.delete(hash));
    if ('problem' in result) return result;
    kept.set(hash, result);
    for (const oldest of kept.keys()) {
      if (kept.size <= COMPILED_MAX) break;
      kept.delete(oldest);
    }
    return result;
  };
}

const BUSY: Problem = {
  problem: 'conflict',
  code: 'explain.busy',
  message: 'Several configurations of the past are being compiled already.',
  hint: 'Ask again in a few seconds.',
};

function cannotCompile(why: string): Problem {
  return {
    problem: 'not-found',
    code: 'explain.no-configuration',
    message: `The configuration of that time cannot be had again: ${why}.`,
  };
}

/** The words of then in the order of the snapshot; an endpoint that had none counts as up. */
function wordsOf({ endpoints, near }: Moment, snapshot: Snapshot): HealthWords {
  const indexes = new Map(snapshot.endpoints.map(({ name }, index) => [name, index]));
  const exceptions = near.flatMap(([region, name, word]): HealthException[] => {
    const at = snapshot.regions.indexOf(region);
    const endpoint = indexes.get(name);
    return at === -1 || endpoint === undefined ? [] : [{ near: at, endpoint, word }];
  });
  return {
    words: Uint32Array.from(snapshot.endpoints, ({ name }) => endpoints.get(name)?.word ?? 0),
    exceptions: writeExceptions(exceptions),
  };
}

function viewOf({ endpoints, near: rows }: Moment) {
  return (endpoint: string, near: string | undefined): EndpointView | undefined => {
    const row = rows.find(([region, name]) => region === near && name === endpoint);
    return row === undefined ? endpoints.get(endpoint) : { state: row[3], reason: row[4] };
  };
}

function notesOf({ damaged, geo, isCoarse }: Moment, geoNow: GeoMark): readonly string[] {
  const notes: string[] = [];
  if (JSON.stringify(geo) !== JSON.stringify(geoNow)) {
    notes.push(
      `the geo data are not those of then (${geoText(geo)}) but ${geoText(geoNow)}: places, classes and scopes may differ`,
    );
  }
  if (damaged > 0) {
    notes.push(`${damaged} lines of the record could not be read: health may have been another`);
  }
  if (isCoarse) {
    notes.push('health changed faster than it is recorded: exact to a second only');
  }
  return notes;
}

/** A clock that is off by less makes no difference to a draw but at the ends of its slots. */
const CLOCK_NOTE_MS = 1000;

function clockNotes(aheadMs: number): readonly string[] {
  if (Math.abs(aheadMs) < CLOCK_NOTE_MS) return [];
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const which = aheadMs > 0 ? 'behind' : 'ahead of';
  return [`the clock of this machine is ${seconds} s ${which} that of the others: draws follow it`];
}

const geoText = ({ builtAtMs, description, networks }: GeoMark): string =>
  `${description} of ${new Date(builtAtMs).toISOString().slice(0, 10)}, ${networks} networks`;
