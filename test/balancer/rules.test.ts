import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHUNK_EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX } from '../../src/http/chunked.ts';
import { connectRaw, startRawOrigin, startRig, talk } from './rig.ts';

/** Rules of RFC 9110 and RFC 9112 as octets in and octets out; docs/http-compliance.md lists them all. */

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const CLOSE = 'Host: x\r\nConnection: close\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** A balancer in front of an origin that says `answer` to each request without a body. */
async function inFrontOf(answer: string | ((text: string) => string), end = false) {
  const origin = await startRawOrigin((socket, text) => {
    if (!/\r\n\r\n$/.test(text)) return;
    socket.write(typeof answer === 'string' ? answer : answer(text));
    if (end) socket.end();
  });
  const rig = await startRig({ servers: [origin.port] });
  return { origin, rig, stop: () => Promise.all([rig.close(), origin.close()]) };
}

test('the target goes on as it came, whatever its normal form', async (t) => {
  const { origin, rig, stop } = await inFrontOf(OK);
  t.after(stop);
  for (const target of [
    '/a//b/./c/%7e?q=%2F&&x=%zz',
    '/a%2Fb',
    '/%41?',
    '/a/../b',
    '/?a=b#'.slice(0, -1),
  ]) {
    const before = origin.received.join('');
    await talk(rig.port, `GET ${target} HTTP/1.1\r\n${CLOSE}\r\n`);
    const sent = origin.received.join('').slice(before.length);
    assert.ok(sent.startsWith(`GET ${target} HTTP/1.1\r\n`), sent);
  }
});

test('a request of HTTP/1.0 without a length has no body, whatever follows', async (t) => {
  const { origin, rig, stop } = await inFrontOf(OK);
  t.after(stop);
  await talk(rig.port, 'POST /a HTTP/1.0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n');
  assert.equal(origin.connections(), 1);
  assert.match(origin.received[0]!, /^POST \/a HTTP\/1.1\r\n/);
  assert.doesNotMatch(origin.received[0]!, /Content-Length: [1-9]|Transfer-Encoding|\/b/);
});

test('an absolute target wins over Host, and the server sees only it', async (t) => {
  const { origin, rig, stop } = await inFrontOf(OK);
  t.after(stop);
  await talk(
    rig.port,
    'GET http://real.example/p HTTP/1.1\r\nHost: liar.example\r\nConnection: close\r\n\r\n',
  );
  assert.match(origin.received[0]!, /^GET \/p HTTP\/1.1\r\nHost: real.example\r\n/);
  assert.ok(!origin.received[0]!.includes('liar'));
});

