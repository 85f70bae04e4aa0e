import http from 'node:http';
import http2, { type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { Connection, ConnectionHandlers } from '../io/stream.ts';
import { SILENT_HANDLERS } from '../io/stream.ts';
import { acceptTls } from '../io/tls-layer.ts';
import { TRANSPORT_HTTPS } from '../nameserver/client.ts';
import { COUNT_HTTP_REFUSED } from '../nameserver/counters.ts';
import {
  BODY_TOO_LONG,
  DNS_MESSAGE,
  DOH_QUERY_BYTES_MAX,
  type DohStep,
  freshnessSeconds,
  readDohBody,
  readDohRequest,
} from '../nameserver/doh.ts';
import { STEERED } from '../zone/lookup.ts';
import { askDesk, clientOf, type Desk, enter, LATER, NOTHING } from './desk.ts';
import type { Session, Sessions } from './sessions.ts';

/**
 * DNS over HTTPS (RFC 8484), HTTP/2 and 1.1, on Node's own HTTP servers, which speak on connections that
 * are handed to them: limits, PROXY headers and certificates are those of the other transports.
 */
export type DohServer = {
  accept(connection: Connection): ConnectionHandlers;
};

/** Requests at once on one HTTP/2 connection. */
const STREAMS_MAX = 64;
const HEADER_BYTES_MAX = 8192;
/** Octets of replies on one connection that its peer has not taken: HTTP/2 would let it hold back all of its streams'. */
const UNTAKEN_BYTES_MAX = 64 * 4096;
/** Credit comes back by the second. */
const RETRY_AFTER_SECONDS = 1;
/** Of one HTTP/2 session, in megabytes. */
const SESSION_MEMORY_MAX = 1;

/** Whose requests they are. */
type Owner = { readonly session: Session; untakenBytes: number; readonly valve: Valve };

type Request = http.IncomingMessage | Http2ServerRequest;
type Response = http.ServerResponse | Http2ServerResponse;

const reply = new Uint8Array(65_535);

export function createDohServer(
  desk: Desk,
  sessions: Sessions,
  context: () => SecureContext,
  path: string,
): DohServer {
  /** Whose requests come over a socket, or over an HTTP/2 session. */
  const owners = new WeakMap<object, Owner>();
  const handle = (request: Request, response: Response): void => {
    const owner = owners.get('stream' in request ? request.stream.session! : request.socket);
    if (owner === undefined) return void (response as http.ServerResponse).end();
    serve(desk, sessions, owner, path, request, response);
  };
  const one = http.createServer(
    // Neither listens: what is idle is closed as on the other transports.
    { maxHeaderSize: HEADER_BYTES_MAX, keepAliveTimeout: 0 },
    handle,
  );
  const two = http2.createServer(
    {
      maxSessionMemory: SESSION_MEMORY_MAX,
      settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: HEADER_BYTES_MAX },
    },
    handle,
  );
  two.on('sessionError', () => {});
  two.on('checkContinue', (request, response) => {
    // Left to Node, it would throw for a request that its peer has cancelled meanwhile, and end the worker.
    if (response.stream.closed || response.stream.destroyed) return;
    response.writeContinue();
    handle(request, response);
  });
  const begin = (socket: TLSSocket, session: Session, valve: Valve): void => {
    const owner = { session, untakenBytes: 0, valve };
    if (socket.alpnProtocol === 'h2') {
      // Node tells of the session while it takes the socket; one that it does not make is nobody's.
      const own = (spoken: object): void => void owners.set(spoken, owner);
      two.once('session', own);
      two.emit('connection', socket);
      two.off('session', own);
    } else {
      owners.set(socket, owner);
      one.emit('connection', socket);
    }
  };
  return {
    accept(connection) {
      const session = enter(desk, sessions, connection, TRANSPORT_HTTPS);
      if (session === undefined) return SILENT_HANDLERS;
      const valve = createValve(connection);
      const handlers = acceptTls(
        valve.connection,
        { context, protocols: ['h2', 'http/1.1'], allowHalfOpen: false },
        (socket) => {
          session.isBegun = true;
          begin(socket, session, valve);
        },
        () => sessions.leave(session),
      );
      session.gone = () => handlers.onClose('', desk.nowMs());
      session.wake = valve.open;
      return handlers;
    },
  };
}

/**
 * A connection whose reading can be held up, whatever TLS and HTTP above it want: who asks too much waits, as on the
 * other transports. To refuse request after request would cost as much as to answer them.
 */
type Valve = { readonly connection: Connection; shut(): void; open(): void };

