import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decide } from '../../src/steering/decide.ts';
import { compilePolicy, preferenceOf } from '../../src/steering/policy.ts';
import { inlineChain, parseOptions } from '../../src/steering/policy-chains.ts';
import type {
  Candidate,
  Chain,
  ChoiceState,
  ChooseStep,
  ClientNetwork,
  ForkStep,
  MapStep,
  Outcome,
  SteeringStep,
  Tiers,
  TraceLine,
} from '../../src/steering/step.ts';
import { steeringStep, steeringSteps } from '../../src/steering/steps/registry.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { alone, chainOf, outcome, type WordName, words } from '../steering/places.ts';

/**
 * What every steering step promises, whatever its kind. A step that is added to the registry is
 * checked here without a line of its own; options other than the defaults may be listed below.
 */
const SEED = fuzzSeed(20_260_601);
const RUNS = fuzzRuns(150);
const parameters = { seed: SEED, numRuns: RUNS };
const EPSILON = 1e-9;

/** Options worth trying beside the defaults; a kind that is not listed is tried with `{}` only. */
const MORE_OPTIONS: Readonly<Record<string, readonly unknown[]>> = {
  failover: [{ regions: ['r2', ['r0', 'r1']] }, { regions: ['nowhere'] }],
  nearest: [
    { toleranceKm: 0 },
    { tiersMax: 1 },
    { toleranceKm: 5000, tiersMax: 2 },
    { bias: { r0: 50, r1: -90 } },
  ],
  latency: [{ tiersMax: 1 }, { tiersMax: 5, toleranceKm: 0 }],
  first: [{ count: 2 }, { count: 16 }, { count: 3, across: true }],
  healthy: [{ min: 2 }],
  weighted: [{ mode: 'sticky' }, { mode: 'random' }],
  sticky: [{ by: 'name' }],
  geo: [
    { rules: [{ countries: ['DE'], regions: ['r1', ['r0', 'r2']] }] },
    { rules: [{ continents: ['EU'], systems: [64500], regions: ['r3'] }], default: ['r0'] },
    { rules: [{ subdivisions: ['DE-BE'], regions: ['r2'] }], default: ['r0', 'r1'], fence: true },
  ],
  subnet: [{ rules: [{ networks: ['192.0.2.0/24'], regions: ['r2', 'r0'] }], fence: true }],
  only: [{ regions: ['r0', 'r3'] }, { except: ['r1'] }, { regions: ['nowhere'] }],
  match: [
    { rules: [{ continents: ['EU'], policy: 'other' }] },
    {
      rules: [
        { networks: ['192.0.2.0/24'], policy: 'other' },
        { systems: [1], policy: 'other' },
      ],
    },
  ],
  split: [
    { parts: [{ percent: 20, policy: 'other' }] },
    {
      parts: [
        { percent: 0.1, regions: ['r0'] },
        { percent: 60, regions: ['r1'] },
      ],
      draw: 'random',
    },
    { parts: [{ percent: 100, policy: 'other', regions: ['r2'] }], draw: 'spread' },
  ],
  canary: [
    { regions: ['r0'], percent: 5 },
    { regions: ['nowhere'], percent: 50 },
  ],
  try: [
    { parts: [{ policy: 'other' }] },
    { parts: [{ policy: 'other', regions: ['r1'] }], last: false },
  ],
  schedule: [
    { windows: [{ from: '00:00', to: '12:00' }], policy: 'other' },
    {
      windows: [{ days: ['mon'], from: '22:00', to: '06:00' }],
      zone: 'Asia/Tokyo',
      regions: ['r1'],
    },
  ],
  use: [{ policy: 'other' }],
};
/** Kinds that mean nothing without options. */
const NEEDS_OPTIONS = new Set([
  'geo',
  'subnet',
  'only',
  'match',
  'split',
  'canary',
  'try',
  'schedule',
  'use',
]);
const OTHER: Chain = [
  { kind: 'healthy', options: {} },
  { kind: 'failover', options: { regions: ['r2', 'r1'] } },
  { kind: 'weighted', options: { mode: 'sticky' } },
];

