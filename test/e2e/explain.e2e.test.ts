import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Explanation } from '../../src/control/control-plane.ts';
import { DEFER_LIMITS } from '../../src/nameserver/defer.ts';
import type { RunningNode } from '../../src/node/start-node.ts';
import { ask, run, serverWords } from '../interop/ask.ts';
import { queryBytes } from '../nameserver/fixture.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { type NodeFixture, startNodeFixture } from '../node/node-fixture.ts';
import { scratchDirectory } from '../node/scratch.ts';
import { until } from '../node/until.ts';

/** Why a client gets its answer, asked with dig, and of a past that has had reloads and a restart. */
const NAME = 'www.gslb.example';
const CLIENT = '133.11.0.0/16';
const DEADLINE_MS = 10_000;

type World = { readonly config: Record<string, unknown>; readonly address: string };

function plan(
  changes: { readonly state?: string; readonly weight?: number; readonly allow?: string[] } = {},
): World {
  const address = loopbackAddress();
  const { allow, state, weight = 1 } = changes;
  return {
    address,
    config: {
      node: {
        name: 'fra-1',
        roles: ['nameserver'],
        workers: { dns: 2 },
        ...(state === undefined ? {} : { stateDirectory: state }),
      },
      regions: {
        frankfurt: { location: 'DE', vips: ['192.0.2.1'] },
        singapore: { location: 'SG', vips: ['192.0.2.2'] },
      },
      pools: { web: { endpoints: [{ region: 'frankfurt' }, { region: 'singapore', weight }] } },
      zones: {
        'gslb.example': {
          nameservers: ['ns1'],
          records: { ns1: { A: '192.0.2.53' } },
          steered: { www: { pool: 'web', policy: 'closest' } },
        },
      },
      dns: {
        listeners: [`${address}:5300`],
        ...(allow === undefined ? {} : { explain: { allow } }),
      },
    },
  };
}

async function start(t: TestContext, world: World): Promise<NodeFixture> {
  const fixture = await startNodeFixture(world.config);
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (!stopped) await fixture.stop();
    stopped = true;
  };
  t.after(stop);
  return { ...fixture, stop };
}

async function explainAt(node: RunningNode, atMs?: number): Promise<Explanation> {
  const said = await node.plane.explain({ name: NAME, client: CLIENT }, atMs);
  assert.ok('ttl' in said, JSON.stringify(said));
  return said;
}

const explainTotal = async (node: RunningNode, result: string): Promise<number> => {
  const { body } = await node.plane.metrics();
  const line = new RegExp(
    `^meridian_dns_explain_queries_total\\{result="${result}"\\} (\\d+)$`,
    'm',
  );
  return Number(line.exec(body)?.[1] ?? -1);
};