function createValve(connection: Connection): Valve {
  let isShut = false;
  let isWanted = true;
  const { id, localAddress, localPort, remoteAddress, remotePort } = connection;
  return {
    connection: {
      ...{ id, localAddress, localPort, remoteAddress, remotePort },
      write: (bytes, length) => connection.write(bytes, length),
      end: () => connection.end(),
      destroy: () => connection.destroy(),
      reset: () => connection.reset(),
      pause() {
        isWanted = false;
        connection.pause();
      },
      resume() {
        isWanted = true;
        if (!isShut) connection.resume();
      },
      taken: () => connection.taken(),
      roundTripMs: () => connection.roundTripMs(),
    },
    shut() {
      isShut = true;
      connection.pause();
    },
    open() {
      if (!isShut) return;
      isShut = false;
      if (isWanted) connection.resume();
    },
  };
}

function serve(
  desk: Desk,
  sessions: Sessions,
  owner: Owner,
  path: string,
  request: Request,
  response: Response,
): void {
  const { session } = owner;
  const { headers, method = '', url: target = '' } = request;
  let isGone = false;
  response.once('close', () => {
    isGone = true;
  });
  const give = (outcome: Outcome): void => {
    // Its peer does not want it any more.
    if (isGone) return;
    sessions.touch(session, desk.nowMs());
    if ('why' in outcome) {
      desk.worker.counters[COUNT_HTTP_REFUSED]! += 1;
      refuse(response, outcome);
    } else send(owner, response, outcome, method === 'HEAD');
  };
  // Whatever is asked: what is no query costs as much.
  if (!sessions.spend(session, desk.nowMs())) {
    owner.valve.shut();
    give({ status: 429, why: 'too many queries' });
    return;
  }
  if (owner.untakenBytes >= UNTAKEN_BYTES_MAX) {
    give({ status: 503, why: 'replies wait to be taken' });
    return;
  }
  const take = (step: DohStep): void => {
    if (step.step === 'refuse') give(step);
    else if (step.step === 'query') answer(desk, session, step.query, give);
    else readBody(request, take);
  };
  take(readDohRequest({ method, target, contentType: headers['content-type'] }, path));
}

type Refusal = { readonly status: number; readonly why: string };
type Answer = {
  readonly bytes: Uint8Array;
  /** It is for this client: other people's caches must not keep it. */
  readonly isOwn: boolean;
};
type Outcome = Answer | Refusal;

function readBody(request: Request, take: (step: DohStep) => void): void {
  const parts: Buffer[] = [];
  let length = 0;
  request.on('data', (part: Buffer) => {
    length += part.length;
    // What is beyond is counted and not kept: whoever sends it still gets to read why.
    if (length <= DOH_QUERY_BYTES_MAX) parts.push(part);
  });
  request.on('end', () => {
    take(length > DOH_QUERY_BYTES_MAX ? BODY_TOO_LONG : readDohBody(Buffer.concat(parts)));
  });
}

function answer(
  desk: Desk,
  session: Session,
  query: Uint8Array,
  give: (outcome: Outcome) => void,
): void {
  const client = clientOf(session.connection, TRANSPORT_HTTPS);
  const length = askDesk(desk, client, query, reply, (late) => {
    give(late ? { bytes: late, isOwn: true } : { status: 503, why: 'nobody had time for it' });
  });
  const isOwn = desk.worker.result.outcome === STEERED;
  if (length === NOTHING) give({ status: 400, why: 'not a DNS query' });
  else if (length !== LATER) {
    give({ bytes: reply.subarray(0, length), isOwn });
    desk.stopwatch.end();
  }
}

function send(owner: Owner, response: Response, { bytes, isOwn }: Answer, isHead: boolean): void {
  const age = `max-age=${freshnessSeconds(bytes)}`;
  response.statusCode = 200;
  response.setHeader('content-type', DNS_MESSAGE);
  response.setHeader('content-length', bytes.length);
  response.setHeader('cache-control', isOwn ? `private, ${age}` : age);
  owner.untakenBytes += bytes.length;
  response.once('close', () => {
    owner.untakenBytes -= bytes.length;
  });
  // A copy: the next reply is written in the same place.
  (response as http.ServerResponse).end(isHead ? undefined : Buffer.from(bytes));
}

function refuse(response: Response, { status, why }: Refusal): void {
  response.statusCode = status;
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.setHeader('cache-control', 'no-store');
  if (status === 405) response.setHeader('allow', 'GET, HEAD, POST');
  if (status === 429) response.setHeader('retry-after', RETRY_AFTER_SECONDS);
  (response as http.ServerResponse).end(`${why}\n`);
}
