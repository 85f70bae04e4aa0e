import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { STARTED_AT_MS } from '../admin/fixture-plane.ts';
import { openCli } from './cli-harness.ts';
import { openDoctorWorld, ZONE } from './doctor-world.ts';

test('status shows the keys and what the parent is to have; ds prints it to be pasted', async (t) => {
  const { run } = await openCli(t);
  const { code, stdout } = await run('dnssec', 'status', ZONE);
  assert.equal(code, 0);
  assert.match(stdout, /^gslb\.example: keys shared by all nodes$/m);
  assert.match(stdout, /^ *\d+ +ksk +ecdsap256 +active +2026-11-20 12:00:00Z$/m);
  assert.match(stdout, /^The parent is to have, not before 2026-11-20 13:05:00Z:$/m);
  const ds = await run('dnssec', 'ds', `${ZONE.toUpperCase()}.`);
  assert.match(ds.stdout, /^gslb\.example\. IN DS \d+ 13 2 [0-9A-F]{64}\n$/);
  assert.match(ds.stderr, /^Not before 2026-11-20 13:05:00Z: /);
  assert.ok(stdout.includes(ds.stdout.trim()));
  const cds = await run('dnssec', 'ds', ZONE, '--cds');
  assert.equal(cds.stdout, ds.stdout.replace('IN DS', 'IN CDS'));
  const cdnskey = await run('dnssec', 'ds', ZONE, '--cdnskey');
  assert.match(cdnskey.stdout, /^gslb\.example\. IN CDNSKEY 257 3 13 \S+\n$/);
  const json = await run('dnssec', 'status', ZONE, '-o', 'json');
  assert.equal(JSON.parse(json.stdout).keys.length, 2);
  const other = await run('dnssec', 'ds', 'other.example');
  assert.equal(other.code, 1);
  assert.match(other.stderr, /This node signs no zone "other\.example"/);
});

test('a ZSK is replaced step by step', async (t) => {
  const { plane, run } = await openCli(t);
  const start = await run('dnssec', 'roll', 'start', ZONE, '--key', 'zsk');
  assert.match(start.stdout, /^ *\d+ +zsk +ecdsap256 +published /m);
  assert.match(start.stdout, /^zsk is being replaced, introduced: .*Wait until caches .*\(until /m);
  const early = await run('dnssec', 'roll', 'next', ZONE);
  assert.equal(early.code, 1);
  assert.match(early.stderr, /Not now: caches may hold what was before for another \d+ s/);
  plane.advance(7_200_000);
  assert.match((await run('dnssec', 'roll', 'next', ZONE)).stdout, /zsk +ecdsap256 +retired/);
  plane.advance(7_200_000);
  const done = await run('dnssec', 'roll', 'next', ZONE);
  assert.doesNotMatch(done.stdout, /is being replaced|retired/);
  const wrong = await run('dnssec', 'roll', 'start', ZONE);
  assert.equal(wrong.code, 2);
});

/** A parent that shows what it is told to. */
async function withParent(t: TestContext) {
  const cli = await openCli(t);
  const world = await openDoctorWorld(t, STARTED_AT_MS);
  const { address } = world.parent;
  const parent = ['--parent', `${address}:${world.port}`, '--timeout', '2'];
  const show = (texts: readonly string[]): void => {
    world.parent.ds = texts.map((text) => {
      const [tag, algorithm, digestType, digest] = text.split(' ');
      const data = {
        keyTag: Number(tag),
        algorithm: Number(algorithm),
        digestType: Number(digestType),
        digest: Buffer.from(digest!, 'hex'),
      };
      return { name: ZONE, type: 'DS', ttl: 600, data };
    });
  };
  const wanted = async (): Promise<readonly string[]> => {
    const status = await cli.plane.zoneDnssec(ZONE);
    return 'ds' in status ? status.ds : [];
  };
  const next = (...words: string[]) => cli.run('dnssec', 'roll', 'next', ZONE, ...words);
  return { ...cli, world, parent, show, wanted, next };
}

test('a KSK is replaced as the parent follows', async (t) => {
  const { next, parent, plane, run, show, wanted } = await withParent(t);
  const before = await wanted();
  show(before);
  await run('dnssec', 'roll', 'start', ZONE, '--key', 'ksk');
  const missing = await next(...parent);
  assert.equal(missing.code, 1);
  assert.match(
    missing.stderr,
    /The parent lacks the DS of key \d+ \(127\.[\d.]+\): nothing is changed/,
  );
  const both = await wanted();
  assert.equal(both.length, 2);
  show([]);
  assert.match((await next(...parent)).stderr, /The parent has no DS records/);
  show(both);
  const seen = await next(...parent);
  assert.equal(seen.code, 0, seen.stderr);
  // Its TTL of 600 s, an hour for its servers, and what is late in the zone.
  assert.match(seen.stdout, /\(until 2026-11-20 14:15:00Z\)/);
  plane.advance(4_500_000);
  assert.match((await next(...parent)).stdout, /ksk +ecdsap256 +leaving/);
  plane.advance(7_200_000);
  assert.match((await next(...parent)).stdout, /take out the DS of the old key/);
  const stray = await next(...parent);
  assert.match(stray.stderr, /The parent still has the DS of key \d+/);
  show(await wanted());
  const done = await next(...parent);
  assert.equal(done.code, 0);
  assert.doesNotMatch(done.stdout, /is being replaced/);
  assert.notDeepEqual(await wanted(), before);
});

test('the parent is found by a resolver; one that does not answer is not asked on somebody’s word', async (t) => {
  const { next, run, show, wanted, world } = await withParent(t);
  await run('dnssec', 'roll', 'start', ZONE, '--key', 'ksk');
  show(await wanted());
  const by = ['--resolver', `${world.resolver}:${world.port}`, '--port', String(world.port)];
  assert.match((await next(...by)).stdout, /is being replaced, introduced: .*Wait until/);
  const { next: again, run: start } = await withParent(t);
  await start('dnssec', 'roll', 'start', ZONE, '--key', 'ksk');
  const silent = await again('--parent', '127.0.0.1:1', '--timeout', '1');
  assert.equal(silent.code, 69);
  assert.match(silent.stderr, /The parent was not asked: no server .*--ds-seen/s);
  assert.equal((await again('--parent', 'nowhere')).code, 2);
  assert.equal((await again('--ds-seen')).code, 0);
});

test('commands for the root zone reach it', async (t) => {
  const { run } = await openCli(t);
  for (const words of [
    ['dnssec', 'status', '.'],
    ['dnssec', 'roll', 'start', '.', '--key', 'zsk'],
    ['dnssec', 'roll', 'next', '.', '--ds-seen'],
  ]) {
    const { code, stderr } = await run(...words);
    assert.equal(code, 1, words.join(' '));
    assert.match(stderr, /This node signs no zone "\."/, words.join(' '));
  }
  const { stderr } = await run('zone', 'refresh', '.');
  assert.match(stderr, /The zone \. is not copied from a primary/);
});