const location = fc.option(
  fc.record({
    latitude: fc.double({ min: -90, max: 90, noNaN: true }),
    longitude: fc.double({ min: -180, max: 180, noNaN: true }),
  }),
  { nil: undefined },
);
const place = fc.option(
  fc.record({
    latitude: fc.double({ min: -90, max: 90, noNaN: true }),
    longitude: fc.double({ min: -180, max: 180, noNaN: true }),
    continent: fc.constantFrom('EU', 'AS'),
    country: fc.constantFrom('DE', 'JP'),
    subdivision: fc.constantFrom('BE', 'BY'),
  }),
  { nil: undefined },
);
const client: fc.Arbitrary<ClientNetwork> = fc.record({
  location: place,
  system: fc.constantFrom(0, 1, 64500),
  order: fc.constantFrom(
    undefined,
    undefined,
    ['r3', 'r0', 'r9', 'r1'],
    ['r5', 'r4', 'r3', 'r2', 'r1', 'r0'],
  ),
  waysMs: fc.constantFrom(undefined, [12.5, 80, 200]),
  marks: fc.array(fc.nat(2), { minLength: 8, maxLength: 8 }),
});
const candidates: fc.Arbitrary<readonly Candidate[]> = fc
  .array(fc.record({ location, weight: fc.integer({ min: 0, max: 5 }) }), {
    minLength: 1,
    maxLength: 7,
  })
  .map((facts) =>
    facts.map((fact, index) => ({
      ...fact,
      endpoint: index,
      name: `pool/r${index}`,
      label: `r${index}`,
      region: `r${index}`,
    })),
  );
/** Candidates cut into tiers at arbitrary places. */
const tiers: fc.Arbitrary<Tiers> = fc
  .tuple(candidates, fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }))
  .map(([list, cuts]) => {
    const cut: Candidate[][] = [];
    for (const [index, each] of list.entries()) {
      if (index === 0 || cuts[index] === true) cut.push([each]);
      else cut.at(-1)?.push(each);
    }
    return cut;
  });
const wordNames = fc.array(fc.constantFrom(...(Object.keys(words) as WordName[])), {
  minLength: 7,
  maxLength: 7,
});
const usable = fc.array(fc.boolean(), { minLength: 7, maxLength: 7 });

function optionSets(step: SteeringStep): readonly unknown[] {
  const bare = NEEDS_OPTIONS.has(step.kind) ? [] : [{}];
  return [...bare, ...(MORE_OPTIONS[step.kind] ?? [])].map((options) =>
    step.options.parse(options),
  );
}
function choiceState(flags: readonly boolean[]): ChoiceState {
  return {
    usable: ({ endpoint }) => flags[endpoint] === true,
    trim: () => 1,
    weight: (each) => each.weight,
    describe: ({ endpoint }) => (flags[endpoint] === true ? 'up' : 'down'),
    later: LATER,
    planned: PLANNED,
  };
}
const PLANNED = new Map([
  ['r0', 0.3],
  ['r1', 0.5],
  ['r99', 0.2],
]);
/** Behind every tier. */
const LATER: readonly Candidate[] = [
  { endpoint: 99, name: 'pool/r99', label: 'r99', region: 'r99', location: undefined, weight: 1 },
];
const sorted = (list: readonly Candidate[]): readonly number[] =>
  list.map(({ endpoint }) => endpoint).sort((a, b) => a - b);
const shareSum = (outcomes: readonly Outcome[]): number =>
  outcomes.reduce((sum, { share }) => sum + share, 0);
/** A distribution over the tier whose lists are not all the same, as a step further down may see. */
const distribution = (tier: readonly Candidate[]): readonly Outcome[] => [
  { share: 0.75, candidates: tier, part: 'a', draw: 'spread' },
  { share: 0.25, candidates: [...tier].reverse(), part: 'b', draw: 'spread' },
];

