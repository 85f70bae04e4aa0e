/**
 * The clients of an HTTP soak: all kinds at the same time, each asking one thing after the other, and every answer is
 * judged by its length and its octets: `node http-soak-clients.ts '{"port":8080,"seconds":600,"report":"FILE"}'`. It
 * writes a HttpSoakReport as JSON.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BODY_PATH, EVENTS_PATH, patternAt } from './trouble-servers.ts';

export type HttpSoakSetting = {
  readonly port: number;
  readonly seconds: number;
  readonly report: string;
};

export type HttpSoakReport = {
  /** What was right, of each kind. */
  readonly right: Readonly<Record<string, number>>;
  /** Answers that came to their end and are not what servers said. */
  readonly wrong: readonly SoakFailure[];
  /** Answers that say that there is none (5xx), or did not come to their end. */
  readonly failed: readonly SoakFailure[];
};

/** By `Date.now()`. */
export type SoakFailure = {
  readonly kind: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly what: string;
};

const KIBIBYTE = 1024;
const PATIENCE_MS = 30_000;
const PAUSE_MS = 5;
const FAILURES_MAX = 10_000;
const ROUND_MESSAGES = 20;
const MESSAGE_GAP_MS = 100;
const EVENTS = 20;
const PART_OCTETS = 16 * KIBIBYTE;

/** Throws what `wrongAnswer` makes, or whatever else went wrong. */
type Ask = (port: number, turn: number) => Promise<void>;

const WRONG = 'wrong';
const wrongAnswer = (what: string): Error => new Error(what, { cause: WRONG });

const keepAlive = new http.Agent({ keepAlive: true });
const closing = new http.Agent({ keepAlive: false });

/** How many clients of each kind there are, and what they do again and again. */
const KINDS: Readonly<Record<string, { readonly clients: number; readonly ask: Ask }>> = {
  small: { clients: 8, ask: (port) => download(port, '/', keepAlive) },
  close: { clients: 2, ask: (port) => download(port, '/', closing) },
  '16k': { clients: 4, ask: (port) => download(port, bodyOf(16 * KIBIBYTE), keepAlive) },
  '1m': { clients: 1, ask: (port) => download(port, bodyOf(KIBIBYTE * KIBIBYTE), keepAlive) },
  chunked: {
    clients: 2,
    ask: (port, turn) => download(port, `${bodyOf(lengthAt(turn))}&chunked`, keepAlive),
  },
  upload: { clients: 2, ask: (port, turn) => upload(port, 'PUT', lengthAt(turn), false) },
  'upload, chunked': { clients: 2, ask: (port, turn) => upload(port, 'PUT', lengthAt(turn), true) },
  post: { clients: 2, ask: (port) => upload(port, 'POST', KIBIBYTE, false) },
  websocket: { clients: 20, ask: talk },
  events: { clients: 10, ask: (port) => listen(port) },
  'left in a download': { clients: 2, ask: leaveDownload },
  'left in an upload': { clients: 2, ask: leaveUpload },
};

async function main({ port, report, seconds }: HttpSoakSetting): Promise<void> {
  const untilMs = Date.now() + seconds * 1000;
  const right: Record<string, number> = {};
  const wrong: SoakFailure[] = [];
  const failed: SoakFailure[] = [];
  const one = async (kind: string, ask: Ask, first: number): Promise<void> => {
    for (let turn = first; Date.now() < untilMs; turn += 1) {
      const fromMs = Date.now();
      try {
        await ask(port, turn);
        right[kind] = (right[kind] ?? 0) + 1;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        const list = (error as Error).cause === WRONG ? wrong : failed;
        const failure = { kind, fromMs, toMs: Date.now(), what: code ?? message };
        if (list.length < FAILURES_MAX) list.push(failure);
      }
      await delay(PAUSE_MS);
    }
  };
  await Promise.all(
    Object.entries(KINDS).flatMap(([kind, { ask, clients }]) =>
      Array.from({ length: clients }, (_, index) => one(kind, ask, index)),
    ),
  );
  const told: HttpSoakReport = { right, wrong, failed };
  writeFileSync(report, JSON.stringify(told));
  process.exit(0);
}

const bodyOf = (octets: number): string => `${BODY_PATH}?octets=${octets}`;

/** From nothing to 256 KiB, in no order. */
const lengthAt = (turn: number): number => (turn * 7919) % (256 * KIBIBYTE);

/** All bodies are beginnings of it. */
const PATTERN = patternAt(0, KIBIBYTE * KIBIBYTE);

/** As servers tell of an upload. */
function digestOf(octets: number): string {
  return `${octets} ${createHash('sha256').update(PATTERN.subarray(0, octets)).digest('hex')}`;
}

async function download(port: number, path: string, agent: http.Agent): Promise<void> {
  const { digest, text } = await exchange(port, { path, agent }, (request) => request.end());
  const octets = new URL(path, 'http://server').searchParams.get('octets');
  const isRight =
    octets === null ? /^hello from \d+\n$/.test(text) : digest === digestOf(Number(octets));
  if (!isRight) throw wrongAnswer(`got ${octets === null ? text : digest}`);
}

