import assert from 'node:assert/strict';
import http from 'node:http';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { fuzzRuns, fuzzSeed } from './effort.ts';
import { createRandom, drawRequests, LAST_REQUEST } from './head-grammar.ts';
import { difference, ourReadings, type Reading } from './head-readings.ts';

/**
 * Streams of requests are read by our parser and by llhttp, which is Node's and strict. What both accept
 * they must read the same: method, target, host, body, and where the next request begins (RFC 9112
 * section 11.2). Ours may refuse more.
 */

const SEED = fuzzSeed(20261122);
const RUNS = fuzzRuns(4_000);
/** Turns of the event loop in which Node tells of all that it has read. */
const TURNS = 4;

async function llhttpReadings(text: string): Promise<readonly Reading[]> {
  type Heard = { readonly request: http.IncomingMessage; body: string };
  const heard: Heard[] = [];
  const server = http.createServer({ maxHeaderSize: 64 * 1024 });
  const hear = (request: http.IncomingMessage): void => {
    const one: Heard = { request, body: '' };
    heard.push(one);
    request.setEncoding('latin1');
    request.on('data', (part: string) => {
      one.body += part;
    });
    request.on('error', () => {});
  };
  server.on('request', hear);
  server.on('checkContinue', hear);
  server.on('checkExpectation', hear);
  server.on('clientError', () => {});
  const socket = new Duplex({ read() {}, write: (_bytes, _encoding, done) => done() });
  server.emit('connection', socket);
  socket.push(Buffer.from(text, 'latin1'));
  for (let turn = 0; turn < TURNS; turn++) await new Promise(setImmediate);
  socket.destroy();
  server.close();
  const partial = heard.findIndex(({ request }) => !request.complete);
  return heard.slice(0, partial < 0 ? heard.length : partial).map(({ body, request }) => ({
    method: request.method!,
    target: request.url!,
    host: request.headers.host ?? '',
    body,
  }));
}

test(`llhttp and our parser read ${RUNS} streams of requests alike (seed ${SEED})`, async (t) => {
  const random = createRandom(SEED);
  let both = 0;
  let hidden = 0;
  for (let run = 0; run < RUNS; run++) {
    const text = drawRequests(random);
    const ours = ourReadings(text);
    const theirs = await llhttpReadings(text);
    if (ours.length > 0 && theirs.length > 0) both++;
    if (ours.length > 1) hidden++;
    const found = difference(ours, theirs);
    assert.equal(found, undefined, `seed ${SEED}, run ${run}: ${JSON.stringify([text, found])}`);
  }
  t.diagnostic(`${both} were accepted by both; ${hidden} had a second request for us`);
  assert.ok(both > RUNS / 20 && hidden > RUNS / 40, `${both} and ${hidden} of ${RUNS}`);
});

test('difference() sees another length, another host and another next request', async () => {
  const head = 'POST /a HTTP/1.1\r\nHost: a\r\n';
  const five = await llhttpReadings(`${head}Content-Length: 5\r\n\r\nhello${LAST_REQUEST}`);
  assert.equal(five.length, 2);
  const [first, second] = five;
  assert.equal(difference(five, five), undefined);
  assert.ok(difference([{ ...first!, body: 'hell' }], five));
  assert.ok(difference([{ ...first!, host: 'b' }], five));
  assert.ok(difference([first!, { ...second!, target: '/in' }], five));
});