function assertTrace(lines: readonly TraceLine[], kind: string, known: ReadonlySet<string>): void {
  for (const line of lines) {
    assert.equal(line.step, kind);
    assert.ok(line.note.length > 0, 'a trace line has a note');
    for (const name of line.kept) assert.ok(known.has(name), `${name} is a candidate`);
    for (const { name, reason } of line.dropped) {
      assert.ok(known.has(name) && reason.length > 0, `${name} was dropped for a reason`);
      assert.ok(!line.kept.includes(name), `${name} is not both kept and dropped`);
    }
    assert.equal(new Set(line.kept).size, line.kept.length, 'nothing is kept twice');
  }
}

function checkMap(step: MapStep, options: unknown): void {
  const run = step.compile(options, () => 0);
  const fences = step.fences?.(options) ?? false;
  fc.assert(
    fc.property(tiers, client, (input, network) => {
      const lines: TraceLine[] = [];
      const output = run(input, network, (line) => lines.push(line));
      if (!fences)
        assert.ok(
          output.every((tier) => tier.length > 0),
          'no tier is empty',
        );
      if (fences) assert.ok(output.flat().every((each) => input.flat().includes(each)));
      else
        assert.deepEqual(sorted(output.flat()), sorted(input.flat()), 'nothing lost or invented');
      assert.deepEqual(run(input, network), output, 'the same again, traced or not');
      assert.deepEqual(
        run(inOtherPool(input), network),
        inOtherPool(output),
        'names and numbers of endpoints do not matter',
      );
      assert.equal(lines.length, 1, 'one trace line');
      assertTrace(lines, step.kind, new Set(input.flat().map(({ name }) => name)));
      assert.deepEqual(
        lines[0]?.kept,
        output.flat().map(({ name }) => name),
        'the trace names the candidates in their new order',
      );
    }),
    parameters,
  );
  if (step.ways !== undefined) checkWays(step, options);
}

/** Whoever says what it orders by has ordered by that. */
function checkWays(step: MapStep, options: unknown): void {
  const run = step.compile(options, () => 0);
  const waysTo = step.ways!(options);
  fc.assert(
    fc.property(candidates, client, (tier, network) => {
      const { unit, ways } = waysTo(tier, network);
      const all = ways.map(({ candidate }) => candidate);
      assert.deepEqual(sorted(all), sorted(tier), 'nothing lost or invented');
      const [first] = run([tier], network);
      assert.ok(first!.includes(all[0]!), 'the first is in the best tier');
      const known = ways.flatMap(({ length }) => length ?? []);
      assert.ok(known.every((length) => Number.isFinite(length)));
      if (unit === 'km')
        assert.deepEqual(
          known,
          known.toSorted((a, b) => a - b),
        );
      const unknown = ways.findIndex(({ length }) => length === undefined);
      assert.ok(unknown < 0 || unknown >= known.length, 'what is not known comes last');
    }),
    parameters,
  );
}

/** Other names and numbers, in another order. */
function inOtherPool(tiersOfOne: Tiers): Tiers {
  return tiersOfOne.map((tier) =>
    tier.map((candidate) => {
      const endpoint = 1000 - candidate.endpoint;
      return { ...candidate, endpoint, name: `other/${endpoint}` };
    }),
  );
}

function checkChoose(step: ChooseStep, options: unknown): void {
  const run = step.compile(options);
  fc.assert(
    fc.property(candidates, usable, fc.boolean(), (tier, flags, split) => {
      const input = split ? distribution(tier) : [outcome(tier)];
      const looksBehind = step.looksBehind?.(options) ?? false;
      const isIn = (each: Candidate): boolean =>
        tier.includes(each) || (looksBehind && LATER.includes(each));
      const lines: TraceLine[] = [];
      const output = run(input, choiceState(flags), (line) => lines.push(line));
      if (output.length > 0) assert.ok(Math.abs(shareSum(output) - 1) < EPSILON, 'shares sum to 1');
      for (const outcome of output) {
        assert.ok(outcome.share > 0 && outcome.candidates.length > 0, 'each outcome can be served');
        assert.equal(new Set(outcome.candidates).size, outcome.candidates.length, 'no repetition');
        assert.ok(
          outcome.candidates.every((each) => isIn(each)),
          'each list is part of the tier, and of what is behind it',
        );
      }
      assert.deepEqual(run(input, choiceState(flags)), output, 'the same again, traced or not');
      assert.equal(lines.length, 1, 'one trace line');
      assertTrace(lines, step.kind, new Set([...tier, ...LATER].map(({ name }) => name)));
      const left = new Set(output.flatMap((outcome) => outcome.candidates.map(({ name }) => name)));
      if (output.length > 0)
        assert.deepEqual(new Set(lines[0]?.kept), left, 'kept is what is left');
    }),
    parameters,
  );
}

