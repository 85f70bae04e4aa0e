import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRawOrigin, startRig, talk } from './rig.ts';

/**
 * One exchange each, to the octet: what the client says, what the server answers, what of it either hears. The parts
 * that the balancer adds to every message are left out of what is compared.
 */
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const CLOSE = 'Host: x\r\nConnection: close\r\n';
const GET = `GET / HTTP/1.1\r\n${CLOSE}\r\n`;
const CHUNKED = `POST / HTTP/1.1\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n`;
const SAYS_OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok';

type Exchange = {
  readonly request: string;
  /** Default: 200 with the body "ok". */
  readonly answer?: string;
  readonly sent?: string;
  readonly got?: string;
};

const EXCHANGES: Readonly<Record<string, Exchange>> = {
  'equal lengths are one': {
    request: `POST / HTTP/1.1\r\n${CLOSE}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi`,
    sent: 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi',
    got: SAYS_OK,
  },
  'equal lengths in a list are one': {
    request: `POST / HTTP/1.1\r\n${CLOSE}Content-Length: 02, 2\r\n\r\nhi`,
    sent: 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi',
    got: SAYS_OK,
  },
  'a chunk size of sixteen digits': {
    request: `${CHUNKED}0000000000000002;ext="a;b"\r\nhi\r\n0\r\n\r\n`,
    sent: 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
    got: SAYS_OK,
  },
  'trailers of a request, without those that Connection nominates or that frame and route': {
    request:
      'POST / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Secret\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n' +
      'X-Sum: 1\r\nX-Secret: 2\r\nContent-Length: 9\r\nHost: evil\r\nTransfer-Encoding: chunked\r\nX_Sum: 3\r\n' +
      'X-Forwarded-For: 6.6.6.6\r\n\r\n',
    sent: 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n',
    got: SAYS_OK,
  },
  'trailers of a response, without those that Connection nominates or that frame': {
    request: GET,
    answer:
      'HTTP/1.1 200 OK\r\nConnection: X-Secret\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n' +
      'X-Sum: 1\r\nX-Secret: 2\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n',
    got: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n',
  },
  'fields of one hop in a response': {
    request: GET,
    answer:
      'HTTP/1.1 200 OK\r\nConnection: X-Own\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n' +
      'Proxy-Authenticate: Basic\r\nProxy-Authentication-Info: x\r\nContent-Length: 2\r\n\r\nok',
    got: SAYS_OK,
  },
  'an offer of h2c': {
    request:
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    sent: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    got: SAYS_OK,
  },
  'an offer of h2c beside another': {
    request:
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c, websocket\r\n\r\n',
    sent: 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    got: SAYS_OK,
  },
  'TE is said anew, for trailers alone': {
    request: `GET / HTTP/1.1\r\n${CLOSE}TE: gzip;q=0.5 , Trailers\r\n\r\n`,
    sent: 'GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n',
    got: SAYS_OK,
  },
  'TE without trailers stays behind': {
    request: `GET / HTTP/1.1\r\n${CLOSE}TE: gzip, trailers;q=1,\r\n\r\n`,
    sent: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    got: SAYS_OK,
  },
  'a 103 with a length has no body': {
    request: GET,
    answer: `HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLink: </a>\r\n\r\n${OK}`,
    got: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${SAYS_OK}`,
  },
  'a 103 with a coding has no body': {
    request: GET,
    answer: `HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n${OK}`,
    got: `HTTP/1.1 103 Early Hints\r\n\r\n${SAYS_OK}`,
  },
  'a 103 to a client of HTTP/1.0': {
    request: 'GET / HTTP/1.0\r\nHost: x\r\n\r\n',
    answer: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`,
    got: SAYS_OK,
  },
  'an expectation of HTTP/1.0 is ignored, and a 100 to it': {
    request: 'POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi',
    answer: `HTTP/1.1 100 Continue\r\n\r\n${OK}`,
    sent: 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi',
    got: SAYS_OK,
  },
  'a 103 before the answer to HEAD': {
    request: `HEAD / HTTP/1.1\r\n${CLOSE}\r\n`,
    answer:
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n',
    got: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n',
  },
  'a 204 with a coding': {
    request: GET,
    answer: 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n',
    got: 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n',
  },
  'a 304 keeps the length of what it stands for': {
    request: GET,
    answer: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: "a"\r\n\r\n',
    got: 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 9\r\nConnection: close\r\n\r\n',
  },
  'equal lengths of a response are one': {
    request: GET,
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok',
    got: SAYS_OK,
  },
  'Max-Forwards counts down': {
    request: `OPTIONS / HTTP/1.1\r\n${CLOSE}Max-Forwards: 10\r\n\r\n`,
    sent: 'OPTIONS / HTTP/1.1\r\nHost: x\r\nMax-Forwards: 9\r\n\r\n',
    got: SAYS_OK,
  },
  'Max-Forwards at zero reaches no server': {
    request: `OPTIONS / HTTP/1.1\r\n${CLOSE}Max-Forwards: 0\r\n\r\n`,
    sent: '',
    got: 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n',
  },
  'Max-Forwards at zero, however many digits it has': {
    request: `OPTIONS / HTTP/1.1\r\n${CLOSE}Max-Forwards: 0000000000\r\n\r\n`,
    sent: '',
    got: 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n',
  },
  'Max-Forwards with zeros in front counts down to zero': {
    request: `OPTIONS / HTTP/1.1\r\n${CLOSE}Max-Forwards: 01\r\n\r\n`,
    sent: 'OPTIONS / HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n',
    got: SAYS_OK,
  },
  'Max-Forwards beyond counting is the most that is counted': {
    request: `OPTIONS / HTTP/1.1\r\n${CLOSE}Max-Forwards: ${'9'.repeat(400)}\r\n\r\n`,
    sent: 'OPTIONS / HTTP/1.1\r\nHost: x\r\nMax-Forwards: 999999999\r\n\r\n',
    got: SAYS_OK,
  },
  'Max-Forwards that is no number ends here': {
    request: `OPTIONS / HTTP/1.1\r\n${CLOSE}Max-Forwards: -1\r\n\r\n`,
    sent: 'OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n',
    got: SAYS_OK,
  },
  'Via of one whose name begins like ours': {
    request: `GET / HTTP/1.1\r\n${CLOSE}Via: 1.1 meridian-test-10, 1.1 b (1.1 meridian-test)\r\n\r\n`,
    sent: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    got: SAYS_OK,
  },
  'Max-Forwards of another method is nothing to us': {
    request: `GET / HTTP/1.1\r\n${CLOSE}Max-Forwards: 0\r\n\r\n`,
    sent: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    got: SAYS_OK,
  },
  'the Host goes on as it came': {
    request: 'GET / HTTP/1.1\r\nHost: WWW.Example:80\r\nConnection: close\r\n\r\n',
    sent: 'GET / HTTP/1.1\r\nHost: WWW.Example:80\r\n\r\n',
    got: SAYS_OK,
  },
};

/** What the balancer says in every message. */
const OWN = /^(X-Forwarded-[A-Za-z]+|Via|Date): (?!6\.6\.6\.6)[^\r]*\r\n/gm;

for (const [what, { answer = OK, got, request, sent }] of Object.entries(EXCHANGES)) {
  test(`one exchange: ${what}`, async (t) => {
    const origin = await startRawOrigin((socket, text) => {
      if (text.endsWith('\r\n\r\n') || /\r\n\r\n(hi)?$/.test(text)) socket.write(answer);
    });
    const rig = await startRig({ servers: [origin.port] });
    t.after(() => Promise.all([rig.close(), origin.close()]));
    const { text } = await talk(rig.port, request);
    if (sent !== undefined) assert.equal(origin.received.join('').replace(OWN, ''), sent);
    if (got !== undefined) assert.equal(text.replace(OWN, ''), got);
  });
}
