import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { counterSlots } from '../../src/nameserver/counters.ts';
import { createPlaneFixture } from '../control/plane-fixture.ts';

/** docs/OPERATING.md names what people build alerts on: every event that there is, and no other. */
const ROOT = new URL('../../', import.meta.url);
const manual = readFileSync(new URL('docs/OPERATING.md', ROOT), 'utf8');

/** Kinds that are put together from a name and one of these. */
const FAMILIES: Readonly<Record<string, readonly string[]>> = {
  endpoint: ['up', 'down', 'degraded', 'unknown', 'unreachable', 'reachable'],
  vantage: ['distrusted', 'trusted'],
  pool: ['frozen', 'thawed'],
  server: [
    ...[
      'up',
      'degraded',
      'unready',
      'down',
      'added',
      'removed',
      'weight',
      'drain',
      'maintenance',
      'ready',
    ],
    ...['reduced', 'ejected', 'returned', 'suspected'],
  ],
  discovery: ['changed', 'empty', 'failed', 'recovered'],
  upstream: ['up', 'down'],
  region: ['drain', 'undrain', 'force-up', 'force-down', 'override-lapsed'],
  drill: ['finished', 'stopped', 'aborted'],
  probe: ['warning', 'warning-over', 'local-fault', 'local-fault-over'],
};

test('docs/OPERATING.md names every event', () => {
  const written = new Set<string>();
  for (const [subject, ends] of Object.entries(FAMILIES)) {
    for (const end of ends) written.add(`${subject}.${end}`);
  }
  for (const text of sources()) {
    for (const [, kind] of text.matchAll(/\b(?:record|info|warn|error)\(\s*'([a-z]+\.[a-z-]+)'/g)) {
      written.add(kind!);
    }
  }
  const [table = ''] = manual.split('| event | means |')[1]?.split('\n\n') ?? [];
  const kindsIn = (text: string): readonly string[] =>
    [...text.matchAll(/`([a-z]+\.[a-z-]+)`/g)].map(([, kind]) => String(kind));
  const named = new Set(kindsIn(table));
  assert.deepEqual([...named].sort(), [...written].sort());
  const alerts = kindsIn(/^Worth an alert: (.*)$/m.exec(manual)?.[1] ?? '');
  assert.ok(alerts.length > 0);
  for (const kind of alerts) assert.ok(named.has(kind), kind);
});

test('docs/OPERATING.md names metrics that there are', async () => {
  const fixture = await createPlaneFixture();
  fixture.lastReload = { ok: true, atMs: 0, generation: 1, revision: 1, changes: [], issues: [] };
  const { body } = await fixture.plane.metrics();
  const metrics = [...manual.matchAll(/\bmeridian_[a-z_]+/g)].map(([name]) => String(name));
  assert.ok(metrics.length > 5);
  // A histogram is several series.
  const types = metrics.map((name) => name.replace(/_bucket$/, ''));
  for (const name of types) assert.ok(body.includes(`# TYPE ${name} `), name);
});

test('docs/OPERATING.md names every metric of the balancer', async () => {
  const { plane } = await createPlaneFixture();
  const { body } = await plane.metrics();
  const of = /^# TYPE meridian_((?:listener|route|upstream|server|access_log)_\w+) /gm;
  const names = [...body.matchAll(of)].map(([, name]) => String(name));
  assert.ok(names.length > 30);
  for (const name of names) assert.ok(manual.includes(`\`${name}\``), name);
});

test('docs/OPERATING.md names every counter of the nameserver', () => {
  for (const { metric } of counterSlots) assert.ok(manual.includes(`\`${metric}`), metric);
});

test('every file that the manuals point to is there', () => {
  for (const name of ['README.md', 'docs/OPERATING.md', 'docs/ARCHITECTURE.md', 'docs/CONFIG.md']) {
    const file = new URL(name, ROOT);
    const text = readFileSync(file, 'utf8');
    for (const [, link] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      assert.doesNotThrow(() => readdirOrFile(new URL(link!, file)), `${name} points to ${link}`);
    }
  }
});

function readdirOrFile(url: URL): void {
  try {
    readFileSync(url);
  } catch {
    readdirSync(url);
  }
}

function sources(): readonly string[] {
  const src = new URL('src/', ROOT);
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(new URL(name, src), 'utf8'));
}
