import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { composeGeo } from '../../src/geo/database.ts';
import { DOWN } from '../../src/health/health-word.ts';
import { formatAddress, PRIVATE_NETWORKS } from '../../src/ip/address.ts';
import { formatPrefix, networkOf, type Prefix, parsePrefix } from '../../src/ip/prefix.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import { setHealth, type WorkerState } from '../../src/nameserver/worker-state.ts';
import {
  arbitraryAddress,
  edgesOf,
  fuzzParameters,
  toAddress,
  toBigInt,
} from '../ip/range-oracle.ts';
import { AP, ask, createConfig, EU, healthOf, startWorker, UP, US } from '../nameserver/fixture.ts';

/**
 * That each scope is the widest correct one, for all of the address space. What clients are answered only
 * changes at the ends of networks that somebody placed, of private ones, and of those that carry IPv4
 * addresses in IPv6: who asks for both sides of each of these ends has asked for everybody.
 */
const RESOLVERS = { US: '20.9.9.9', EU: '80.9.9.9', nowhere: '198.51.100.9' } as const;
const LOCATIONS = [US, EU, AP, {}];
const PLACED_RESOLVERS = [
  { prefix: parsePrefix('20.9.9.0/24')!, location: US },
  { prefix: parsePrefix('80.9.9.0/24')!, location: EU },
];
const PRIVATE = PRIVATE_NETWORKS.map((text) => parsePrefix(text)!);
/** IPv6 networks that carry IPv4 addresses, and where in them. */
const CARRIERS = [
  { prefix: parsePrefix('::ffff:0:0/96')!, shift: 0n },
  { prefix: parsePrefix('64:ff9b::/96')!, shift: 0n },
  { prefix: parsePrefix('2002::/16')!, shift: 80n },
];

type Placed = { readonly prefix: Prefix; readonly location: object };

/** Networks in each other, each further in than the one before, with any location. */
function nests(bits: number): fc.Arbitrary<readonly Placed[]> {
  const step = fc.record({
    more: fc.integer({ min: 1, max: bits / 4 }),
    location: fc.constantFrom(...LOCATIONS),
  });
  return fc
    .tuple(arbitraryAddress(bits), fc.nat(bits / 2), fc.array(step, { minLength: 1, maxLength: 6 }))
    .map(([address, first, steps]) => {
      let length = first;
      return steps.map(({ more, location }) => {
        length = Math.min(bits, length + more);
        return { prefix: networkOf(toAddress(address, bits), length), location };
      });
    });
}

const tables: fc.Arbitrary<readonly Placed[]> = fc
  .array(fc.oneof(nests(32), nests(128)), { minLength: 1, maxLength: 4 })
  .map((lists) => lists.flat());

const resolvers = fc.constantFrom(...Object.values(RESOLVERS));

function serve(placed: readonly Placed[]): WorkerState {
  const networks = [...placed, ...PLACED_RESOLVERS].map(({ prefix, location }) => ({
    networks: [formatPrefix(prefix)],
    location,
  }));
  const compiled = compileSnapshot(createConfig(), composeGeo([], networks), 1, 1);
  assert.ok(compiled.ok);
  return startWorker(compiled.snapshot);
}

/** Both sides of all ends that there are. */
function pointsOf(placed: readonly Placed[], bits: number): bigint[] {
  const prefixes = [...placed, ...PLACED_RESOLVERS].map(({ prefix }) => prefix);
  const own = edgesOf([...prefixes, ...PRIVATE], bits);
  if (bits === 32) return [...new Set([0n, ...own])];
  const carried = edgesOf([...prefixes, ...PRIVATE], 32);
  const inside = CARRIERS.flatMap(({ prefix, shift }) =>
    carried.flatMap((value) => {
      const first = toBigInt(prefix.address) + (value << shift);
      return [first, first + (1n << shift) - 1n];
    }),
  );
  const around = edgesOf(
    CARRIERS.map(({ prefix }) => prefix),
    128,
  );
  return [...new Set([0n, ...own, ...inside, ...around])];
}

