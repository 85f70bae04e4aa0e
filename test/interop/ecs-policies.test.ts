import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { isPrivate, parseAddress } from '../../src/ip/address.ts';
import { formatPrefix, networkOf } from '../../src/ip/prefix.ts';
import { fuzzSeed } from '../fuzz/effort.ts';
import { partsFor } from '../fuzz/list-decisions.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { until } from '../node/until.ts';
import type { Place } from './ask.ts';
import { openSocket, type Question, quietClients, tellingAll, textOf } from './ecs-questions.ts';
import { RESOLVERS, type Resolver } from './ecs-resolvers.ts';
import { startSteeredWorld } from './ecs-steered-world.ts';
import { createRandom, shuffled } from './ecs-world.ts';

/**
 * The judge of client subnets over every kind of policy. Clients in networks within networks ask in any order
 * through the caches of real resolvers. Each must get an answer that its own network could have had: found from
 * lists, without any table (test/fuzz/list-decisions.ts), and by the program's own words (`explain`), which must agree.
 *
 *   clients in parts (sticky, split, canary)   exactly what is for their own part
 *   drawn in turn or by query                  one of the answers possible for their class, in their part
 *   drawn by name                              exactly what the name has
 *
 * And caches ask no more often than there are networks of their own scope.
 */
const SEED = fuzzSeed(20_262);
const ZONE = 'gslb.example';
/** The caches are empty in the first. */
const ROUNDS = 2;
const QUIET_TIMES = 2;
const DEADLINE_MS = 10_000;
/** Per name, of those who tell nothing; and for the zone's nameservers and the like. */
const QUIET_QUERIES_MAX = 2;
const OTHER_QUERIES_MAX = 20;

const random = createRandom(SEED);
const meridian: Place = { address: loopbackAddress(), port: 5310 };
const resolver: Place = { address: loopbackAddress(), port: 5311 };
const { clients, fixture, lists, names } = await startSteeredWorld(
  ZONE,
  meridian,
  resolver,
  random,
);
after(fixture.stop);

/** What a client may be answered, and whether that is because of the part that it is in. */
type Wanted = { readonly possible: ReadonlySet<string>; readonly isBucketed: boolean };

/** What does not hang on what a resolver sends is found once. */
const found = new Map<string, Promise<Wanted>>();

function wantedFor(question: Question): Promise<Wanted> {
  const { name, sent } = question;
  const key = `${name} ${sent === undefined ? '' : formatPrefix(sent)}`;
  const wanted = found.get(key) ?? findWanted(question);
  found.set(key, wanted);
  return wanted;
}

async function findWanted(question: Question): Promise<Wanted> {
  const { name, type, sent } = question;
  const truth = await fixture.node.plane.explain({
    ...{ name, type, resolver: resolver.address },
    ...(sent && { client: formatPrefix(sent) }),
  });
  assert.ok('draw' in truth && truth.draw, JSON.stringify(truth));
  const isUnknown = sent === undefined || isPrivate(sent.address);
  const own = lists(name)!;
  const decision = own.decisionFor(isUnknown ? parseAddress(resolver.address)! : sent.address);
  const { all, isBucketed, own: parts } = partsFor(decision, truth.draw.part.number);
  const family = type === 'A' ? 4 : 6;
  const what = `seed ${SEED}: ${textOf(question)} by explanation and by lists`;
  const told = truth.outcomes.map(({ addresses }) => addresses.join(' '));
  assert.deepEqual(new Set(told), own.possibleOf(all, family), what);
  assert.equal(truth.draw.part.of, all.length, what);
  const answer = truth.answer.join(' ');
  const possible = own.possibleOf(parts, family);
  assert.ok(possible.has(answer), `${what}: ${answer}`);
  const isByName = parts.every(({ draw }) => draw === 'name');
  return { possible: isByName ? new Set([answer]) : possible, isBucketed };
}

