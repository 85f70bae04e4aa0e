import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { RawOrigin, Rig } from './rig.ts';
import { startRawOrigin, startRig, talk } from './rig.ts';

/**
 * Requests that two parsers could read in two ways. Each must be refused, the connection closed,
 * and not a byte of it may reach a server (RFC 9112 section 11.2).
 */

let origin: RawOrigin;
let rig: Rig;
before(async () => {
  origin = await startRawOrigin((socket, text) => {
    if (text.includes('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  rig = await startRig({ servers: [origin.port], limits: { lingerTimeoutMs: 0 } });
});
after(async () => {
  await rig.close();
  origin.close();
});

const GET = 'GET / HTTP/1.1\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\n';

const REFUSED: readonly (readonly [name: string, status: number, request: string])[] = [
  ['no Host', 400, `${GET}\r\n`],
  ['two Hosts', 400, `${GET}Host: a\r\nHost: b\r\n\r\n`],
  ['two equal Hosts', 400, `${GET}Host: a\r\nHost: a\r\n\r\n`],
  ['empty Host', 400, `${GET}Host:\r\n\r\n`],
  ['comma in Host', 400, `${GET}Host: a,b\r\n\r\n`],
  ['userinfo in Host', 400, `${GET}Host: user@a\r\n\r\n`],
  ['path in Host', 400, `${GET}Host: a/b\r\n\r\n`],
  ['blank in Host', 400, `${GET}Host: a b\r\n\r\n`],
  ['bad port in Host', 400, `${GET}Host: a:99999\r\n\r\n`],
  ['two Hosts on HTTP/1.0', 400, 'GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n'],
  ['bare LF after the request line', 400, 'GET / HTTP/1.1\nHost: a\r\n\r\n'],
  ['bare LF after a field', 400, `${GET}Host: a\nX: b\r\n\r\n`],
  ['bare LF LF as the end', 400, `${GET}Host: a\r\n\n`],
  ['bare CR in a value', 400, `${GET}Host: a\r\nX: b\rY: c\r\n\r\n`],
  ['bare CR in the request line', 400, `GET /\rX HTTP/1.1\r\nHost: a\r\n\r\n`],
  ['NUL in a value', 400, `${GET}Host: a\r\nX: b\0c\r\n\r\n`],
  ['NUL in a name', 400, `${GET}Host: a\r\nX\0: b\r\n\r\n`],
  ['folded line', 400, `${GET}Host: a\r\nX: b\r\n c\r\n\r\n`],
  ['folded line with a tab', 400, `${GET}Host: a\r\nX: b\r\n\tc\r\n\r\n`],
  ['blank before the first field', 400, `${GET} Host: a\r\n\r\n`],
  ['blank before a colon', 400, `${GET}Host : a\r\n\r\n`],
  [
    'blank before the colon of Transfer-Encoding',
    400,
    `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['line without a colon', 400, `${GET}Host: a\r\nXY\r\n\r\n`],
  ['empty name', 400, `${GET}Host: a\r\n: b\r\n\r\n`],
  ['bracket in a name', 400, `${GET}Host: a\r\nX(1): b\r\n\r\n`],
  ['octet above 127 in a name', 400, `${GET}Host: a\r\nX\xe9: b\r\n\r\n`],
  [
    'length and coding',
    400,
    `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    'coding and length',
    400,
    `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
  ],
  ['two lengths', 400, `${POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
  ['two lengths in a list', 400, `${POST}Content-Length: 5, 6\r\n\r\nhello`],
  ['empty length', 400, `${POST}Content-Length:\r\n\r\n`],
  ['empty length in a list', 400, `${POST}Content-Length: 5,\r\n\r\nhello`],
  ['signed length', 400, `${POST}Content-Length: +5\r\n\r\nhello`],
  ['negative length', 400, `${POST}Content-Length: -5\r\n\r\nhello`],
  ['hexadecimal length', 400, `${POST}Content-Length: 0x5\r\n\r\nhello`],
  ['length with a fraction', 400, `${POST}Content-Length: 5.0\r\n\r\nhello`],
  ['length with a blank', 400, `${POST}Content-Length: 5 0\r\n\r\nhello`],
  ['length beyond counting', 400, `${POST}Content-Length: 18446744073709551621\r\n\r\nhello`],
  [
    'coding on HTTP/1.0',
    400,
    'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['chunked twice', 400, `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
  [
    'chunked in two fields',
    400,
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    'chunked and then another coding',
    400,
    `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
  ],
  [
    'another coding and then chunked',
    501,
    `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['unknown coding', 501, `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  ['identity', 501, `${POST}Transfer-Encoding: identity\r\n\r\n`],
  ['quoted chunked', 400, `${POST}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`],
  ['chunked with a parameter', 400, `${POST}Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n`],
  ['chunked with a vertical tab', 400, `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
  ['empty coding', 400, `${POST}Transfer-Encoding:\r\n\r\n`],
  [
    'Connection nominates the length',
    400,
    `${POST}Connection: content-length\r\nContent-Length: 5\r\n\r\nhello`,
  ],
  ['Connection nominates Host', 400, `${GET}Host: a\r\nConnection: host\r\n\r\n`],
  [
    'Connection with far too many options',
    400,
    `${GET}Host: a\r\nConnection: ${'x, '.repeat(40)}y\r\n\r\n`,
  ],
  ['two blanks in the request line', 400, 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['tab in the request line', 400, 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['blank at the end of the request line', 400, 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n'],
  ['blank in the target', 400, 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['no version', 400, 'GET /\r\nHost: a\r\n\r\n'],
  ['HTTP/0.9', 400, 'GET /\r\n\r\n'],
  ['HTTP/1.2', 505, 'GET / HTTP/1.2\r\nHost: a\r\n\r\n'],
  ['HTTP/2.0', 505, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/01.1', 400, 'GET / HTTP/01.1\r\nHost: a\r\n\r\n'],
  ['lower-case version', 400, 'GET / http/1.1\r\nHost: a\r\n\r\n'],
  ['method that is no token', 400, 'G(T / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['NUL in the target', 400, 'GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['fragment in the target', 400, 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['octet above 127 in the target', 400, 'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['userinfo in an absolute target', 400, 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['comma in the authority', 400, 'GET http://a,b/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['another scheme', 400, 'GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['asterisk for GET', 400, 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['authority for GET', 400, 'GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['path outside the root', 400, 'GET /../x HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['dot segment behind an encoded slash', 400, 'GET /a/..%2fb HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['encoded NUL', 400, 'GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['backslash', 400, 'GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['CONNECT', 405, 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n'],
  ['TRACE', 405, 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['unknown expectation', 417, `${GET}Host: a\r\nExpect: coffee\r\n\r\n`],
  ['TLS', 400, '\x16\x03\x01\x02\x00\x01\x00'],
  ['two empty lines before the request', 400, `\r\n\r\n${GET}Host: a\r\n\r\n`],
  ['request that came here before', 508, `${GET}Host: a\r\nVia: 1.1 meridian-test\r\n\r\n`],
  [
    'request that came here before others',
    508,
    `${GET}Host: a\r\nVia: 1.1 a\r\nVia: 1.1 b (c, \\) d), 1.0 meridian-test (e), 1.1 f\r\n\r\n`,
  ],
  ['target too long', 414, `GET /${'a'.repeat(9000)}`],
  ['head too large', 431, `${GET}Host: a\r\nX: ${'a'.repeat(33_000)}`],
  ['too many fields', 431, `${GET}Host: a\r\n${'x: y\r\n'.repeat(200)}\r\n`],
];

for (const [name, status, request] of REFUSED) {
  test(`a request with "${name}" is refused with ${status} and goes nowhere`, async () => {
    const seen = origin.connections();
    // Whatever follows on the connection is part of the trick and must not be answered either.
    const { text } = await talk(rig.port, `${request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(text, /\r\nConnection: close\r\n/);
    assert.equal(text.match(/HTTP\/1.1 /g)?.length, 1, text);
    assert.equal(origin.connections(), seen);
  });
}

const BAD_CHUNKS: readonly (readonly [name: string, body: string])[] = [
  ['0x in the size', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['sign in the size', '+5\r\nhello\r\n0\r\n\r\n'],
  ['minus before the size', '-5\r\nhello\r\n0\r\n\r\n'],
  ['seventeen digits in the size', '00000000000000005\r\nhello\r\n0\r\n\r\n'],
  ['bare CR in an extension', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
  ['NUL in an extension', '5;a\0b\r\nhello\r\n0\r\n\r\n'],
  ['blank before the size', ' 5\r\nhello\r\n0\r\n\r\n'],
  ['blank after the size', '5 \r\nhello\r\n0\r\n\r\n'],
  ['underscore in the size', '1_0\r\nhello\r\n0\r\n\r\n'],
  ['size beyond counting', 'fffffffffffffffff\r\nhello'],
  ['bare LF after the size', '5\nhello\r\n0\r\n\r\n'],
  ['bare LF in an extension', '5;a\nhello\r\n0\r\n\r\n'],
  ['no CRLF after the data', '5\r\nhello0\r\n\r\n'],
  ['bare LF after the data', '5\r\nhello\n0\r\n\r\n'],
  ['bare LF in the trailers', '0\r\nX: y\n\r\n'],
  ['malformed trailer', '0\r\nX y\r\n\r\n'],
];

for (const [name, body] of BAD_CHUNKS) {
  test(`a chunked body with "${name}" never looks complete to a server`, async () => {
    const connections = origin.connections();
    const { text } = await talk(rig.port, `${POST}Transfer-Encoding: chunked\r\n\r\n${body}`);
    // The origin answers as soon as it sees a head, so either the refusal or its answer comes first.
    assert.match(text, /^(HTTP\/1.1 (400|200) |$)/);
    for (const received of origin.received.slice(connections)) {
      assert.ok(!received.includes('\r\n0\r\n'), received);
    }
  });
}
