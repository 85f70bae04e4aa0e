/**
 * The policies that the judge of resolver caches steers by (ecs-policies.test.ts): every kind of step alone, and
 * together with others. Endpoints are virginia, frankfurt, singapore, and green, which is in virginia.
 * test/steering/judged-policies.test.ts fails when a registered step is in none of them.
 */
export type Step = string | { readonly step: string; readonly [option: string]: unknown };
export type JudgedPolicy = {
  readonly name: string;
  readonly chain: readonly Step[];
  /** Where it is judged; default: with everything up. */
  readonly states?: readonly State[];
};
/**
 * What has become of a pool's endpoints. `hurt`: frankfurt is drained and singapore forced down. `returning`:
 * frankfurt gets half of its share. `gone`: all are drained, and the sorry addresses are what is left.
 */
export const STATES = ['up', 'hurt', 'returning', 'gone'] as const;
export type State = (typeof STATES)[number];

export type PolicyFacts = {
  /** Networks that policies tell clients apart by, in CIDR notation; the first six are used. */
  readonly networks: readonly string[];
  /** Windows of which the first is open for hours, and the second shut. */
  readonly windows: readonly [Window, Window];
};
export type Window = { readonly from: string; readonly to: string };

export const SYSTEMS = [64496, 64497] as const;
const [OWN_SYSTEM, OTHER_SYSTEM] = SYSTEMS;

/** Policies that others lead to; they are judged where those are. */
export const TARGETS: Readonly<Record<string, readonly Step[]>> = {
  near: ['nearest', 'first'],
  shared: ['weighted', 'first'],
  loyal: ['sticky', 'first'],
  green: [{ step: 'failover', regions: ['green'] }, 'first'],
};

const EVERYWHERE = ['up', 'hurt', 'returning'] as const;

const geo: Step = {
  step: 'geo',
  rules: [
    { countries: ['DE'], regions: ['frankfurt'] },
    { subdivisions: ['US-VA'], regions: [['green', 'virginia']] },
    { continents: ['AS'], regions: ['singapore'] },
    { systems: [OWN_SYSTEM], regions: ['green'] },
  ],
};

export function judgedPolicies(facts: PolicyFacts): readonly JudgedPolicy[] {
  return [...alone(facts), ...together(facts)];
}

/** Each step with nothing but `healthy` and `first`. */
function alone({ networks, windows }: PolicyFacts): readonly JudgedPolicy[] {
  const [a, b, c] = networks as readonly [string, string, string];
  const [open, shut] = windows;
  return [
    { name: 'healthy', chain: ['healthy'], states: EVERYWHERE },
    {
      name: 'failover',
      chain: [{ step: 'failover', regions: ['frankfurt', ['virginia', 'green']] }],
    },
    { name: 'nearest', chain: ['nearest'] },
    { name: 'latency', chain: ['latency'] },
    { name: 'geo', chain: [geo] },
    { name: 'subnet', chain: [subnet([a, ['frankfurt']], [b, ['singapore']], [c, ['green']])] },
    { name: 'only', chain: [{ step: 'only', except: ['virginia', 'green'] }] },
    { name: 'spread', chain: ['weighted', 'first'] },
    { name: 'weighted-sticky', chain: [{ step: 'weighted', mode: 'sticky' }, 'first'] },
    { name: 'random', chain: [{ step: 'weighted', mode: 'random' }, 'first'] },
    { name: 'sticky', chain: ['healthy', 'sticky', 'first'], states: EVERYWHERE },
    { name: 'sticky-name', chain: [{ step: 'sticky', by: 'name' }, 'first'] },
    { name: 'round-robin', chain: ['round-robin', { step: 'first', count: 2 }] },
    { name: 'first', chain: ['first'] },
    { name: 'capacity', chain: ['healthy', 'capacity', 'first'], states: EVERYWHERE },
    { name: 'match', chain: [match([{ networks: [a, b], policy: 'near' }]), 'first'] },
    { name: 'match-system', chain: [match([{ systems: [OWN_SYSTEM], policy: 'loyal' }]), 'first'] },
    { name: 'match-place', chain: [match([{ countries: ['DE'], policy: 'green' }]), 'first'] },
    { name: 'split', chain: [split('client'), 'first'] },
    { name: 'split-spread', chain: [split('spread'), 'first'] },
    { name: 'split-random', chain: [split('random'), 'first'] },
    { name: 'canary', chain: ['healthy', canary(20), 'first'], states: EVERYWHERE },
    { name: 'try', chain: ['healthy', tryParts('near', 'loyal'), 'first'], states: EVERYWHERE },
    { name: 'schedule-open', chain: [schedule(open), 'first'] },
    { name: 'schedule-shut', chain: [schedule(shut), 'first'] },
    { name: 'use', chain: [{ step: 'use', policy: 'loyal' }] },
  ];
}