/** With the chain of every policy that is named. */
function withChains(step: SteeringStep, options: unknown): Chain[number] {
  return inlineChain([{ kind: step.kind, options }], () => OTHER)[0]!;
}

/** Whatever it forks into, every client gets something that is there. */
function checkFork(step: ForkStep, options: unknown): void {
  const link = withChains(step, options);
  assert.deepEqual(parseOptions(step, link.options), link.options, 'chains outlive validation');
  const policy = compilePolicy([{ kind: 'healthy', options: {} }, link, ...OTHER]);
  fc.assert(
    fc.property(candidates, client, wordNames, fc.nat(2 ** 41), (list, network, names, nowMs) => {
      const preference = preferenceOf(policy, list, network);
      const word = (endpoint: number): number => words[names[endpoint] ?? 'up'];
      const bounds = { ttlMinSeconds: 5, ttlMaxSeconds: 30 };
      const state = { word, panicThreshold: 0, hasSorry: false, nowMs, ...bounds };
      const lines: TraceLine[] = [];
      const decision = decide(policy, preference, state, (line) => lines.push(line));
      const { outcomes, stages, untilMs } = decision;
      assert.deepEqual(
        decide(policy, preference, state),
        decision,
        'the same again, traced or not',
      );
      assert.ok(Math.abs(shareSum(outcomes) - 1) < EPSILON, 'shares sum to 1');
      assert.ok(untilMs > nowMs, 'it holds for a while');
      for (const { candidates: answered } of outcomes) {
        assert.ok(answered.length > 0 && answered.every((each) => list.includes(each)));
        assert.ok(answered.every((each) => decision.involved.includes(each.endpoint)));
      }
      for (const { parts } of stages) {
        const shares = parts.reduce((sum, { share }) => sum + share, 0);
        assert.ok(Math.abs(shares - 1) < EPSILON, 'parts are the whole');
        assert.equal(new Set(parts.map(({ key }) => key)).size, parts.length);
      }
      if (step.kind !== 'use' && step.kind !== 'match') {
        assert.ok(lines.some((line) => line.step === step.kind || line.step === 'split'));
      }
    }),
    parameters,
  );
}

for (const step of steeringSteps) {
  test(`steering step ${step.kind} describes itself`, () => {
    assert.equal(steeringStep(step.kind), step);
    assert.match(step.kind, /^[a-z][a-z-]*$/);
    assert.match(step.summary, /^[A-Z].*\.$/);
    for (const options of optionSets(step)) {
      assert.deepEqual(step.options.parse(options), options, 'validated options stay as they are');
    }
    assert.equal(step.options.safeParse({ noSuchOption: 1 }).success, false, 'unknown keys fail');
  });
  test(`steering step ${step.kind} keeps the contract of its stage`, () => {
    for (const options of optionSets(step)) {
      if (step.stage === 'map') checkMap(step, options);
      else if (step.stage === 'choose') checkChoose(step, options);
      else checkFork(step, options);
    }
  });
}

test('steeringSteps have kinds of their own', () => {
  assert.equal(new Set(steeringSteps.map(({ kind }) => kind)).size, steeringSteps.length);
  assert.equal(steeringStep('no-such-step'), undefined);
});