test('octets on an idle server connection poison it, and answer nobody', async (t) => {
  const { origin, rig, stop } = await inFrontOf(OK);
  t.after(stop);
  const sockets: { write(text: string): void }[] = [];
  const late = await startRawOrigin((socket, text) => {
    sockets.push(socket);
    if (text.endsWith('\r\n\r\n')) socket.write(OK);
  });
  t.after(() => late.close());
  const other = await startRig({ servers: [late.port] });
  t.after(() => other.close());
  assert.match((await talk(other.port, `GET / HTTP/1.1\r\n${CLOSE}\r\n`)).text, /ok$/);
  sockets[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
  // The octets are there before the next request: a round trip through the same thread.
  await talk(rig.port, `GET / HTTP/1.1\r\n${CLOSE}\r\n`);
  const { text } = await talk(other.port, `GET / HTTP/1.1\r\n${CLOSE}\r\n`);
  assert.ok(text.endsWith('ok') && !text.includes('evil'), text);
  assert.equal(late.connections(), 2);
  assert.equal(origin.connections(), 1);
});

for (const [what, request, answer] of [
  ['HEAD', `HEAD / HTTP/1.1\r\n${CLOSE}\r\n`, OK],
  ['204', `GET / HTTP/1.1\r\n${CLOSE}\r\n`, 'HTTP/1.1 204 No Content\r\n\r\nbody'],
  [
    '304',
    `GET / HTTP/1.1\r\n${CLOSE}\r\n`,
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody',
  ],
] as const) {
  test(`what follows the head of an answer to ${what} is no body, and ends the connection`, async (t) => {
    const { origin, rig, stop } = await inFrontOf(answer);
    t.after(stop);
    for (let round = 1; round <= 2; round++) {
      const { text } = await talk(rig.port, request);
      assert.ok(text.endsWith('\r\n\r\n'), text);
      assert.equal(origin.connections(), round);
    }
  });
}

test('HEAD of a chunked answer says so and brings no chunk; the connection is used again', async (t) => {
  const { origin, rig, stop } = await inFrontOf(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n',
  );
  t.after(stop);
  for (let round = 0; round < 2; round++) {
    const { text } = await talk(rig.port, `HEAD / HTTP/1.1\r\n${CLOSE}\r\n`);
    assert.match(text, /\r\nTransfer-Encoding: chunked\r\n[\s\S]*\r\n\r\n$/);
  }
  assert.equal(origin.connections(), 1);
});

test('a server that refuses an expectation is heard, and one that never answers ends in 408', async (t) => {
  const refusing = await inFrontOf('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n');
  const silent = await inFrontOf('');
  t.after(() => Promise.all([refusing.stop(), silent.stop()]));
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n';
  const refused = connectRaw(refusing.rig.port);
  refused.send(head);
  assert.match((await refused.ended()).text, /^HTTP\/1.1 417 [\s\S]*\r\nConnection: close\r\n/);
  const waiting = connectRaw(silent.rig.port);
  waiting.send(head);
  while ((silent.origin.received[0] ?? '') === '') await new Promise(setImmediate);
  silent.rig.pass(30_001);
  assert.match((await waiting.ended()).text, /^HTTP\/1.1 408 /);
});

const UPGRADE = 'GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

test('without a 101 there is no tunnel: what follows is the next request', async (t) => {
  const { origin, rig, stop } = await inFrontOf(OK);
  t.after(stop);
  const { text } = await talk(rig.port, `${UPGRADE}GET /next HTTP/1.1\r\n${CLOSE}\r\n`);
  assert.equal(text.match(/200 OK/g)?.length, 2);
  assert.match(
    origin.received[0]!,
    /^GET \/up [\s\S]*Upgrade: websocket\r\n[\s\S]*GET \/next HTTP\/1.1\r\n[\s\S]*Via: /,
  );
});

test('a 101 to another protocol is 502, and nothing of the client reaches the server', async (t) => {
  const { origin, rig, stop } = await inFrontOf(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n',
  );
  t.after(stop);
  const client = connectRaw(rig.port);
  client.send(`${UPGRADE}secret`);
  const text = await client.until((all) => all.includes('502 Bad Gateway'));
  assert.ok(!text.includes('101'));
  assert.ok(!origin.received.join('').includes('secret'));
  client.socket.destroy();
});

test('a request with a body offers no upgrade, and is framed as any other', async (t) => {
  const { origin, rig, stop } = await inFrontOf(() => OK);
  t.after(stop);
  const { text } = await talk(
    rig.port,
    `POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\n\r\n\r\n`,
  );
  assert.match(text, /^HTTP\/1.1 200 OK/);
  assert.match(origin.received[0]!, /\r\nContent-Length: 4\r\n/);
  assert.doesNotMatch(origin.received[0]!, /Upgrade/i);
});

const ENDLESS: readonly (readonly [what: string, body: string])[] = [
  ['an extension too long', `1;${'e'.repeat(CHUNK_EXTENSION_BYTES_MAX + 1)}\r\nx\r\n0\r\n\r\n`],
  ['extensions too long together', `${`1;${'e'.repeat(1000)}\r\nx\r\n`.repeat(5)}0\r\n\r\n`],
  ['trailers too long', `1\r\nx\r\n0\r\nX: ${'t'.repeat(TRAILER_BYTES_MAX)}\r\n\r\n`],
];
for (const [what, body] of ENDLESS) {
  test(`a body with ${what} is refused, and never looks complete`, async (t) => {
    const origin = await startRawOrigin(() => {});
    const rig = await startRig({ servers: [origin.port] });
    t.after(() => Promise.all([rig.close(), origin.close()]));
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    assert.match(
      (await talk(rig.port, head + body)).text,
      /^HTTP\/1.1 400 [\s\S]*Connection: close/,
    );
    assert.ok(!origin.received.join('').includes('\r\n0\r\n'));
  });
}

test('an answer without a body leaves no octet of the request behind: nothing is out of step', async (t) => {
  // The answer comes while the body is under way; the connection must not be used for the next request.
  const origin = await startRawOrigin((socket, text) => {
    if (text.split('\r\n\r\n').length === 2) socket.write(OK);
  });
  const rig = await startRig({ servers: [origin.port] });
  t.after(() => Promise.all([rig.close(), origin.close()]));
  const early = connectRaw(rig.port);
  early.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\nGET /smuggled HTTP/1.1\r\n');
  await early.until((text) => text.endsWith('ok'));
  assert.match((await talk(rig.port, `${GET.slice(0, -2)}Connection: close\r\n\r\n`)).text, /ok$/);
  assert.equal(origin.connections(), 2);
  early.socket.destroy();
});