function together({ networks, windows }: PolicyFacts): readonly JudgedPolicy[] {
  const [a, b, c, d, e, f] = networks as readonly [string, string, string, string, string, string];
  const [open] = windows;
  const all = [...EVERYWHERE, 'gone'] as const;
  return [
    { name: 'closest', chain: ['healthy', 'nearest', 'weighted', 'first'], states: all },
    { name: 'fastest', chain: ['healthy', 'latency', 'sticky', 'first'], states: EVERYWHERE },
    { name: 'kept', chain: ['healthy', 'latency', 'capacity', 'first'], states: all },
    {
      name: 'shared-out',
      chain: ['healthy', canary(10), 'nearest', 'capacity', 'weighted', 'first'],
      states: EVERYWHERE,
    },
    {
      name: 'rules',
      chain: [
        ...['healthy', geo, subnet([a, ['singapore']], [d, ['frankfurt', 'green']]), 'nearest'],
        { step: 'first', count: 2, across: true },
      ],
      states: EVERYWHERE,
    },
    {
      name: 'match-all',
      chain: [
        'healthy',
        match([
          { networks: [a, e], policy: 'loyal' },
          { systems: [OTHER_SYSTEM], policy: 'shared' },
          { subdivisions: ['US-VA'], policy: 'near' },
        ]),
        ...[canary(30), 'nearest', 'round-robin', 'first'],
      ],
      states: EVERYWHERE,
    },
    {
      name: 'stacks',
      chain: [
        'healthy',
        { step: 'split', parts: [{ percent: 25, regions: ['green', 'frankfurt'] }] },
        { step: 'only', except: ['green'] },
        ...['latency', 'first'],
      ],
      states: EVERYWHERE,
    },
    {
      name: 'office-hours',
      chain: ['healthy', schedule(open), split('client'), 'nearest', 'sticky', 'first'],
      states: EVERYWHERE,
    },
    {
      name: 'last-resort',
      chain: [
        'healthy',
        subnet([b, ['singapore']], [f, ['green']], [c, ['frankfurt']]),
        tryParts('loyal', 'shared'),
        { step: 'failover', regions: ['green', 'virginia'] },
        'first',
      ],
      states: all,
    },
    {
      name: 'borrowed',
      chain: [
        ...['healthy', match([{ networks: [c, d], policy: 'shared' }])],
        ...[{ step: 'only', regions: ['virginia', 'frankfurt', 'green'] }],
        ...[{ step: 'use', policy: 'loyal' }],
      ],
      states: all,
    },
  ];
}

const subnet = (...rules: readonly (readonly [string, readonly string[]])[]): Step => ({
  step: 'subnet',
  rules: rules.map(([network, regions]) => ({ networks: [network], regions })),
});
const match = (rules: readonly object[]): Step => ({ step: 'match', rules });
const split = (draw: string): Step => ({
  step: 'split',
  draw,
  parts: [
    { percent: 20, regions: ['frankfurt'] },
    { percent: 15, policy: 'near' },
  ],
});
const canary = (percent: number): Step => ({ step: 'canary', percent, regions: ['green'] });
const tryParts = (first: string, second: string): Step => ({
  step: 'try',
  parts: [{ policy: first, regions: ['frankfurt', 'singapore'] }, { policy: second }],
});
const schedule = (window: Window): Step => ({
  step: 'schedule',
  windows: [window],
  policy: 'near',
  regions: ['singapore', 'green', 'frankfurt'],
});