async function upload(
  port: number,
  method: string,
  octets: number,
  isChunked: boolean,
): Promise<void> {
  const headers = isChunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': octets };
  const options = { path: '/', method, headers, agent: keepAlive };
  const { text } = await exchange(port, options, (request) => {
    for (let at = 0; at < octets; at += PART_OCTETS) {
      request.write(PATTERN.subarray(at, Math.min(octets, at + PART_OCTETS)));
    }
    request.end();
  });
  if (text !== digestOf(octets)) throw wrongAnswer(`got ${text}`);
}

async function listen(port: number): Promise<void> {
  const path = `${EVENTS_PATH}?count=${EVENTS}`;
  const { text } = await exchange(port, { path, agent: keepAlive }, (request) => request.end());
  const expected = Array.from({ length: EVENTS }, (_, event) => `data: ${event}\n\n`).join('');
  if (text !== expected) throw wrongAnswer(`got ${text}`);
}

/** A WebSocket on which messages of two lengths are echoed, one after the other. */
async function talk(port: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  const late = setTimeout(() => socket.destroy(new Error('no echo in time')), PATIENCE_MS);
  let text = '';
  let failure: Error | undefined;
  let changed = (): void => {};
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
    changed();
  });
  socket.on('error', (error) => {
    failure = error;
  });
  socket.on('close', () => {
    failure ??= new Error('closed');
    changed();
  });
  const until = async (isThere: () => boolean): Promise<void> => {
    while (!isThere()) {
      if (failure !== undefined) throw failure;
      const { promise, resolve } = Promise.withResolvers<void>();
      changed = resolve;
      await promise;
    }
  };
  try {
    socket.write(
      `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    );
    await until(() => text.includes('\r\n\r\n'));
    const status = text.slice(9, 12);
    if (status.startsWith('5')) throw new Error(`answered ${status}`);
    if (status !== '101') throw wrongAnswer(`answered ${status}`);
    text = text.slice(text.indexOf('\r\n\r\n') + 4);
    for (let message = 0; message < ROUND_MESSAGES; message += 1) {
      const payload = String(message).padStart(message % 2 === 0 ? 100 : 2000, '.');
      // RFC 6455 section 5.2: a whole text; a mask of zeros changes nothing.
      socket.write(`\x81${lengthOf(payload, 0x80)}\0\0\0\0${payload}`, 'latin1');
      const expected = `\x81${lengthOf(payload, 0)}${payload}`;
      await until(() => text.length >= expected.length);
      if (text !== expected) throw wrongAnswer(`echo of ${payload} is ${text}`);
      text = '';
      await delay(MESSAGE_GAP_MS);
    }
  } finally {
    clearTimeout(late);
    socket.destroy();
  }
}

/** The length of a frame, with the bit for a mask. */
function lengthOf({ length }: string, mask: number): string {
  if (length < 126) return String.fromCharCode(mask | length);
  return String.fromCharCode(mask | 126, length >> 8, length & 0xff);
}

/** Leaves when so much of a megabyte has come. */
async function leaveDownload(port: number, turn: number): Promise<void> {
  const path = bodyOf(KIBIBYTE * KIBIBYTE);
  const request = http.get({ host: '127.0.0.1', port, path, agent: closing });
  request.on('error', () => {});
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  let left = lengthAt(turn);
  for await (const chunk of response as AsyncIterable<Buffer>) {
    left -= chunk.length;
    if (left <= 0) break;
  }
  request.destroy();
}

async function leaveUpload(port: number, turn: number): Promise<void> {
  const headers = { 'Content-Length': KIBIBYTE * KIBIBYTE };
  const request = http.request({
    ...{ host: '127.0.0.1', port, path: '/', method: 'POST', headers, agent: closing },
  });
  request.on('error', () => {});
  await new Promise((done) => request.write(patternAt(0, lengthAt(turn)), done));
  await delay(PAUSE_MS);
  request.destroy();
}

type Received = {
  /** Length and SHA-256 of the body. */
  readonly digest: string;
  /** Its beginning. */
  readonly text: string;
};

/** One request and the whole of its answer, which has to be a 200. */
async function exchange(
  port: number,
  options: http.RequestOptions,
  send: (request: http.ClientRequest) => void,
): Promise<Received> {
  const request = http.request({ host: '127.0.0.1', port, ...options });
  const late = setTimeout(() => request.destroy(new Error('no answer in time')), PATIENCE_MS);
  // Also after its response has begun; the iteration below says so, too.
  request.on('error', () => {});
  try {
    send(request);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const hash = createHash('sha256');
    let [octets, text] = [0, ''];
    for await (const chunk of response as AsyncIterable<Buffer>) {
      hash.update(chunk);
      octets += chunk.length;
      if (text.length < KIBIBYTE) text += chunk.toString('latin1');
    }
    const { statusCode = 0 } = response;
    if (statusCode >= 500) throw new Error(`answered ${statusCode}`);
    if (statusCode !== 200) throw wrongAnswer(`answered ${statusCode}`);
    return { digest: `${octets} ${hash.digest('hex')}`, text };
  } finally {
    clearTimeout(late);
  }
}

if (import.meta.main) await main(JSON.parse(process.argv[2]!) as HttpSoakSetting);
