import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Revision } from '../../src/cluster/revisions.ts';
import { createServing, type Serving } from '../../src/control/serving.ts';

import type { SocketProblem } from '../../src/io/sockets.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { loadConfig } from '../../src/node/config-file.ts';
import { createReloader, GEO_POLL_MS } from '../../src/node/reloader.ts';
import type { CompileResult } from '../../src/workers/compile-messages.ts';
import { sharedRevision } from '../cluster/revision-fixture.ts';
import { createMovedClock, settle } from '../monitoring/moved-clock.ts';
import { geo } from '../nameserver/fixture.ts';

const CONFIG = {
  regions: {
    us: { location: { latitude: 39, longitude: -77 }, vips: '192.0.2.1' },
    eu: { location: { latitude: 50, longitude: 8 }, vips: '192.0.2.2' },
  },
  pools: { web: { endpoints: ['us', 'eu'] } },
  zones: {
    'gslb.example': {
      nameservers: ['ns1'],
      records: { ns1: { A: '192.0.2.53' } },
      steered: { www: { pool: 'web' } },
    },
  },
};
type ConfigFile = Record<string, unknown>;

test('reload() validates, compiles, swaps, and says what changed', async (t) => {
  const node = open(t);
  node.write({ ...CONFIG, dns: { udpSizeMax: 1400 } });
  const result = await node.reloader.reload('ann');
  assert.ok(result.ok);
  assert.deepEqual(result.changes, ['dns: changed udpSizeMax 1232 → 1400']);
  assert.deepEqual([result.generation, result.revision], [2, 0]);
  assert.deepEqual(node.reloader.last(), result);
  assert.equal(node.current().config.dns.udpSizeMax, 1400);
  assert.deepEqual(node.kinds(), ['config.reload']);
});

test('reload() of an invalid file changes nothing and lists every problem', async (t) => {
  const node = open(t);
  const before = node.current();
  node.write({ ...CONFIG, pools: { web: { endpoints: ['mars'] } }, bogus: 1 });
  const result = await node.reloader.reload('ann');
  assert.ok(!result.ok);
  assert.equal(result.issues.length, 2);
  assert.deepEqual([result.generation, result.revision], [1, 0]);
  assert.equal(node.current(), before);
  assert.deepEqual(node.kinds(), ['config.refused']);
  rmSync(node.file);
  assert.equal((await node.reloader.reload('ann')).ok, false);
  assert.equal(node.current(), before);
});

test('reload() that cannot be compiled, or whose compiler died, changes nothing', async (t) => {
  const node = open(t);
  const before = node.current();
  node.compiler.next = () => ({ ok: false, reasons: ['The compile worker died; see the log.'] });
  const result = await node.reloader.reload('ann');
  assert.ok(!result.ok);
  assert.match(result.issues[0]!.message, /compile worker died/);
  assert.equal(node.current(), before);
});

test('reload() and refresh() tell what was added to zones and is left out', async (t) => {
  const node = open(t);
  const made = await node.reloader.refresh();
  assert.deepEqual(made, []);
  const { snapshot } = node.current();
  const leftOut = ['zones.gslb.example: it does not fit'];
  node.compiler.next = () => ({
    ok: true,
    snapshot,
    geo,
    warnings: [],
    elapsedMs: 1,
    leftOut,
  });
  assert.deepEqual(await node.reloader.refresh(), leftOut);
  assert.ok((await node.reloader.reload('ann')).ok);
  assert.ok(node.kinds().includes('zone.refused'));
});

test('reload() tells which listeners could not be opened, and what it takes away', async (t) => {
  const node = open(t);
  node.problems.push({ code: 'EADDRINUSE', message: 'TCP x is taken.', hint: 'Stop it.' });
  node.write({ ...CONFIG, zones: {} });
  const result = await node.reloader.reload('ann');
  assert.ok(result.ok);
  assert.ok(result.issues.some(({ hint, message }) => message === 'TCP x is taken.' && hint));
  assert.deepEqual(node.kinds(), ['balancer.listener', 'config.shrink', 'config.reload']);
});

