import assert from 'node:assert/strict';
import { writeExceptions } from '../../src/health/health-words.ts';
import {
  type Address,
  formatAddress,
  PRIVATE_NETWORKS,
  parseAddress,
  privateScope,
} from '../../src/ip/address.ts';
import { containsAddress, formatPrefix, type Prefix, parsePrefix } from '../../src/ip/prefix.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { type Explanation, explain } from '../../src/nameserver/explain.ts';
import { mapAt } from '../../src/nameserver/map-table.ts';
import type { ServedHealth } from '../../src/nameserver/served-health.ts';
import { setHealth } from '../../src/nameserver/worker-state.ts';
import { ask, startWorker } from '../nameserver/fixture.ts';
import { type ListDecisions, listDecisions, partsFor } from './list-decisions.ts';
import { configOf, geoOf, latencyOfWorld, NAME, slotsOf, type World } from './policy-worlds.ts';

/** A drawn world as it is served, and beside it what its clients are to get by its lists. */
export type ServedPolicy = {
  readonly resolver: Address;
  readonly lists: ListDecisions;
  answerTo(client: Address): { readonly answer: string; readonly scope: number };
  explainFor(client: Address): Explanation;
};

export function serve(world: World): ServedPolicy {
  const [config, geo, latency] = [configOf(world), geoOf(world), latencyOfWorld(world)];
  const nothing = [undefined, undefined, undefined] as const;
  const compiled = compileSnapshot(config, geo, 1, 1, ...nothing, latency);
  assert.ok(compiled.ok, JSON.stringify(compiled));
  const { snapshot } = compiled;
  const health: ServedHealth = {
    words: Uint32Array.from(world.words),
    exceptions: writeExceptions([world.exception]),
    slots: slotsOf(snapshot),
  };
  const worker = startWorker(snapshot);
  setHealth(worker, health, snapshot.generation);
  const { nowMs, resolver } = world;
  const known = { config, snapshot, geo, latency, health, nowMs };
  return {
    resolver: parseAddress(resolver)!,
    lists: listDecisions(known, mapAt(snapshot.maps, 0)),
    answerTo(client) {
      const subnet = hostText(client);
      const { data, scope } = ask(worker, NAME, 'A', { resolver, subnet, nowMs });
      return { answer: data.join(' '), scope: scope! };
    },
    explainFor(client) {
      const question = { name: NAME, client: formatAddress(client), resolver };
      const said = explain({ snapshot, health, geo, latency }, question, nowMs);
      assert.ok('draw' in said);
      return said;
    },
  };
}

const hostText = (address: Address): string =>
  formatPrefix({ address, length: address.bytes.length * 8 });

/** What a client got, and what it could have got at that instant. */
export type Found = {
  readonly who: string;
  readonly answer: string;
  readonly scope: number;
  readonly said: Explanation;
  /** Which part of the clients it always belongs to; '' where a class has one, also while something returns. */
  readonly part: string;
  readonly isBucketed: boolean;
  readonly possible: ReadonlySet<string>;
};

export function find(served: ServedPolicy, client: Address): Found {
  const { answer, scope } = served.answerTo(client);
  const said = served.explainFor(client);
  const isPrivate = privateScope(client.family, client.bytes, 0) >= 0;
  const decision = served.lists.decisionFor(isPrivate ? served.resolver : client);
  const { outcomes } = decision;
  const who = formatAddress(client);
  assert.deepEqual(
    said.outcomes.map(({ endpoints, share }) => `${endpoints} ${share.toFixed(9)}`),
    outcomes.length === 0
      ? [` ${(1).toFixed(9)}`]
      : outcomes.map(
          (each) => `${each.candidates.map(({ name }) => name)} ${each.share.toFixed(9)}`,
        ),
    `${who}: the classes of the map are those of the lists`,
  );
  assert.equal(said.scope.prefixLength, scope, who);
  if (isPrivate) assert.equal(scope, privateScope(client.family, client.bytes, 0), who);
  const { name, number, of } = said.draw!.part;
  const { all, isBucketed, own } = partsFor(decision, number);
  assert.equal(of, all.length, who);
  assert.equal(all[number - 1]!.key, name, `${who} is in the part "${name}"`);
  const possible = served.lists.possibleOf(own, 4);
  assert.ok(possible.has(answer), `${who} got ${answer}, not one of ${[...possible].join(', ')}`);
  return { who, answer, scope, said, part: isBucketed ? `${number}` : '', isBucketed, possible };
}

const PRIVATE = PRIVATE_NETWORKS.map((text) => parsePrefix(text)!);

/** IPv6 networks that carry IPv4 addresses, and how many octets into them. */
export const CARRIERS: readonly { readonly prefix: Prefix; readonly at: number }[] = [
  { prefix: parsePrefix('::ffff:0:0/96')!, at: 12 },
  { prefix: parsePrefix('64:ff9b::/96')!, at: 12 },
  { prefix: parsePrefix('2002::/16')!, at: 2 },
];

/** The private block of an address, or of the IPv4 address that it carries; '' = it is public. */
export function privateBlockOf(address: Address): string {
  const carrier = CARRIERS.find(({ prefix }) => containsAddress(prefix, address));
  const own: Address =
    carrier === undefined
      ? address
      : { family: 4, bytes: address.bytes.slice(carrier.at, carrier.at + 4) };
  const block = PRIVATE.find((prefix) => containsAddress(prefix, own));
  return block === undefined ? '' : formatPrefix(block);
}
