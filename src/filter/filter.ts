import type { z } from 'zod';
import type { PageReading } from '../clients/page-report.ts';

/**
 * The contract of a filter: code between the client and the upstream, compiled once per route. A
 * filter edits the request and calls `next`, or answers itself and does not. What it wants to do to
 * the response it registers with `onResponse` before `next`. It may call `next` later; meanwhile
 * the request waits. A filter never sees hop-by-hop or framing fields: those belong to the core,
 * which sets them after every filter has spoken.
 */
export type FilterKind<Options = unknown> = {
  readonly kind: string;
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  /** The highest group of the route's path pattern that it uses; 0 or absent = none. */
  groups?(options: Options): number;
  /** For how long it may make a request wait, milliseconds; absent = not at all. */
  waitsMs?(options: Options): number;
  compile(options: Options): Filter;
};

/** All filters of a request together may take so long; then the answer is 504. */
export const FILTERS_MS_MAX = 30_000;

/** @param next call at most once, and not after `answer` */
export type Filter = (exchange: FilterExchange, next: () => void) => void;

/** One request and its response, as a filter may see and change them. */
export type FilterExchange = {
  /** Milliseconds since the epoch when the request's head was read. */
  readonly nowMs: number;
  readonly client: { readonly address: string; readonly proto: 'http' | 'https' };
  readonly request: FilterRequest;
  /** Runs when the final response's head has come, last registered first. */
  onResponse(handler: (response: FilterResponse) => void): void;
  /** A random number in [0, 1), another one for each call. */
  draw(): number;
  /** Calls back once this time has passed, give or take a tick of the balancer; one at a time. */
  wait(ms: number, then: () => void): void;
  /** Passes on what the client says of how far it is from regions. */
  report(readings: readonly PageReading[]): void;
  /** Ends the exchange with this reply; the upstream never hears of it. */
  answer(reply: FilterReply): void;
};

/** Field names are matched without regard to case. */
export type EditableFields = {
  /** The first value, or undefined. */
  get(name: string): string | undefined;
  /** Replaces every field of this name. */
  set(name: string, value: string): void;
  add(name: string, value: string): void;
  remove(name: string): void;
};

export type FilterRequest = {
  readonly method: string;
  /** The authority as received, with its port when there was one; empty on HTTP/1.0 without Host. */
  readonly host: string;
  /** The target in origin-form: path and query as received. */
  readonly target: string;
  /** The normalised path that the route was chosen by. */
  readonly path: string;
  /** What the groups of the route's path pattern hold, the whole path first; empty without a pattern. */
  groups(): readonly (string | undefined)[];
  readonly fields: EditableFields;
  /** Changes what the upstream is asked for; must begin with a slash and be visible ASCII. */
  setTarget(target: string): void;
  /** Changes the Host that the upstream sees: a name, perhaps with a port. */
  setHost(host: string): void;
};

export type FilterResponse = { readonly status: number; readonly fields: EditableFields };

/** `body` is text in UTF-8. */
export type FilterReply = {
  readonly status: number;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
};