const links = steeringSteps.flatMap((step) =>
  optionSets(step).map((options) => ({
    link: withChains(step, options),
    isFork: step.stage === 'fork',
    // Who may answer is said, whatever becomes of them.
    fences: step.stage === 'map' && (step.fences?.(options) ?? false),
    looksBehind: step.stage === 'choose' && (step.looksBehind?.(options) ?? false),
  })),
);

test('decide() of any chain in any state answers, unless operators and sorry addresses say not to', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...links), { maxLength: 6 }),
      candidates,
      client,
      wordNames,
      fc.constantFrom(0, 0.3, 0.5, 1),
      fc.boolean(),
      fc.boolean(),
      (chain, list, network, names, panicThreshold, hasSorry, hasPlan) => {
        const policy = compilePolicy(chain.map(({ link }) => link));
        const mapped = preferenceOf(policy, list, network);
        const isPlain = !chain.some(({ fences, isFork }) => isFork || fences);
        const looksBehind = chain.some((each) => each.looksBehind);
        const word = (endpoint: number): number => words[names[endpoint] ?? 'up'];
        const bounds = { ttlMinSeconds: 5, ttlMaxSeconds: 30 };
        const plannedFor = hasPlan ? () => PLANNED : undefined;
        const state = { word, panicThreshold, hasSorry, plannedFor, ...bounds };
        const decision = decide(policy, mapped, state);
        const { rung, outcomes, tier } = decision;
        assert.deepEqual(
          decide(policy, mapped, state, () => undefined),
          decision,
        );
        assert.ok(decision.ttlSeconds >= 5 && decision.ttlSeconds <= 30);
        assert.equal(outcomes.length === 0, rung === 'sorry');
        const disabled = ({ endpoint }: Candidate): boolean => names[endpoint] === 'drained';
        if (isPlain) {
          assert.equal(rung === 'sorry' || rung === 'disabled', list.every(disabled));
          assert.equal(rung === 'sorry', list.every(disabled) && hasSorry);
        }
        if (rung === 'sorry') return;
        assert.ok(Math.abs(shareSum(outcomes) - 1) < EPSILON, 'shares sum to 1');
        for (const { candidates: answered } of outcomes) {
          assert.ok(answered.length > 0, 'nothing answers empty');
          assert.ok(answered.every((each) => list.includes(each)));
          if (isPlain && !looksBehind) {
            assert.ok(answered.every((each) => mapped.leaves[0]![tier]?.includes(each)));
          }
          assert.ok(answered.every((each) => decision.involved.includes(each.endpoint)));
          if (rung !== 'disabled') assert.ok(!answered.some(disabled), 'operators are obeyed');
          if (rung === 'healthy' && isPlain && chainOf(policy).readsHealth) {
            assert.ok(answered.every(({ endpoint }) => names[endpoint] !== 'down'));
          }
        }
      },
    ),
    { ...parameters, numRuns: parameters.numRuns * 4 },
  );
});

test('decide() changes nothing when an endpoint that is not involved changes', () => {
  fc.assert(
    fc.property(tiers, wordNames, wordNames, (input, names, others) => {
      const policy = compilePolicy([
        { kind: 'healthy', options: {} },
        { kind: 'weighted', options: {} },
        { kind: 'first', options: {} },
      ]);
      const stateWith = (wordOf: (endpoint: number) => WordName | undefined) => ({
        word: (endpoint: number) => words[wordOf(endpoint) ?? 'up'],
        panicThreshold: 0.5,
        hasSorry: true,
        ttlMinSeconds: 5,
        ttlMaxSeconds: 30,
      });
      const decision = decide(
        policy,
        alone(input),
        stateWith((endpoint) => names[endpoint]),
      );
      const after = decide(
        policy,
        alone(input),
        stateWith((endpoint) =>
          decision.involved.includes(endpoint) ? names[endpoint] : others[endpoint],
        ),
      );
      assert.deepEqual(after, decision);
    }),
    { ...parameters, numRuns: parameters.numRuns * 4 },
  );
});
