import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { packetMemory } from '../../src/dns/packet-memory.ts';
import { createGathering } from '../../src/io/gathering.ts';
import { answerFast } from '../../src/nameserver/fast-path.ts';
import { createForesight, foresee } from '../../src/nameserver/foresight.ts';
import { SIGN } from '../../src/nameserver/outcomes.ts';
import { createPacketCache } from '../../src/nameserver/packet-cache.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { learn, type WorkerState } from '../../src/nameserver/worker-state.ts';
import { buildQuery, opt, option } from '../dns/query-builder.ts';
import { signedWorld } from '../signing/signed-world.ts';
import { clientAt, NOW_MS, queryBytes, startWorker, wireName } from './fixture.ts';

/** Well below one object (16 bytes at least) a query: what the engine itself allocates meanwhile. */
const BYTES_PER_QUERY_MAX = 4;
const QUERIES = 60_000;
const COOKIE = opt(option(10, [1, 2, 3, 4, 5, 6, 7, 8]));
const ROUNDS_MAX = 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test('respond() allocates nothing', () => {
  checkNothingAllocated(startWorker(), [
    queryBytes('www.gslb.example', 'A', { subnet: '80.1.2.0/24' }),
    queryBytes('www.gslb.example', 'AAAA', { subnet: '2001:db8:2000::/48' }),
    queryBytes('share.gslb.example', 'A'),
    queryBytes('static.gslb.example', 'A'),
    queryBytes('x.wild.gslb.example', 'MX'),
    queryBytes('twice.gslb.example', 'A', { edns: true }),
    queryBytes('no.gslb.example', 'A', { edns: true }),
    queryBytes('sub.gslb.example', 'A', { edns: true }),
    queryBytes('no.such.test', 'A'),
  ]);
});

test('respond() allocates nothing for signed answers, nor before it leaves one to the signer', () => {
  for (const denial of ['nsec', 'compact'] as const) {
    checkNothingAllocated(signedWorld(denial).worker, [
      signedQuery('www.gslb.example', 'A'),
      signedQuery('share.gslb.example', 'AAAA'),
      signedQuery('static.gslb.example', 'A'),
      signedQuery('x.wild.gslb.example', 'MX'),
      signedQuery('x.app.gslb.example', 'A'),
      signedQuery('twice.gslb.example', 'A'),
      signedQuery('static.gslb.example', 'AAAA'),
      signedQuery('no.gslb.example', 'A'),
      signedQuery('sub.gslb.example', 'A'),
      signedQuery('x.old.gslb.example', 'A'),
    ]);
  }
});

test('respond() allocates nothing for what the signer has signed once', () => {
  const { noted, signer, snapshot, worker } = signedWorld('compact');
  const names = ['no', 'x.wild', 'x.app', 'y.app', 'no.wild'];
  const queries = names.map((name) => signedQuery(`${name}.gslb.example`, 'A'));
  const reply = new Uint8Array(1500);
  const client = clientAt('192.0.2.200');
  for (const query of queries) {
    assert.equal(respond(worker, client, query, query.length, NOW_MS, reply), SIGN);
    respond(signer, client, query, query.length, NOW_MS, reply);
  }
  learn(worker, snapshot.generation, noted);
  for (const query of queries) {
    assert.ok(respond(worker, client, query, query.length, NOW_MS, reply) > 0);
  }
  checkNothingAllocated(worker, queries);
});

test('answerFast() allocates nothing', () => {
  const worker = startWorker();
  worker.cache = createPacketCache();
  worker.cookies = { current: new Uint8Array(16), others: [] };
  const queries = [
    queryBytes('www.gslb.example', 'A', { subnet: '80.1.2.0/24' }),
    queryBytes('www.gslb.example', 'AAAA', { subnet: '2001:db8:2000::/48' }),
    queryBytes('share.gslb.example', 'A'),
    queryBytes('static.gslb.example', 'A'),
    queryBytes('x.wild.gslb.example', 'MX'),
    queryBytes('no.gslb.example', 'A', { edns: true }),
    buildQuery({ question: [...wireName('www.gslb.example'), 0, 1, 0, 1], records: [COOKIE] }),
  ];
  const memory = new ArrayBuffer(3 * 4096);
  const packets = packetMemory(memory);
  const client = clientAt('192.0.2.200');
  client.port = 40_000;
  const reply = packets.bytes.subarray(8192);
  for (const query of [...queries, ...queries]) {
    packets.bytes.set(query);
    const length = answerFast(worker, client, packets, 0, query.length, NOW_MS, 8192);
    if (length < 0) respond(worker, client, query, query.length, NOW_MS, reply);
  }
  checkNothingAllocatedBy(queries, (query) => {
    for (let at = 0; at < query.length; at += 1) packets.bytes[at] = query[at]!;
    const length = answerFast(worker, client, packets, 0, query.length, NOW_MS, 8192);
    assert.ok(length > 0);
  });
});

test('looking ahead at a batch, and judging whether to let another one gather, allocates nothing', () => {
  const worker = startWorker();
  const queries = ['80.1.2.0/24', '2001:db8:2000::/48', '2001:db8:2000::/56'].map((subnet) =>
    queryBytes('www.gslb.example', 'A', { subnet }),
  );
  const reply = new Uint8Array(1500);
  respond(worker, clientAt('192.0.2.200'), queries[0]!, queries[0]!.length, NOW_MS, reply);
  const bytes = new Uint8Array(queries.length * 512);
  for (const [index, query] of queries.entries()) bytes.set(query, index * 512);
  const memory = packetMemory(bytes.buffer);
  const lengths = Int32Array.from(queries, ({ length }) => length);
  const foresight = createForesight(queries.length);
  const gathering = createGathering(150);
  checkNothingAllocatedBy(queries, () => {
    foresee(foresight, worker.place, memory, 0, 512, lengths, lengths.length);
    gathering.waitUs(lengths.length, NOW_MS);
  });
  assert.deepEqual([foresight.addresses.count4, foresight.addresses.count6], [1, 2]);
});

function signedQuery(name: string, type: string): Uint8Array {
  return queryBytes(name, type, { edns: true, isSigned: true });
}

function checkNothingAllocated(worker: WorkerState, queries: readonly Uint8Array[]): void {
  const reply = new Uint8Array(1500);
  const client = clientAt('192.0.2.200');
  // One number for all, as for a batch: a new one would be an allocation of the caller's.
  checkNothingAllocatedBy(queries, (query) => {
    respond(worker, client, query, query.length, NOW_MS, reply);
  });
}

function checkNothingAllocatedBy(
  queries: readonly Uint8Array[],
  answer: (query: Uint8Array) => void,
): void {
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) answer(queries[i % queries.length]!);
  };
  // Warm: until it is optimized, the engine boxes numbers of its own.
  run(QUERIES);
  let least = Number.POSITIVE_INFINITY;
  // On a busy machine the engine optimizes late.
  for (let round = 0; round < ROUNDS_MAX && least >= BYTES_PER_QUERY_MAX * QUERIES; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    run(QUERIES);
    least = Math.min(least, process.memoryUsage().heapUsed - before);
  }
  const perQuery = least / QUERIES;
  assert.ok(perQuery < BYTES_PER_QUERY_MAX, `${perQuery.toFixed(2)} bytes a query`);
}
