import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import type { ControlPlane, EventRecord } from '../control/control-plane.ts';
import { EVENTS_MAX } from '../control/events.ts';
import { HttpProblem, orProblem, problemResponses } from './problem.ts';
import { apiSchemas, list, NAME_LENGTH_MAX, timestampMs } from './schema.ts';
import type { AdminServer } from './server.ts';

/**
 * Events: what changed and when, as a page of records and as a live stream (server-sent events of the
 * HTML standard, section 9.2; twenty lines by hand instead of a dependency). A stream that reads too
 * slowly is cut: the client reconnects with Last-Event-ID and gets what it missed.
 */
export function addEventRoutes(
  server: AdminServer,
  plane: ControlPlane,
  options: { readonly heartbeatMs?: number } = {},
): void {
  server.get(
    '/api/v1/events',
    {
      schema: {
        tags: ['events'],
        summary: 'Events after an id, or the newest, of this node or of all; oldest first',
        querystring: pageSchema,
        response: { 200: list(eventSchema), ...problemResponses },
      },
    },
    async ({ query: { after, all, count } }) => {
      if (all) return orProblem(await plane.allEvents(count));
      return after === undefined
        ? (await plane.events('', EVENTS_MAX)).slice(-count)
        : plane.events(after, count);
    },
  );

  const streams = new Set<ServerResponse>();
  server.addHook('preClose', async () => {
    for (const stream of streams) stream.end();
  });
  server.get(
    '/api/v1/events/stream',
    {
      schema: {
        tags: ['events'],
        summary: 'Events as they happen (server-sent events)',
        querystring: z.object({
          after: eventId.optional().describe('Replay first what came after this id'),
        }),
        response: {
          200: { description: 'Events', content: { 'text/event-stream': { schema: z.string() } } },
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      if (streams.size >= SSE_CLIENTS_MAX) throw tooManyStreams();
      const lastId = request.headers['last-event-id'];
      const after =
        typeof lastId === 'string' ? lastId.slice(0, NAME_LENGTH_MAX) : request.query.after;
      reply.hijack();
      const stream = reply.raw;
      // Who left meanwhile says so no second time.
      if (stream.closed) return;
      streams.add(stream);
      stream.on('close', () => streams.delete(stream));
      stream.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      await follow(stream, plane, after, options.heartbeatMs ?? SSE_HEARTBEAT_MS);
    },
  );
}

/** Streams open at a time, of all clients together. */
export const SSE_CLIENTS_MAX = 64;
/** Bytes that may wait for one slow client before it is cut. */
export const SSE_BUFFER_BYTES_MAX = 256 * 1024;
/** A comment line this often keeps proxies from closing an idle stream. */
export const SSE_HEARTBEAT_MS = 15_000;
/** Events that a reconnecting client gets back at most, and the largest page. */
export const EVENTS_PAGE_MAX = 1000;

/** Subscribes first and replays then, so that nothing falls between the two; ids keep doubles out. */
async function follow(
  stream: ServerResponse,
  plane: ControlPlane,
  after: string | undefined,
  heartbeatMs: number,
): Promise<void> {
  const write = (text: string): void => {
    if (stream.writableEnded) return;
    if (stream.writableLength + text.length > SSE_BUFFER_BYTES_MAX) stream.destroy();
    else stream.write(text);
  };
  let waiting: EventRecord[] | undefined = [];
  const unsubscribe = plane.subscribe((event) => {
    if (waiting === undefined) write(frame(event));
    else if (waiting.length < EVENTS_PAGE_MAX) waiting.push(event);
    else stream.destroy();
  });
  const heartbeat = setInterval(() => write(': alive\n\n'), heartbeatMs);
  stream.on('close', () => {
    clearInterval(heartbeat);
    unsubscribe();
  });
  write('retry: 2000\n\n');
  try {
    const missed = after === undefined ? [] : await plane.events(after, EVENTS_PAGE_MAX);
    const sent = new Set(missed.map((event) => event.id));
    for (const event of missed) write(frame(event));
    for (const event of waiting) if (!sent.has(event.id)) write(frame(event));
  } catch {
    // The history is not readable now (a store that is away). The client comes back for it.
    stream.end();
  }
  waiting = undefined;
}

const frame = (event: EventRecord): string =>
  `id: ${event.id.replaceAll(/[\r\n\0]/g, '')}\ndata: ${JSON.stringify(event)}\n\n`;

function tooManyStreams(): HttpProblem {
  return new HttpProblem(
    {
      status: 503,
      code: 'too-many-streams',
      detail: `${SSE_CLIENTS_MAX} event streams are open already.`,
      hint: 'Close one, or poll GET /api/v1/events?after=ID instead.',
    },
    { 'retry-after': '10' },
  );
}

const eventId = z.string().max(NAME_LENGTH_MAX);

const pageSchema = z.object({
  after: eventId
    .optional()
    .describe('The id of the last event known; empty = from the oldest; absent = the newest ones'),
  all: z
    .stringbool()
    .default(false)
    .describe('The newest events of all nodes that share the store; `after` does not count then'),
  count: z.coerce.number().int().min(1).max(EVENTS_PAGE_MAX).default(100),
});

const eventSchema = z
  .object({
    id: z.string(),
    node: z.string(),
    atMs: timestampMs,
    kind: z.string().describe('For instance endpoint.down, region.drain, config.reload'),
    subject: z.string(),
    message: z.string(),
  })
  .register(apiSchemas, { id: 'Event' });