type Found = {
  readonly value: bigint;
  /** Answers in every state of health. */
  readonly answers: string;
  readonly scope: number;
  /** Who has the same is answered the same in any state, and may be in one network. */
  readonly kind: string;
};

/** All up, and each of the three regions down. */
function statesOf({ endpoints }: Snapshot): Uint32Array[] {
  const downs = [-1, ...endpoints.keys()].filter((index) => endpoints[index]?.pool !== 'legacy');
  return downs.map((down) => Uint32Array.from(endpoints, (_, i) => (i === down ? DOWN : UP)));
}

function findAll(worker: WorkerState, resolver: string, bits: number, points: readonly bigint[]) {
  const perState = statesOf(worker.snapshot!).map((words) => {
    assert.ok(setHealth(worker, healthOf(words), worker.snapshot!.generation));
    return points.map((value) => find(worker, resolver, value, bits));
  });
  return perState[0]!.map((first, index): Found => {
    const inStates = perState.map((found) => found[index]!);
    const text = `scopes of ${formatAddress(toAddress(first.value, bits))} by state`;
    assert.equal(new Set(inStates.map(({ scope }) => scope)).size, 1, text);
    return { ...first, answers: inStates.map(({ answers }) => answers).join(' | ') };
  });
}

function find(worker: WorkerState, resolver: string, value: bigint, bits: number): Found {
  const subnet = networkText(value, bits, bits);
  const { data, scope } = ask(worker, 'www.gslb.example', 'A', { resolver, subnet });
  const { classId, fromSubnet } = worker.place;
  const kind = `${fromSubnet ? `class ${classId}` : 'private'} ${privateBlockOf(value, bits)}`;
  return { value, answers: data.join(), scope: scope!, kind };
}

/** The private block of the address, or of the IPv4 address that it carries; empty when it is public. */
function privateBlockOf(value: bigint, bits: number): string {
  const carrier = bits === 128 && CARRIERS.find(({ prefix }) => holds(prefix, value, bits));
  const inner = carrier ? (value >> carrier.shift) & 0xffffffffn : value;
  const innerBits = carrier ? 32 : bits;
  const block = PRIVATE.find((prefix) => holds(prefix, inner, innerBits));
  return block === undefined ? '' : formatPrefix(block);
}

function holds({ address, length }: Prefix, value: bigint, bits: number): boolean {
  const shift = BigInt(bits - length);
  const isFamily = address.bytes.length * 8 === bits;
  return isFamily && value >> shift === toBigInt(address) >> shift;
}

const networkText = (value: bigint, length: number, bits: number): string =>
  formatPrefix(networkOf(toAddress(value, bits), length));

function within(found: readonly Found[], at: bigint, length: number, bits: number): Found[] {
  const shift = BigInt(bits - length);
  return found.filter(({ value }) => value >> shift === at >> shift);
}

test('every scope is correct and the widest that is, in all of the address space', () => {
  fc.assert(
    fc.property(tables, resolvers, (placed, resolver) => {
      const worker = serve(placed);
      for (const bits of [32, 128]) {
        const found = findAll(worker, resolver, bits, pointsOf(placed, bits));
        const seen = new Set<string>();
        for (const { value, scope, answers, kind } of found) {
          const network = networkText(value, scope, bits);
          if (seen.has(network)) continue;
          seen.add(network);
          for (const other of within(found, value, scope, bits)) {
            const who = formatAddress(toAddress(other.value, bits));
            assert.equal(other.answers, answers, `${who} has the scope of ${network}`);
            if (other.kind === kind) assert.equal(other.scope, scope, `${who} in ${network}`);
          }
          const wider = scope === 0 ? [] : within(found, value, scope - 1, bits);
          const isWidest = scope === 0 || wider.some((other) => other.kind !== kind);
          assert.ok(isWidest, `${network} of ${kind} could be one bit shorter`);
        }
      }
    }),
    fuzzParameters(25),
  );
});

