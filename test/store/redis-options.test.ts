import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { redactConfig } from '../../src/config/redact.ts';
import { validateConfig } from '../../src/config/validate.ts';
import {
  parseRedisUrl,
  parseServer,
  redisOptions,
  targetOf,
} from '../../src/store/redis/options.ts';
import { centroids } from '../config/centroids.ts';

const MINIMAL = readFileSync(
  new URL('../../config/examples/minimal.yaml', import.meta.url),
  'utf8',
);

function check(store: string, environment: Readonly<Record<string, string>> = {}) {
  return validateConfig(`${MINIMAL}\nstore: ${store}\n`, 'test.yaml', environment, centroids);
}

function complaints(store: string): string {
  const result = check(store);
  return result.ok ? '' : result.issues.map(({ message }) => message).join('; ');
}

test('the configuration says what is wrong with a store, and never repeats a secret', () => {
  for (const [store, expected] of [
    ['{ kind: redis }', /write one of `url` and `servers`/],
    ['{ kind: redis, url: "redis://h", servers: [h] }', /write one of `url` and `servers`/],
    ['{ kind: redis, url: "http://u:w0rd@h" }', /this value is not the URL of a Redis/],
    ['{ kind: redis, url: "redis://u:w0/rd@h:1" }', /this value is not the URL of a Redis/],
    ['{ kind: redis, servers: [h], password: [w0rd] }', /expected a password, found another/],
    ['{ kind: redis, servers: [h, "h:99999"] }', /"h:99999" is not a host with a port/],
    ['{ kind: redis, servers: [h], mode: cluster, db: 3 }', /a Cluster has only database 0/],
    ['{ kind: redis, servers: [h], password: w0rd, passwordFile: f }', /one of `password` and/],
    ['{ kind: redis, url: "redis://h", mode: sentinel }', /this mode needs `servers`/],
    ['{ kind: redis, url: "redis://h", tls: "yes" }', /"yes" is not true, false or a map/],
    ['{ kind: redis, url: "redis://h", prefix: "a b" }', /"a b" is not a prefix/],
    ['{ kind: sqlite }', /"file" is missing/],
  ] as const) {
    const said = complaints(store);
    assert.match(said, expected, store);
    assert.ok(!said.includes('w0rd') && !said.includes('w0/rd'), said);
  }
});

test('secrets come from the environment and are hidden where the configuration is shown', () => {
  const variable = (name: string): string => `$\{${name}}`;
  const password = variable('REDIS_PASSWORD');
  const environment = { REDIS_PASSWORD: 'w0rd', REDIS_URL: 'redis://lb:w1rd@h:6380/2' };
  for (const store of [
    `{ kind: redis, servers: [h], username: lb, password: "${password}", sentinelPassword: "${password}" }`,
    `{ kind: redis, url: "${variable('REDIS_URL')}" }`,
  ]) {
    const result = check(store, environment);
    assert.ok(result.ok, JSON.stringify(result));
    assert.match(JSON.stringify(result.config.store), /w[01]rd/);
    const shown: Config = redactConfig(result.config);
    assert.doesNotMatch(JSON.stringify(shown), /w[01]rd/);
  }
});

test('parseServer() reads hosts with and without ports', () => {
  assert.deepEqual(parseServer('redis1.example.com', 6379), {
    host: 'redis1.example.com',
    port: 6379,
  });
  assert.deepEqual(parseServer('192.0.2.1:7000', 1), { host: '192.0.2.1', port: 7000 });
  assert.deepEqual(parseServer('[2001:db8::1]:7000', 1), { host: '2001:db8::1', port: 7000 });
  for (const wrong of ['', ':1', 'a b', 'h:0', 'h:65536', '2001:db8::1', '[h]:1', 'redis://h']) {
    assert.equal(parseServer(wrong, 1), undefined, wrong);
  }
});

test('parseRedisUrl() reads what an URL says, decoded', () => {
  assert.deepEqual(parseRedisUrl('rediss://lb:w%2F%40rd@h:6380/3'), {
    address: { host: 'h', port: 6380 },
    isTls: true,
    username: 'lb',
    password: 'w/@rd',
    db: 3,
  });
  assert.deepEqual(parseRedisUrl('redis://:w0rd@[2001:db8::1]'), {
    address: { host: '2001:db8::1', port: 6379 },
    isTls: false,
    password: 'w0rd',
  });
  for (const wrong of [
    'h:1',
    'redis://',
    'redis://h/x',
    'redis://h?a=b',
    'redis://u:w0@rd@h',
    'redis://u:%zz@h',
  ]) {
    assert.equal(parseRedisUrl(wrong), undefined, wrong);
  }
});

test('targetOf() puts URL and options together', () => {
  const { login, servers } = targetOf(
    redisOptions.parse({ url: 'rediss://lb:w0rd@h/3', username: 'other', tls: { verify: false } }),
  );
  assert.deepEqual(servers, [{ host: 'h', port: 6379 }]);
  assert.deepEqual(login, {
    username: 'other',
    password: 'w0rd',
    passwordFile: undefined,
    db: 3,
    tls: { verify: false },
  });
  const sentinels = targetOf(redisOptions.parse({ mode: 'sentinel', servers: ['a', 'b:1'] }));
  assert.deepEqual(
    sentinels.servers.map(({ port }) => port),
    [26_379, 1],
  );
  assert.equal(sentinels.login.tls, undefined);
});