test('dig TXT _explain.NAME tells what the client gets, and why', async (t) => {
  const world = plan();
  const { node } = await start(t, world);
  const server = { address: world.address, port: 5300 };
  const given = await ask('dig', server, `+subnet=${CLIENT}`, NAME);
  const udp = await ask('dig', server, `+subnet=${CLIENT}`, `_explain.${NAME}`, 'TXT');
  const tcp = await ask('dig', server, '+tcp', `+subnet=${CLIENT}`, `_explain.${NAME}`, 'TXT');
  const texts = udp.answer.map((record) => record.split(' TXT ')[1]);
  assert.equal(
    texts[0],
    `"01 ${NAME}. A for ${CLIENT} (client subnet; JP-13, Japan; near singapore)"`,
  );
  assert.equal(given.answer[0]?.split(' ').at(-1), '192.0.2.2');
  assert.match(
    texts[1] ?? '',
    /^"02 gets 192\.0\.2\.2 of singapore, TTL (?:2[789]|30), scope \/\d+"$/,
  );
  assert.match(texts.join('\n'), /web\/singapore: tier 1, up, weight 1, \d+ km, answered to 100 %/);
  assert.match(texts.join('\n'), /served by fra-1, generation 1, config [0-9a-f]{12}/);
  assert.equal(udp.subnet, `${CLIENT}/0`);
  assert.deepEqual([udp.transport, tcp.transport], ['UDP', 'TCP']);
  assert.equal(tcp.answer.length, udp.answer.length);
  assert.ok(udp.answer.every((record) => record.startsWith(`_explain.${NAME}. 0 IN TXT`)));

  const small = await ask('dig', server, '+bufsize=512', '+ignore', `_explain.${NAME}`, 'TXT');
  assert.ok(small.flags.includes('tc'));
  const retried = await ask('dig', server, '+bufsize=512', `_explain.${NAME}`, 'TXT');
  assert.deepEqual([retried.transport, retried.status], ['TCP', 'NOERROR']);
  const kdig = await ask('kdig', server, `_explain.${NAME}`, 'TXT');
  assert.match(kdig.answer.join('\n'), /for 127\.0\.0\.1\/32 \(the resolver's address/);
  assert.ok((await explainTotal(node, 'taken')) >= 5);
});

test('dig from elsewhere sees what the zone says', async (t) => {
  const world = plan({ allow: ['127.0.0.1/32'] });
  await start(t, world);
  const server = { address: world.address, port: 5300 };
  const words = [`_explain.${NAME}`, 'TXT'];
  for (const flags of [[], ['+tcp']]) {
    const denied = await ask('dig', server, '-b', '127.0.0.2', ...flags, ...words);
    assert.deepEqual([denied.status, denied.answer], ['NXDOMAIN', []]);
    const allowed = await ask('dig', server, '-b', '127.0.0.1', ...flags, ...words);
    assert.equal(allowed.status, 'NOERROR');
  }
});

test('a flood of questions for explanations is dropped beyond the limit, and answers go on', async (t) => {
  const world = plan();
  const { node } = await start(t, world);
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  let replies = 0;
  socket.on('message', () => {
    replies += 1;
  });
  const query = queryBytes(`_explain.${NAME}`, 'TXT', { udpSize: 1232 });
  for (let count = 0; count < 2000; count += 1) {
    socket.send(query, 5300, world.address);
    if (count % 100 === 0) await delay(1);
  }
  await until(
    async () => (await explainTotal(node, 'dropped')) + (await explainTotal(node, 'taken')) >= 1900,
    DEADLINE_MS,
    'all are counted',
  );
  const taken = await explainTotal(node, 'taken');
  assert.ok(taken >= 1 && taken < DEFER_LIMITS.explain.nodePerSecond * 5, `${taken} taken`);
  assert.ok(replies <= taken, `${replies} of ${taken}`);
  const server = { address: world.address, port: 5300 };
  assert.equal((await ask('dig', server, NAME)).status, 'NOERROR');
  const flooded = await run('dig', ['+tcp', '+tries=1', ...serverWords(server), NAME]);
  assert.equal(flooded.code, 0);
});

test('an explanation holds up no other answer of its TCP connection (RFC 7766 7)', async (t) => {
  const world = plan();
  await start(t, world);
  const socket = connect(5300, world.address);
  t.after(() => socket.destroy());
  const received: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => received.push(bytes));
  const questions = [NAME, `_explain.${NAME}`, 'ns1.gslb.example', `_explain.${NAME}`, NAME];
  const framed = questions.map((name, id) => {
    const query = queryBytes(name, name.startsWith('_') ? 'TXT' : 'A');
    query[1] = id;
    return Buffer.from([query.length >> 8, query.length & 0xff, ...query]);
  });
  socket.write(Buffer.concat(framed));
  const ids = (): number[] => {
    const all = Buffer.concat(received);
    const found: number[] = [];
    for (let at = 0; at + 2 <= all.length; ) {
      const length = all.readUInt16BE(at);
      if (at + 2 + length > all.length) break;
      found.push(all[at + 3]!);
      at += 2 + length;
    }
    return found;
  };
  await until(() => ids().length === questions.length, DEADLINE_MS, 'all are answered');
  assert.deepEqual(ids().slice(0, 3), [0, 2, 4], 'what is known is said at once');
  assert.deepEqual(ids().slice(3).toSorted(), [1, 3]);
});

test('explain() of the past knows overrides, reloads and what was before a restart', async (t) => {
  const state = scratchDirectory('record');
  const world = plan({ state });
  const first = await start(t, world);
  const startedMs = Date.now();
  await delay(20);
  const target = { kind: 'region', name: 'singapore' } as const;
  const drained = await first.node.plane.setOverride({
    target,
    action: 'drain',
    reason: 'kernel',
    by: 'alice',
  });
  assert.ok(!('problem' in drained));
  await delay(20);
  const drainedMs = Date.now();
  await delay(20);
  const file = { ...plan({ state, weight: 7 }).config, dns: world.config['dns'] };
  writeFileSync(first.file, JSON.stringify(file));
  assert.ok((await first.node.plane.reload('test')).ok);
  await delay(20);
  const reloadedMs = Date.now();

  const expectPast = async (node: RunningNode): Promise<void> => {
    const before = await explainAt(node, startedMs);
    assert.deepEqual([before.region, before.served.generation], ['singapore', 1]);
    const during = await explainAt(node, drainedMs);
    assert.equal(during.region, 'frankfurt');
    const out = during.candidates.find(({ name }) => name === 'web/singapore');
    assert.equal(out?.state, 'drained');
    assert.match(out?.reason ?? '', /^drained by alice \(kernel\); judged up/);
    assert.deepEqual([out?.weight, out?.answerShare], [1, 0]);
    const after = await explainAt(node, reloadedMs);
    assert.equal(after.served.generation, 2);
    assert.notEqual(after.served.config, before.served.config);
    const weights = after.candidates.map(({ name, weight }) => `${name} ${weight}`);
    assert.ok(weights.includes('web/singapore 7'), weights.join());
    assert.deepEqual([...before.notes, ...during.notes, ...after.notes], []);
  };
  await expectPast(first.node);
  const problem = await first.node.plane.explain({ name: NAME }, startedMs - 3_600_000);
  assert.ok('problem' in problem);
  assert.equal(problem.code, 'explain.before-record');
  await first.stop();
  assert.ok(readdirSync(join(state, 'journal')).some((name) => name.endsWith('.jsonl')));

  const second = await start(t, world);
  await expectPast(second.node);
  assert.equal((await explainAt(second.node)).region, 'frankfurt', 'the drain outlives a restart');
});

test('a node whose directory cannot be written explains the past out of memory', async (t) => {
  const place = scratchDirectory('record');
  const file = join(place, 'file');
  writeFileSync(file, '');
  const { node } = await start(t, plan({ state: join(file, 'state') }));
  await delay(400);
  const said = await explainAt(node, Date.now() - 200);
  assert.equal(said.region, 'singapore');
});
