import { createSocket } from 'node:dgram';
import type { TestContext } from 'node:test';
import { type DecodedMessage, decodeMessage } from '../../src/dns/decode.ts';
import { parseName } from '../../src/dns/name.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { buildQuery, ecs, opt, word } from '../dns/query-builder.ts';

/** Asks a nameserver over UDP, once with retries as a resolver does, or steadily as clients do. */
export type Server = { readonly address: string; readonly port: number };
export type Ask = {
  readonly name: string;
  readonly type?: number;
  /** The client's network, IPv4. */
  readonly subnet?: string;
};

const TYPE_A = 1;
const CLASS_IN = 1;

export function writeQuery(id: number, { name, type = TYPE_A, subnet }: Ask): Uint8Array {
  const wire = parseName(name.endsWith('.') ? name : `${name}.`);
  if (!wire) throw new Error(`not a name: ${name}`);
  const question = [...wire, ...word(type), ...word(CLASS_IN)];
  const prefix = subnet === undefined ? undefined : parsePrefix(subnet);
  const octets = prefix && [...prefix.address.bytes].slice(0, Math.ceil(prefix.length / 8));
  const options = prefix && octets ? ecs(1, prefix.length, 0, octets) : [];
  return buildQuery({ id, question, records: [opt(options)] });
}

/** Addresses (or other data) of a reply, sorted. */
export function dataOf(message: DecodedMessage): string[] {
  return message.answer.map(({ text }) => text).sort();
}

const RETRY_AFTER_MS = 1000;
const TRIES = 5;

/** One question; a lost datagram is asked again. */
export async function ask(server: Server, question: Ask): Promise<DecodedMessage> {
  const socket = createSocket('udp4');
  const id = Math.floor(Math.random() * 65_536);
  const query = writeQuery(id, question);
  const { promise, resolve, reject } = Promise.withResolvers<DecodedMessage>();
  socket.on('message', (bytes) => {
    const decoded = decodeMessage(bytes);
    if (decoded.ok && decoded.message.id === id) resolve(decoded.message);
  });
  socket.on('error', reject);
  const send = (): void => socket.send(query, server.port, server.address);
  let tries = 1;
  const timer = setInterval(() => {
    tries += 1;
    if (tries > TRIES) reject(new Error(`no answer to ${question.name}`));
    else send();
  }, RETRY_AFTER_MS);
  send();
  try {
    return await promise;
  } finally {
    clearInterval(timer);
    socket.close();
  }
}

/** The data of the answer to one question. */
export async function answerTo(server: Server, question: Ask): Promise<string[]> {
  return dataOf(await ask(server, question));
}

/** Clients that ask one thing again and again, each from a network of its own. */
export type SteadyClients = {
  /** The last answer that a client got, as addresses joined by blanks; empty before the first. */
  latest(client: string): string;
  /** All answers of a client since `clear`, in order, runs of equal ones once. */
  history(client: string): readonly string[];
  clear(): void;
  /** Ends after the last answers have come. */
  stop(): Promise<SteadyReport>;
};
export type SteadyReport = {
  readonly asked: number;
  /** Sent and never answered. */
  readonly lost: number;
  /** Answers that were empty, not NOERROR, or malformed. */
  readonly bad: readonly string[];
  /** The longest time between a question and its answer. */
  readonly slowestMs: number;
};
export type SteadyOptions = {
  readonly name: string;
  /** Network by client. */
  readonly clients: Readonly<Record<string, string>>;
  readonly everyMs?: number;
};

const LAST_ANSWERS_MS = 5000;

export function startSteadyClients(
  t: TestContext,
  server: Server,
  { clients, everyMs = 20, name }: SteadyOptions,
): SteadyClients {
  const socket = createSocket('udp4');
  const waiting = new Map<number, { readonly client: string; readonly atMs: number }>();
  const histories = new Map<string, string[]>();
  const bad: string[] = [];
  let latest = new Map<string, string>();
  let asked = 0;
  let slowestMs = 0;
  socket.on('message', (bytes) => {
    const decoded = decodeMessage(bytes);
    const id = decoded.ok ? decoded.message.id : -1;
    const question = waiting.get(id);
    if (!decoded.ok || !question) {
      if (!decoded.ok) bad.push(`malformed: ${decoded.reason}`);
      return;
    }
    waiting.delete(id);
    slowestMs = Math.max(slowestMs, performance.now() - question.atMs);
    const { client } = question;
    const answer = dataOf(decoded.message).join(' ');
    if (decoded.message.rcode !== 0 || answer === '') {
      bad.push(`${client}: rcode ${decoded.message.rcode}, answer "${answer}"`);
    }
    latest.set(client, answer);
    const history = histories.get(client) ?? [];
    if (history.at(-1) !== answer) history.push(answer);
    histories.set(client, history);
  });
  const timer = setInterval(() => {
    for (const [client, subnet] of Object.entries(clients)) {
      const id = asked % 65_536;
      asked += 1;
      waiting.set(id, { client, atMs: performance.now() });
      socket.send(writeQuery(id, { name, subnet }), server.port, server.address);
    }
  }, everyMs);
  const stop = async (): Promise<SteadyReport> => {
    clearInterval(timer);
    await allAnswered(waiting, LAST_ANSWERS_MS);
    return { asked, lost: waiting.size, bad, slowestMs };
  };
  t.after(() => {
    clearInterval(timer);
    socket.close();
  });
  return {
    latest: (client) => latest.get(client) ?? '',
    history: (client) => histories.get(client) ?? [],
    clear() {
      latest = new Map();
      histories.clear();
    },
    stop,
  };
}

async function allAnswered(waiting: ReadonlyMap<number, unknown>, deadlineMs: number) {
  const endMs = performance.now() + deadlineMs;
  while (waiting.size > 0 && performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
