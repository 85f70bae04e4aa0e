import type { Observation } from './observation.ts';

/**
 * What a check found. Nothing is only complained about: what is not well says what to do. `bad` is wrong
 * for clients now or soon; `warn` works today, and costs something the day that something else fails.
 */
export type Finding = Found & { readonly check: string };
export type Found =
  | { readonly severity: 'ok'; readonly message: string }
  | { readonly severity: 'warn' | 'bad'; readonly message: string; readonly hint: string };
export type Severity = Found['severity'];

/** One family of findings: one file, one line in registry.ts. */
export type Check = {
  /** As output and the manual call it. */
  readonly kind: string;
  /** Looks at what was seen; empty when there is nothing to say. */
  look(observation: Observation): readonly Found[];
};

export const ok = (message: string): Found => ({ severity: 'ok', message: ended(message) });
export const warn = (message: string, hint: string): Found => ({
  severity: 'warn',
  message: ended(message),
  hint: ended(hint),
});
export const bad = (message: string, hint: string): Found => ({
  severity: 'bad',
  message: ended(message),
  hint: ended(hint),
});

/** A sentence that ends with a name has the name's dot already. */
const ended = (sentence: string): string => sentence.replace(/\.\.$/, '.');
