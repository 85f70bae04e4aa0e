import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { composeGeo } from '../../src/geo/database.ts';
import { formatAddress, PRIVATE_NETWORKS } from '../../src/ip/address.ts';
import { formatPrefix, networkOf, type Prefix, parsePrefix } from '../../src/ip/prefix.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import type { WorkerState } from '../../src/nameserver/worker-state.ts';
import {
  arbitraryAddress,
  arbitraryPrefix,
  edgesOf,
  fuzzParameters,
  toAddress,
} from '../ip/range-oracle.ts';
import { AP, ask, createConfig, EU, startWorker, US } from '../nameserver/fixture.ts';

/**
 * The promise of the scope: a resolver that caches as RFC 7871 7.3.1 says never gives a client what
 * the client's own network would not have been given. Networks nest at random, clients stand at
 * their edges, at those of private networks, and anywhere.
 */
const LOCATIONS = [US, EU, AP, {}];
const RESOLVERS = ['20.9.9.9', '80.9.9.9', '110.9.9.9', '10.9.9.9', '2001:db8:3000::9'];

/** What a resolver keeps of answers: network to addresses, for those that have a scope of use. */
type Cache = { readonly lengths: Set<number>; readonly answers: Map<string, string> };

const overrides = fc.array(
  fc.record({
    prefix: fc.oneof(arbitraryPrefix(32), arbitraryPrefix(128)),
    location: fc.constantFrom(...LOCATIONS),
  }),
  { minLength: 1, maxLength: 8 },
);

function serve(placed: readonly { readonly prefix: Prefix; readonly location: object }[]) {
  const networks = placed.map(({ prefix, location }) => ({
    networks: [formatPrefix(prefix)],
    location,
  }));
  const compiled = compileSnapshot(createConfig(), composeGeo([], networks), 1, 1);
  assert.ok(compiled.ok);
  return startWorker(compiled.snapshot);
}

function answerTo(worker: WorkerState, resolver: string, client: Prefix) {
  const { data, scope } = ask(worker, 'www.gslb.example', 'A', {
    resolver,
    subnet: formatPrefix(client),
  });
  return { addresses: data.join(' '), scope: scope! };
}

/** Asks for every client through the cache, and once more directly wherever the cache answered. */
function checkThroughCache(worker: WorkerState, resolver: string, clients: readonly Prefix[]) {
  const cache: Cache = { lengths: new Set(), answers: new Map() };
  for (const client of clients) {
    const longestFirst = [...cache.lengths].sort((a, b) => b - a);
    const network = longestFirst
      .map((length) => formatPrefix(networkOf(client.address, length)))
      .find((candidate) => cache.answers.has(candidate));
    const own = answerTo(worker, resolver, client);
    if (network === undefined) {
      cache.lengths.add(own.scope);
      cache.answers.set(formatPrefix(networkOf(client.address, own.scope)), own.addresses);
    } else {
      const text = `${formatAddress(client.address)} through ${resolver}, kept for ${network}`;
      assert.equal(cache.answers.get(network), own.addresses, text);
    }
  }
}

test('no client gets through a cache what its own network would not have been given', () => {
  const around = PRIVATE_NETWORKS.map((text) => parsePrefix(text)!);
  const clients = fc.tuple(
    fc.array(arbitraryAddress(32), { minLength: 20, maxLength: 20 }),
    fc.array(arbitraryAddress(128), { minLength: 20, maxLength: 20 }),
  );
  const order = fc.infiniteStream(fc.nat());
  fc.assert(
    fc.property(overrides, clients, order, (placed, random, draws) => {
      const worker = serve(placed);
      const prefixes = [...placed.map(({ prefix }) => prefix), ...around];
      for (const [i, bits] of [32, 128].entries()) {
        const hosts = [...random[i]!, ...edgesOf(prefixes, bits)]
          .map((value) => ({
            address: toAddress(value, bits),
            length: bits,
            at: draws.next().value,
          }))
          .sort((a, b) => a.at - b.at);
        for (const resolver of RESOLVERS) checkThroughCache(worker, resolver, hosts);
      }
    }),
    fuzzParameters(8),
  );
});