test('the world has what its policies go by', async (t) => {
  const { latency } = fixture.node.plane.status();
  assert.ok((latency?.map?.networks ?? 0) > 0, 'a latency map is in force');
  const socket = await openSocket(t, resolver.address);
  const [gone] = names.filter(({ name }) => name.startsWith('closest.gone'));
  const question: Question = { ...gone!, told: undefined, sent: undefined };
  const isGone = async (): Promise<boolean> => {
    const { data } = await socket.ask(meridian, question, undefined);
    return ['192.0.2.99', '2001:db8::99'].includes(data.join());
  };
  // The last of the words about endpoints.
  await until(isGone, DEADLINE_MS, 'the words about endpoints reach the worker');
});

for (const each of RESOLVERS) {
  test(each.title, async (t) => {
    await each.start(t, { place: resolver, zone: ZONE, server: meridian });
    await judge(t, each);
  });
}

async function judge(t: TestContext, { bits, isForgetful }: Resolver): Promise<void> {
  const socket = await openSocket(t, resolver.address);
  const asking = [...tellingAll(clients, bits), ...quietClients(QUIET_TIMES)];
  const questions = names.flatMap((name) => asking.map((client) => ({ ...name, ...client })));
  const networks = new Set<string>();
  const answers = new Map<string, Set<string>>();
  for (const question of questions) {
    const { sent } = question;
    if (sent === undefined) continue;
    const { data, scope } = await socket.ask(meridian, question, sent);
    const answer = data.join(' ');
    const { possible } = await wantedFor(question);
    assert.ok(possible.has(answer), complaint(question, answer, possible, 'asked directly'));
    const kept = networkOf(sent.address, Math.min(scope, sent.length));
    networks.add(`${question.name} ${formatPrefix(kept)}`);
    const own = answers.get(question.name) ?? new Set();
    answers.set(question.name, own.add(answer));
  }
  const { plane } = fixture.node;
  const upstream: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const before = plane.status().queriesTotal;
    for (const question of shuffled(questions, random)) {
      const { data } = await socket.ask(resolver, question, question.told);
      const [answer, possible] = await shuffledAnswer(question, data);
      assert.ok(possible.has(answer), complaint(question, answer, possible, `round ${round}`));
    }
    upstream.push(plane.status().queriesTotal - before);
  }
  const wanted = await Promise.all(found.values());
  const inParts = wanted.filter(({ isBucketed }) => isBucketed).length;
  const drawn = wanted.filter(({ possible }) => possible.size > 1).length;
  assert.ok(Math.min(inParts, drawn) > wanted.length * SHARE_MIN, `${inParts} and ${drawn}`);
  const varied = [...answers.values()].filter(({ size }) => size > 1).length;
  t.diagnostic(`${names.length} names, ${varied} of them with several answers`);
  t.diagnostic(`${ROUNDS} x ${questions.length} questions for ${networks.size} networks`);
  t.diagnostic(`asked upstream: ${upstream.join(', ')}`);
  assert.ok(varied > names.length * VARIED_MIN, `seed ${SEED}: ${varied} of ${names.length}`);
  if (isForgetful) return;
  const most = networks.size + names.length * QUIET_QUERIES_MAX + OTHER_QUERIES_MAX;
  assert.ok(upstream[0]! <= most, `seed ${SEED}: too many upstream`);
  assert.equal(upstream[1], 0, `seed ${SEED}: what is known is not asked again`);
}

/** Resolvers reorder addresses. */
async function shuffledAnswer(question: Question, data: readonly string[]) {
  const { possible } = await wantedFor(question);
  const sorted = [...possible].map((each) => each.split(' ').sort().join(' '));
  return [data.toSorted().join(' '), new Set(sorted)] as const;
}

const complaint = (question: Question, answer: string, possible: Iterable<string>, how: string) =>
  `seed ${SEED}: ${textOf(question)}, ${how}: ${answer}, not one of ${[...possible].join(', ')}`;

/** Of clients of a name, those who are in a part, and those for whom something is drawn. */
const SHARE_MIN = 0.1;
/** Of the names, those that do not give everybody the same. */
const VARIED_MIN = 0.75;