test('reload() leaves until a restart what is made at start, and says so', async (t) => {
  const node = open(t);
  node.write({ ...CONFIG, admin: { port: 9999 }, node: { workers: { dns: 7 } } });
  const result = await node.reloader.reload('ann');
  assert.ok(result.ok);
  const notes = result.changes.filter((change) => change.includes('restarted'));
  assert.deepEqual(notes.map((note) => note.split(' ')[0]).sort(), ['admin', 'node']);
  assert.equal(node.current().config.admin.port, 8053);
  // Asked again, the same change still waits.
  assert.equal((await node.reloader.reload('ann')).changes.length, result.changes.length);
});

test('reloads come one at a time, and those asked for meanwhile are one', async (t) => {
  const node = open(t);
  node.compiler.hold();
  const storm = Array.from({ length: 50 }, (_, index) => node.reloader.reload(`signal ${index}`));
  await settle();
  storm.push(node.reloader.reload('late'), node.reloader.reload('later'));
  await settle();
  assert.equal(node.compiler.running, 1);
  node.compiler.release();
  const results = await Promise.all(storm);
  assert.ok(results.every(({ ok }) => ok));
  assert.equal(node.current().snapshot.generation, 3);
  assert.deepEqual(node.kinds(), ['config.reload', 'config.reload']);
});

test('a reload that fails with a bug is rejected, and the next one works', async (t) => {
  const node = open(t);
  node.compiler.next = () => {
    throw new Error('a bug');
  };
  await assert.rejects(node.reloader.reload('ann'), /a bug/);
  node.compiler.next = undefined;
  assert.ok((await node.reloader.reload('ann')).ok);
});

test('a replaced geo file is taken by itself, once', async (t) => {
  const directory = scratch(t);
  const database = join(directory, 'geo.mmdb');
  writeFileSync(database, '1');
  const node = open(t, { ...CONFIG, geo: { databases: [database] } });
  await node.clock.advance(GEO_POLL_MS);
  assert.equal(node.current().snapshot.generation, 1);
  utimesSync(database, 1, 2);
  await node.clock.advance(GEO_POLL_MS);
  await settle();
  assert.equal(node.current().snapshot.generation, 2);
  await node.clock.advance(3 * GEO_POLL_MS);
  assert.equal(node.current().snapshot.generation, 2);
  assert.deepEqual(node.kinds(), ['geo.reload']);
});

test('a geo file that changes while it is compiled is taken again', async (t) => {
  const directory = scratch(t);
  const database = join(directory, 'geo.mmdb');
  writeFileSync(database, '1');
  const node = open(t, { ...CONFIG, geo: { databases: [database] } });
  utimesSync(database, 1, 2);
  node.compiler.hold();
  await node.clock.advance(GEO_POLL_MS);
  utimesSync(database, 1, 3);
  node.compiler.release();
  await settle();
  await node.clock.advance(GEO_POLL_MS);
  await settle();
  assert.equal(node.current().snapshot.generation, 3);
});

test('close() stops looking at geo files and waits for the reload that runs', async (t) => {
  const node = open(t);
  node.compiler.hold();
  const reloading = node.reloader.reload('ann');
  await settle();
  let closed = false;
  const closing = node.reloader.close().then(() => {
    closed = true;
  });
  await settle();
  assert.equal(closed, false);
  node.compiler.release();
  await closing;
  assert.ok((await reloading).ok);
  assert.equal(node.clock.pending(), 0);
});

