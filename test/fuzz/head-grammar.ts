/**
 * Streams of requests for tests that compare readers of HTTP/1.1: drawn from what is usual, what is
 * borderline and what is wrong, then mutated. Bodies look like requests, so that whoever reads a length
 * differently reads another request.
 */

const METHODS = ['GET', 'POST', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE', 'get', 'PO ST', 'G@T'];
const TARGETS = [
  '/a',
  '/a?b=c',
  '/',
  '*',
  'http://h.example/p',
  'http://h.example',
  '/a b',
  '/%00',
  '//a',
  '/a#f',
  '',
];
const VERSIONS = [
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/1.2',
  'HTTP/0.9',
  'http/1.1',
];
const HOSTS = [
  'Host: a',
  'Host: a',
  'Host: a',
  'Host: a.example:80',
  'host:a',
  'Host: a\r\nHost: b',
  'Host:',
  'Host: a, b',
  'Host: u@a',
  'X: y',
];
const LENGTHS = [
  '5',
  '0',
  '31',
  '031',
  '5, 5',
  '5,6',
  '+5',
  '-1',
  '0x1f',
  '5 ',
  ' 5',
  '',
  '5;5',
  '99999999999999999999',
  '1 1',
  '5\t',
  '\x0b5',
];
const CODINGS = [
  'chunked',
  'Chunked',
  'chunked, chunked',
  'gzip, chunked',
  'chunked, gzip',
  'identity',
  'chunked;q=1',
  'x chunked',
  '\tchunked ',
  '\x0bchunked',
  '"chunked"',
  'chunked,',
  ',chunked',
  'chunke',
  '',
];
const OTHERS = [
  'X-A: b',
  'X-A: ',
  'X-A:\t b \t',
  'X_A: b',
  'X A: b',
  'X-A : b',
  ' X-A: b',
  'X-A',
  ': b',
  'X-A: b\r\n c',
  'X-A: b\nContent-Length: 31',
  'X-A: b\rContent-Length: 31',
  'X-A: \0',
  'X-A: \x80\xff',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: content-length',
  'Connection: transfer-encoding',
  'Expect: 100-continue',
  'Upgrade: websocket\r\nConnection: Upgrade',
  'Content_Length: 31',
  'Transfer-Encoding-: chunked',
];
/** 31 octets: some of the lengths above. */
const HIDDEN = 'GET /in HTTP/1.1\r\nHost: in\r\n\r\n\n';
const CHUNKS = [
  '5\r\nhello\r\n0\r\n\r\n',
  `1f\r\n${HIDDEN}\r\n0\r\n\r\n`,
  `1F;ext="a\\"b"\r\n${HIDDEN}\r\n0\r\nX-T: v\r\n\r\n`,
  '0\r\n\r\n',
  '0\r\nContent-Length: 31\r\n\r\n',
  '00000\r\n\r\n',
  '5 \r\nhello\r\n0\r\n\r\n',
  '0x5\r\nhello\r\n0\r\n\r\n',
  '5\nhello\r\n0\r\n\r\n',
  '5\r\nhello0\r\n\r\n',
  '5;\nx\r\nhello\r\n0\r\n\r\n',
  '5\r\nhello\r\n0\r\n\n',
  '5\r\r\nhello\r\n0\r\n\r\n',
  '10000000000000005\r\nhello\r\n0\r\n\r\n',
  '-5\r\nhello\r\n0\r\n\r\n',
];
const BODIES = ['', 'hello', HIDDEN];
const PIECES = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '\0',
  ':',
  ',',
  ';',
  '0',
  '\x0b',
  '\x80',
  '\r\n\r\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
];
/** What follows every drawn request. */
export const LAST_REQUEST = 'GET /next HTTP/1.1\r\nHost: next\r\nConnection: close\r\n\r\n';

/** One request, usually framed somehow, and `LAST_REQUEST`; one octet a character. */
export function drawRequests(random: () => number): string {
  const pick = (list: readonly string[]): string => list[Math.floor(random() * list.length)]!;
  // Half of it is usual: what is wrong in two places is refused for one of them.
  const usual = (list: readonly string[]): string => (random() < 0.7 ? list[0]! : pick(list));
  const fields = [usual(HOSTS)];
  const kind = random();
  if (kind < 0.4 || kind > 0.9) {
    fields.push(`Content-Length: ${usual(LENGTHS.slice(Math.floor(random() * 3)))}`);
  }
  const isChunked = kind > 0.3 && kind < 0.8;
  if (isChunked) fields.push(`Transfer-Encoding: ${usual(CODINGS)}`);
  for (let more = Math.floor(random() * 3); more > 0; more--) fields.push(pick(OTHERS));
  fields.sort(() => random() - 0.5);
  const line = `${usual(METHODS.slice(Math.floor(random() * 3)))} ${usual(TARGETS)} ${usual(VERSIONS)}`;
  const body = isChunked ? usual(CHUNKS.slice(Math.floor(random() * 3))) : pick(BODIES);
  const request = `${line}\r\n${fields.join('\r\n')}\r\n\r\n${body}`;
  return (random() < 0.5 ? request : mutate(request, random, pick)) + LAST_REQUEST;
}

function mutate(
  text: string,
  random: () => number,
  pick: (list: readonly string[]) => string,
): string {
  let mutated = text;
  for (let edits = 1 + Math.floor(random() * 2); edits > 0; edits--) {
    const at = Math.floor(random() * (mutated.length + 1));
    const kind = random();
    if (kind < 0.6) mutated = mutated.slice(0, at) + pick(PIECES) + mutated.slice(at);
    else if (kind < 0.85) mutated = mutated.slice(0, at) + mutated.slice(at + 1);
    else
      mutated = `${mutated.slice(0, at)}${String.fromCharCode(Math.floor(random() * 256))}${mutated.slice(at + 1)}`;
  }
  return mutated;
}

/** mulberry32. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
