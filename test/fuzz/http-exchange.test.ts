import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBalancer } from '../../src/balancer/balancer.ts';
import { counterBytes } from '../../src/balancer/counters.ts';
import type { Wire, WireHandlers } from '../../src/balancer/wire.ts';
import {
  createRequestHead,
  findHeadEnd,
  HEAD_MALFORMED,
  parseRequestHead,
} from '../../src/http/head.ts';
import { snapshotOf } from '../balancer/rig.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/**
 * Mutated requests and responses, cut anywhere, into a balancer on wires that exist only here. It
 * must never throw, and whatever reaches a server must be exactly one request that a strict parser
 * takes, followed by no more bytes than its framing announces.
 */

const SEED = fuzzSeed(20261120);
const ITERATIONS = fuzzRuns(4_000);

const REQUESTS = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /x?y HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 5\r\n\r\nhello',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n',
  'GET http://b/%2e/c HTTP/1.0\r\nConnection: keep-alive, X-A\r\nX-A: 1\r\n\r\n',
  'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw',
  'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok',
];
const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n',
  'HTTP/1.0 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw',
];
const PIECES = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '0',
  'chunked',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: x\r\n',
  'Host: b\r\n',
  '\r\n\r\n',
  '\x80',
  '-',
  '5',
];

test(`the balancer survives ${ITERATIONS} mutated conversations (seed ${SEED})`, () => {
  const random = createRandom(SEED);
  let nowMs = 0;
  let written = '';
  let server: WireHandlers | undefined;
  const wire = (onWrite: (bytes: Uint8Array) => void, onGone: () => void): Wire => ({
    remoteAddress: '192.0.2.1',
    remotePort: 1234,
    write(bytes, length = bytes.length) {
      onWrite(bytes.subarray(0, length));
      return random() > 0.1;
    },
    end() {},
    destroy: onGone,
    reset: onGone,
    pause() {},
    resume() {},
    taken: () => 0,
  });
  const snapshot = snapshotOf({ servers: [1, 2], idleMax: 0 });
  const counters = new ArrayBuffer(counterBytes(snapshot));
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const sent = mutate(REQUESTS, random);
    const answer = mutate(RESPONSES, random);
    const connections: string[] = [];
    let gone = false;
    const balancer = createBalancer(
      (_target, handlers) => {
        const at = connections.push('') - 1;
        server = handlers;
        return wire(
          (bytes) => {
            connections[at] += Buffer.from(bytes).toString('latin1');
          },
          () => {
            if (server === handlers) server = undefined;
          },
        );
      },
      random,
      snapshot,
      counters,
    );
    written = '';
    const client = balancer.accept(
      'http',
      wire(
        (bytes) => {
          written += Buffer.from(bytes).toString('latin1');
        },
        () => {
          gone = true;
        },
      ),
      nowMs,
    )!;
    try {
      for (const piece of cut(sent, random)) {
        if (gone) break;
        client.onData(Buffer.from(piece, 'latin1'), ++nowMs);
        if (server && random() > 0.3) server.onOpen(++nowMs);
        if (random() > 0.8) client.onDrain(++nowMs);
      }
      for (const piece of cut(answer, random))
        server?.onData(Buffer.from(piece, 'latin1'), ++nowMs);
      if (random() > 0.5) server?.onEnd(++nowMs);
      else server?.onClose(random() > 0.5 ? 'ECONNRESET' : '', ++nowMs);
      if (!gone && random() > 0.5) client.onEnd(++nowMs);
      nowMs += 100_000;
      balancer.tick(nowMs);
      nowMs += 4_000_000;
      balancer.tick(nowMs);
      balancer.tick(nowMs + 100_000);
      for (const text of connections) assertStrict(text, written);
      assert.equal(balancer.sessions(), 0, 'no session outlives its limits');
    } catch (error) {
      throw new Error(
        `seed ${SEED}, iteration ${iteration}: ${JSON.stringify([sent, answer, connections])}`,
        {
          cause: error,
        },
      );
    }
  }
});

/** What a server got begins with a head that the strict parser takes, free of what must stay behind. */
function assertStrict(text: string, written: string): void {
  if (text === '') return;
  const bytes = Buffer.from(text, 'latin1');
  const head = createRequestHead();
  const end = findHeadEnd(bytes, 0, bytes.length, 0);
  assert.notEqual(end, HEAD_MALFORMED);
  assert.ok(end > 0, 'heads go out whole');
  assert.equal(parseRequestHead(bytes, 0, end, head), undefined);
  assert.equal(head.minor, 1);
  const rest = text.slice(end);
  const isTunnel = /^HTTP\/1.1 101 /m.test(written);
  if (isTunnel) return;
  if (head.chunked) {
    assert.match(rest, /^([0-9a-f]+\r\n[\s\S]*\r\n)*(0\r\n([!-9;-~]+:[^\r\n]*\r\n)*\r\n)?$/);
  } else assert.ok(rest.length <= Math.max(0, head.contentLength), rest);
}

function mutate(texts: readonly string[], random: () => number): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  let text = pick(texts);
  if (random() > 0.7) text += pick(texts);
  for (let edits = Math.floor(random() * 4); edits > 0; edits--) {
    const at = Math.floor(random() * (text.length + 1));
    const kind = random();
    if (kind < 0.4) text = text.slice(0, at) + pick(PIECES) + text.slice(at);
    else if (kind < 0.7) text = text.slice(0, at) + text.slice(at + 1 + Math.floor(random() * 3));
    else
      text = `${text.slice(0, at)}${String.fromCharCode(Math.floor(random() * 256))}${text.slice(at + 1)}`;
  }
  return text;
}

function cut(text: string, random: () => number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const length = random() > 0.5 ? text.length : 1 + Math.floor(random() * 20);
    pieces.push(text.slice(at, at + length));
    at += length;
  }
  return pieces;
}

/** mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
