import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TYPE_A, TYPE_AAAA, TYPE_HTTPS } from '../../src/dns/constants.ts';
import {
  hasType,
  isAlias,
  packServices,
  type Service,
  serviceAt,
  serviceCount,
  serviceMap,
  servicesOf,
  servicesOfZone,
} from '../../src/nameserver/services.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

/** Names of people, in any language, the same ones again and again. */
const anyText = fc.oneof(fc.constantFrom('web', 'example', ''), fc.string({ unit: 'grapheme' }));
const anyService = fc.tuple(anyText, anyText, anyText, anyText, fc.nat(2 ** 31 - 1), fc.nat(7)).map(
  ([owner, zone, pool, policy, map, flags]): Service => ({
    owner,
    zone,
    pool,
    policy,
    map,
    has4: (flags & 1) !== 0,
    has6: (flags & 2) !== 0,
    isAlias: (flags & 4) !== 0,
  }),
);

test('packServices() keeps every service', () => {
  fc.assert(
    fc.property(fc.array(anyService, { maxLength: 20 }), (services) => {
      const table = structuredClone(packServices(services));
      assert.equal(serviceCount(table), services.length);
      assert.deepEqual([...servicesOf(table)], services);
      for (const [index, service] of services.entries()) {
        assert.deepEqual(serviceAt(table, index), service);
        assert.equal(serviceMap(table, index), service.map);
        assert.equal(isAlias(table, index), service.isAlias);
        assert.equal(hasType(table, index, TYPE_A), service.has4 || service.isAlias);
        assert.equal(hasType(table, index, TYPE_AAAA), service.has6 || service.isAlias);
        assert.ok(hasType(table, index, TYPE_HTTPS));
      }
    }),
    fuzzParameters(200),
  );
});

test('servicesOfZone() finds the owners of that zone alone', () => {
  fc.assert(
    fc.property(fc.array(anyService, { maxLength: 20 }), anyText, (services, zone) => {
      const expected = new Map(
        services.flatMap((service, index) =>
          service.zone === zone ? [[service.owner, index] as const] : [],
        ),
      );
      assert.deepEqual(servicesOfZone(packServices(services), zone), expected);
    }),
    fuzzParameters(200),
  );
});

test('services are no objects of a message: what threads are sent of them is shared', () => {
  const { texts, words } = packServices([]);
  for (const { buffer } of [texts, words]) assert.ok(buffer instanceof SharedArrayBuffer);
});
