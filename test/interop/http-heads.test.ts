import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { createRandom, drawRequests, LAST_REQUEST } from '../fuzz/head-grammar.ts';
import { difference, ourReadings, type Reading } from '../fuzz/head-readings.ts';
import { startNginx } from './nginx-process.ts';

/**
 * Streams of requests are read by our parser and by nginx, which says of each what it has read. What both
 * accept they must read the same, and go on at the same octet. Ours may refuse more.
 */

const SEED = fuzzSeed(20261122);
const RUNS = fuzzRuns(3_000);
const AT_ONCE = 16;

let nginx: Awaited<ReturnType<typeof startNginx>>;
before(async () => {
  nginx = await startNginx(
    'add_header X-Read "$request_method|$request_uri|$http_host"; return 200 "";',
  );
});
after(() => nginx.stop());

async function nginxReadings(text: string): Promise<readonly Reading[]> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = net.connect(nginx.port, '127.0.0.1', () => {
    socket.end(Buffer.from(text, 'latin1'));
  });
  let answer = '';
  socket.setEncoding('latin1');
  socket.on('data', (part: string) => {
    answer += part;
  });
  socket.on('error', () => {});
  socket.on('close', () => resolve());
  await promise;
  const readings: Reading[] = [];
  for (const head of answer.split(/(?=HTTP\/1\.1 )/)) {
    if (!head.startsWith('HTTP/1.1 200 ')) break;
    const [, method = '', target = '', host = ''] =
      /\r\nX-Read: ([^|\r]*)\|([^|\r]*)\|([^\r]*)\r\n/.exec(head) ?? [];
    readings.push({ method, target, host, body: undefined });
  }
  return readings;
}

test(`nginx and our parser read ${RUNS} streams of requests alike (seed ${SEED})`, async (t) => {
  const random = createRandom(SEED);
  let both = 0;
  let twice = 0;
  for (let run = 0; run < RUNS; run += AT_ONCE) {
    const texts = Array.from({ length: AT_ONCE }, () => drawRequests(random));
    const all = await Promise.all(texts.map(nginxReadings));
    for (const [index, theirs] of all.entries()) {
      const ours = ourReadings(texts[index]!);
      if (ours.length > 0 && theirs.length > 0) both++;
      if (ours.length > 1 && theirs.length > 1) twice++;
      const found = difference(ours, theirs);
      const where = `seed ${SEED}, run ${run + index}`;
      assert.equal(found, undefined, `${where}: ${JSON.stringify([texts[index], found])}`);
    }
  }
  t.diagnostic(`${both} were accepted by both, ${twice} with the request that follows`);
  assert.ok(both > RUNS / 20 && twice > RUNS / 40, `${both} and ${twice} of ${RUNS}`);
});

test('nginx tells of each request that it has read, and where the next begins', async () => {
  const head = 'POST /a?b HTTP/1.1\r\nHost: a\r\n';
  const theirs = await nginxReadings(`${head}Content-Length: 5\r\n\r\nhello${LAST_REQUEST}`);
  assert.deepEqual(
    theirs.map(({ method, target, host }) => `${method} ${target} ${host}`),
    ['POST /a?b a', 'GET /next next'],
  );
});