test('reload() takes all but own sections from what the nodes share, once the file says so', async (t) => {
  const node = open(t);
  const { regions, ...rest } = CONFIG;
  const common = { ...CONFIG, regions: { ...regions, asia: regions.eu }, log: { level: 'debug' } };
  node.share(sharedRevision(7, JSON.stringify(common)));
  await node.reloader.reload('ben');
  assert.deepEqual(Object.keys(node.current().config.regions), ['us', 'eu']);
  node.write({ ...CONFIG, cluster: { sharedConfig: true } });
  const result = await node.reloader.reload('ben');
  assert.deepEqual([result.ok, result.generation, result.revision], [true, 3, 7]);
  const { log, regions: now } = node.current().config;
  assert.deepEqual([Object.keys(now), log.level], [['us', 'eu', 'asia'], 'info']);
  node.write({ ...rest, regions, cluster: { sharedConfig: false } });
  assert.equal((await node.reloader.reload('ben')).revision, 0);
});

test('reload() of a shared revision that is invalid here keeps the one before', async (t) => {
  const node = open(t, { ...CONFIG, cluster: { sharedConfig: true } });
  node.share(sharedRevision(1, JSON.stringify(CONFIG)));
  assert.equal((await node.reloader.reload('revision 1')).revision, 1);
  node.share(sharedRevision(2, 'pools: { web: { endpoints: [mars] } }'));
  const refused = await node.reloader.reload('revision 2');
  assert.deepEqual([refused.ok, refused.revision], [false, 1]);
  assert.equal(refused.issues[0]?.file, 'revision 2');
  assert.ok(
    node.current().config.zones['gslb.example.'] ?? node.current().config.zones['gslb.example'],
  );
  assert.deepEqual(node.kinds(), ['config.reload', 'config.refused']);
  // What is served is by the revision before, also when new geo data come.
  assert.equal(node.served()?.revision, 1);
});

function open(t: TestContext, config: ConfigFile = CONFIG) {
  const file = join(scratch(t), 'meridian.yaml');
  const write = (next: ConfigFile): void => writeFileSync(file, JSON.stringify(next));
  write(config);
  const source = { file, environment: {} };
  const loaded = loadConfig(source);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const compiled = compileSnapshot(loaded.config, geo, 1, loaded.revision);
  assert.ok(compiled.ok);
  let serving: Serving = createServing(loaded.config, { ...compiled, geo });
  const clock = createMovedClock();
  let latest: Revision | undefined;
  let served: Revision | undefined;
  const kinds: string[] = [];
  const problems: SocketProblem[] = [];
  const compiler = createHeldCompiler();
  const reloader = createReloader({
    source,
    clock,
    compiler,
    events: { record: (kind) => kinds.push(kind) },
    current: () => serving,
    shared: { latest: () => latest, current: () => served },
    overlays: { current: () => [] },
    async swapZone(next) {
      serving = next;
    },
    async swap(next, shared) {
      serving = next;
      served = shared;
      return problems;
    },
  });
  t.after(() => reloader.close());
  return {
    reloader,
    clock,
    compiler,
    problems,
    file,
    write,
    share(next: Revision) {
      latest = next;
    },
    kinds: () => kinds,
    current: () => serving,
    served: () => served,
  };
}

/** Compiles in this thread, when it is let. */
function createHeldCompiler() {
  let gate: Promise<void> = Promise.resolve();
  let open: () => void = () => {};
  const compiler = {
    running: 0,
    next: undefined as (() => CompileResult) | undefined,
    hold() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    release: () => open(),
    async compile(request: {
      readonly config: Serving['config'];
      readonly generation: number;
      readonly revision: number;
    }): Promise<CompileResult> {
      compiler.running += 1;
      await gate;
      compiler.running -= 1;
      if (compiler.next) return compiler.next();
      const { config, generation, revision } = request;
      const compiled = compileSnapshot(config, geo, generation, revision);
      assert.ok(compiled.ok);
      const { snapshot } = compiled;
      return { ok: true, snapshot, geo, warnings: [], elapsedMs: 0 };
    },
  };
  return compiler;
}

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-reload-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}