/** A cache as RFC 7871 7.3.1 has it, for one name and type. */
type Kept = { readonly prefix: Prefix; readonly addresses: string; readonly forNobody: boolean };

function createCache() {
  const kept: Kept[] = [];
  return {
    /** Of the kept networks that hold the client's, the longest; those for /0 queries only for such. */
    find(client: Prefix): Kept | undefined {
      return kept
        .filter(({ forNobody }) => forNobody === (client.length === 0))
        .filter(({ prefix }) => isWithin(client, prefix))
        .sort((a, b) => b.prefix.length - a.prefix.length)[0];
    },
    /** A scope beyond the source says that more bits were needed: it is kept for the source alone. */
    keep(client: Prefix, scope: number, addresses: string): void {
      const prefix = networkOf(client.address, Math.min(scope, client.length));
      kept.push({ prefix, addresses, forNobody: client.length === 0 });
    },
  };
}

const isWithin = ({ address, length }: Prefix, wider: Prefix): boolean =>
  wider.length <= length && holds(wider, toBigInt(address), address.bytes.length * 8);

function checkCache(worker: WorkerState, resolver: string, clients: readonly Prefix[]): number {
  const cache = createCache();
  let hits = 0;
  for (const client of clients) {
    const subnet = formatPrefix(client);
    const { data, scope } = ask(worker, 'www.gslb.example', 'A', { resolver, subnet });
    const hit = cache.find(client);
    if (hit === undefined) cache.keep(client, scope!, data.join());
    else {
      hits += 1;
      const text = `${subnet} through ${resolver} from ${formatPrefix(hit.prefix)}`;
      assert.equal(hit.addresses, data.join(), text);
    }
  }
  return hits;
}

/** The least SOURCE that resolvers use, which no placed network is longer than. */
const SOURCE_MIN = { 32: 24, 128: 56 } as const;

/** IPv4 addresses are carried in networks longer than that. */
const isCarried = (value: bigint, bits: number): boolean =>
  bits === 128 && (value >> 96n === 0n || value >> 96n === 0x64ff9bn);

/** The table with no network longer than what is sent at least. */
function cutShort(placed: readonly Placed[]): readonly Placed[] {
  return placed.map(({ prefix: { address, length }, location }) => {
    const longest = SOURCE_MIN[address.family === 4 ? 32 : 128];
    return { prefix: networkOf(address, Math.min(longest, length)), location };
  });
}

test('clients whose resolvers send more bits or less share one cache', () => {
  const draws = fc.infiniteStream(fc.nat());
  let hits = 0;
  fc.assert(
    fc.property(tables, resolvers, draws, (placed, resolver, drawn) => {
      const draw = (): number => drawn.next().value!;
      const short = cutShort(placed);
      const worker = serve(short);
      for (const bits of [32, 128] as const) {
        const least = SOURCE_MIN[bits];
        const points = pointsOf(short, bits).filter((value) => !isCarried(value, bits));
        const clients = points.flatMap((value) => {
          const source = least + (draw() % (bits - least));
          const lengths = [bits, source, least, 0];
          return lengths.map((length) => networkOf(toAddress(value, bits), length));
        });
        const mixed = clients.map((client) => ({ client, at: draw() })).sort((a, b) => a.at - b.at);
        hits += checkCache(
          worker,
          resolver,
          mixed.map(({ client }) => client),
        );
      }
    }),
    fuzzParameters(15),
  );
  assert.ok(hits > 0);
});

test('clients whose resolvers all send too few bits share a cache too', () => {
  fc.assert(
    fc.property(tables, resolvers, (placed, resolver) => {
      const worker = serve(placed);
      for (const bits of [32, 128] as const) {
        const clients = pointsOf(placed, bits).map((value) =>
          networkOf(toAddress(value, bits), SOURCE_MIN[bits]),
        );
        checkCache(worker, resolver, [...clients, ...clients.toReversed()]);
      }
    }),
    fuzzParameters(15),
  );
});
