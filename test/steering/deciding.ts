import { type DecideState, type Decision, decide } from '../../src/steering/decide.ts';
import { compilePolicy, preferenceOf } from '../../src/steering/policy.ts';
import { inlineChain } from '../../src/steering/policy-chains.ts';
import type { Candidate, Chain, ClientNetwork, TraceLine } from '../../src/steering/step.ts';
import { at, stateOf, three, type WordName } from './places.ts';

/** Whole chains, from what is known of a client to what it is answered. */
export type Case = {
  readonly list?: readonly Candidate[];
  readonly client?: ClientNetwork;
  /** By endpoint; the others are up. */
  readonly names?: readonly WordName[];
  readonly state?: Partial<Omit<DecideState, 'word'>>;
  /** Other policies, by name. */
  readonly policies?: Readonly<Record<string, Chain>>;
  /** Takes the lines of the trace. */
  readonly lines?: TraceLine[];
};

/** A step without options is its name. */
export type Link = string | Chain[number];
export const chainOf = (...links: readonly Link[]): Chain =>
  links.map((link) => (typeof link === 'string' ? { kind: link, options: {} } : link));

export function decided(chain: Chain, given: Case = {}): Decision {
  const { client = at(undefined), lines, list = three, names = [], policies = {} } = given;
  const policy = compilePolicy(inlineChain(chain, (name) => policies[name]));
  const trace = lines && ((line: TraceLine): void => void lines.push(line));
  const preference = preferenceOf(policy, list, client, trace);
  return decide(policy, preference, stateOf(names, given.state), trace);
}

/** `virginia 25, frankfurt+singapore 75`: what all clients of a class are answered, in percent. */
export function answers(chain: Chain, given: Case = {}): string {
  const { outcomes } = decided(chain, given);
  return outcomes
    .map(({ candidates, share }) => `${labelsOf(candidates)} ${Math.round(share * 1000) / 10}`)
    .join(', ');
}

/** `canary: virginia 5, others: frankfurt|singapore 95`, of those who see all that returns slowly. */
export function parts(chain: Chain, given: Case = {}): string {
  const { stages } = decided(chain, given);
  return stages[0]!.parts
    .map(({ key, outcomes, share }) => {
      const lists = outcomes.map(({ candidates }) => labelsOf(candidates));
      return `${key === '' ? 'all' : key}: ${lists.join('|')} ${Math.round(share * 1000) / 10}`;
    })
    .join(', ');
}

const labelsOf = (candidates: readonly Candidate[]): string =>
  candidates.map(({ label }) => label).join('+');
