import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import dnsPacket from 'dns-packet';
import type { Visit, Visitor } from './visitors.ts';

/**
 * A program: clients of several networks that ask a name and connect to what they were told, again and again, and
 * write what became of it as a line of JSON. Nothing is kept from one visit to the next. visitors.ts starts it.
 *
 *     node visit-steadily.ts NAME VISITORS
 */
const name = process.argv[2] ?? '';
const visitors: readonly Visitor[] = JSON.parse(process.argv[3] ?? '[]');
const PATIENCE_MS = 5_000;
const DNS_PORT = 53;
const HTTP_PORT = 80;

for (const [index, visitor] of visitors.entries()) {
  // Not all in the same millisecond.
  setTimeout(() => visitSteadily(visitor), (visitor.everyMs * index) / visitors.length);
}

function visitSteadily(visitor: Visitor): void {
  const { everyMs, source } = visitor;
  const ask = openAsking(visitor);
  let turn = 0;
  const visit = async (): Promise<void> => {
    const number = turn++;
    const atMs = Date.now();
    const { addresses, rcode, ttlSeconds } = await ask();
    const goal = goalOf(visitor, addresses[0], number);
    const body = goal === undefined ? '' : await fetchFrom(goal, source);
    const told: Visit = {
      ...{ source, atMs, rcode, addresses, ttlSeconds },
      goal: goal ?? '',
      body,
    };
    process.stdout.write(`${JSON.stringify(told)}\n`);
  };
  setInterval(visit, everyMs);
}

/** Of clients that stray every second goes to one of the other regions in turn. */
function goalOf({ strays }: Visitor, told: string | undefined, turn: number): string | undefined {
  const others = strays.filter((address) => address !== told);
  return turn % 2 === 0 || others.length === 0 ? told : others[(turn >> 1) % others.length];
}

type Told = Pick<Visit, 'rcode' | 'addresses' | 'ttlSeconds'>;

function openAsking({ nameserver, source, type }: Visitor): () => Promise<Told> {
  const waiting = new Map<number, (told: Told) => void>();
  const socket = createSocket(type === 'AAAA' ? 'udp6' : 'udp4');
  const isBound = once(socket.bind(0, source), 'listening');
  socket.on('message', (bytes) => {
    const message = dnsPacket.decode(bytes) as dnsPacket.DecodedPacket & { readonly rcode: string };
    const answers = (message.answers ?? []).filter(isAddress);
    waiting.get(message.id ?? -1)?.({
      rcode: message.rcode,
      addresses: answers.map(({ data }) => data),
      ttlSeconds: answers[0]?.ttl ?? 0,
    });
  });
  let last = 0;
  return async () => {
    await isBound;
    last = (last + 1) % 65_536;
    const id = last;
    const { promise, resolve } = Promise.withResolvers<Told>();
    const lost: Told = { rcode: 'lost', addresses: [], ttlSeconds: 0 };
    const timer = setTimeout(resolve, PATIENCE_MS, lost);
    waiting.set(id, resolve);
    const questions = [{ name, type }];
    socket.send(dnsPacket.encode({ type: 'query', id, questions }), DNS_PORT, nameserver);
    const told = await promise;
    clearTimeout(timer);
    waiting.delete(id);
    return told;
  };
}

/** The body of a response over a connection of its own; '' = there was none. */
async function fetchFrom(host: string, localAddress: string): Promise<string> {
  const socket = net.connect({ host, port: HTTP_PORT, localAddress });
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.on('error', () => {});
  socket.end(`GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
  await once(socket, 'close');
  return text.split('\r\n\r\n')[1] ?? '';
}

function isAddress(answer: dnsPacket.Answer): answer is dnsPacket.StringAnswer {
  return answer.type === 'A' || answer.type === 'AAAA';
}
