import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSourceSampler, SAMPLE_EVERY_MS } from '../../src/nameserver/source-sampler.ts';

const ipv4 = { family: 4 as const, address: Uint8Array.of(192, 0, 2, 1), port: 53 };
const ipv6 = {
  family: 6 as const,
  address: Uint8Array.from({ length: 16 }, (_, index) => index + 1),
  port: 53,
};

function open() {
  const told: number[][] = [];
  const sampler = createSourceSampler((sources) => told.push([...sources]));
  return { sampler, told };
}

test('who asks is told, IPv4 addresses in IPv6 form', () => {
  const { sampler, told } = open();
  sampler.set(true);
  sampler.take(ipv4, 1_000_000);
  sampler.take(ipv6, 1_001_000);
  assert.deepEqual(told, [
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1],
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  ]);
});

test('of many few are taken, and told together', () => {
  const { sampler, told } = open();
  sampler.set(true);
  for (let ms = 0; ms < 10_000; ms += 1) sampler.take(ipv4, 1_000_000 + ms);
  assert.ok(told.length <= 11, `${told.length}`);
  const sum = told.reduce((total, { length }) => total + length / 16, 0);
  assert.ok(sum <= 10_000 / SAMPLE_EVERY_MS && sum >= 900, `${sum}`);
});

test('nobody is told while nobody wants to know', () => {
  const { sampler, told } = open();
  sampler.take(ipv4, 1_000_000);
  sampler.set(true);
  sampler.take(ipv4, 1_000_000);
  sampler.take(ipv4, 1_000_500);
  sampler.set(false);
  sampler.take(ipv4, 1_009_000);
  sampler.set(true);
  sampler.take(ipv6, 1_010_000);
  assert.deepEqual(
    told.map(({ length }) => length),
    [16, 16],
  );
});

test('a clock that is set back stops nothing', () => {
  const { sampler, told } = open();
  sampler.set(true);
  sampler.take(ipv4, 9_000_000);
  sampler.take(ipv4, 1_000_000);
  assert.equal(told.length, 2);
});
