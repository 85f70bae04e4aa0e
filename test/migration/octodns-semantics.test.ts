import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ask, NOW_MS, startWorker } from '../nameserver/fixture.ts';
import { oracle } from './octodns-oracle.ts';
import {
  allChecks,
  answersOf,
  clientsOf,
  compare,
  generator,
  imported,
  recordsIn,
  wordsOf,
  worldOf,
} from './octodns-rig.ts';

/** What is imported answers each client as octoDNS' documentation says (octodns-oracle.ts), in every state. */

const TEXT = readFileSync(new URL('zones/shop.example.yaml', import.meta.url), 'utf8');

const CODES = [
  ...['', 'AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA'],
  ...['AF-ZA', 'AF-EG', 'AN-AQ', 'AS-JP', 'AS-CN', 'EU-DE', 'EU-FR', 'EU-SE', 'OC-AU', 'OC-NZ'],
  ...['NA-US', 'NA-US-CA', 'NA-US-NY', 'NA-US-WA', 'NA-CA', 'NA-CA-BC', 'NA-CA-QC', 'NA-MX'],
  ...['SA-BR', 'SA-AR'],
];
/** In the networks of rules, at their edges, and outside, wherever they are. */
const IN_SUBNETS = [
  ['', '203.0.113.0'],
  ['AS-JP', '203.0.113.15'],
  ['AS-JP', '203.0.113.16'],
  ['NA-US-WA', '203.0.113.255'],
  ['NA-US-WA', '203.0.114.0'],
  ['EU-DE', '203.0.112.255'],
] as const;

const clients = clientsOf(CODES, IN_SUBNETS);

function made() {
  const result = imported({ 'shop.example.yaml': TEXT });
  assert.ok(result.ok, JSON.stringify(result));
  return worldOf(result.text, clients);
}

test('an imported record answers as octoDNS documents, whoever asks and whatever is down', () => {
  const world = made();
  let compared = 0;
  for (const [name, record] of recordsIn(TEXT)) {
    if (record.dynamic === undefined && record.geo === undefined) continue;
    const full = name === '' ? 'shop.example' : `${name}.shop.example`;
    // What CNAMEs lead to is not checked here, which a warning says: it counts as up.
    const states =
      record.type === 'CNAME' ? [() => true] : [...allChecks(record, generator(1), 256)];
    compared += compare(world, full, record, clients, states);
  }
  assert.ok(compared > 11_000, String(compared));
});

test('so does the nameserver on the wire', () => {
  const world = made();
  const seen = new Set<string>();
  for (const [name, record] of recordsIn(TEXT)) {
    if (record.dynamic === undefined || record.type === 'CNAME') continue;
    for (const checks of [() => true, () => false, (_: string, index: number) => index > 0]) {
      const worker = startWorker(world.snapshot, wordsOf(world, checks));
      for (const client of clients) {
        const expected = oracle(record, client, checks);
        for (let second = 0; second < 12; second += 1) {
          // Over TCP, where nothing is limited.
          const how = { resolver: client.address, tcp: true, nowMs: NOW_MS + second * 1000 };
          const { data } = ask(worker, `${name}.shop.example`, record.type, how);
          const answer = data.toSorted().join(' ');
          assert.ok((expected.get(answer) ?? 0) > 0, `${name} ${client.code}: ${answer}`);
          seen.add(answer);
        }
      }
    }
  }
  assert.ok(seen.size > 20, `${seen.size} different answers`);
});

test('A and AAAA of one name are answered from one decision', () => {
  const world = made();
  const [a, aaaa] = recordsIn(TEXT).filter(([name]) => name === 'both');
  for (const checks of allChecks(a![1], generator(2))) {
    for (const client of clients) {
      const [four, six] = [a!, aaaa!].map(([, { type }]) =>
        answersOf(world, 'both.shop.example', type, client, checks),
      );
      const asSix = [...four!].map(([answer, share]) => [
        answer.replace('198.51.100.', '2001:db8::'),
        share,
      ]);
      assert.deepEqual([...six!], asSix);
    }
  }
});

test('the comparison sees a difference', () => {
  const world = made();
  const www = recordsIn(TEXT).find(([name]) => name === 'www')![1];
  const pools = structuredClone(www.dynamic!.pools) as Record<string, { fallback?: string }>;
  pools['eu']!.fallback = 'apac';
  const other = { ...www, dynamic: { ...www.dynamic!, pools } } as typeof www;
  assert.throws(() =>
    compare(world, 'www.shop.example', other, clients, allChecks(other, generator(1))),
  );
});
