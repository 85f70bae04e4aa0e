import { createSocket } from 'node:dgram';
import dnsPacket from 'dns-packet';
import type { Reply } from './clients.ts';

/**
 * A program: clients that ask one name again and again, each from an address of its own, and write
 * what they got as a line of JSON. It runs inside the clients' namespace; clients.ts starts it.
 *
 *     node ask-steadily.ts NAME TYPE NAMESERVER SOURCE...
 */
const [name = '', type = 'A', nameserver = '', ...sources] = process.argv.slice(2);

const ASK_EVERY_MS = 50;
/** A question without an answer after this is lost. */
const PATIENCE_MS = 2000;
const DNS_PORT = 53;

for (const source of sources) askSteadily(source);

function askSteadily(source: string): void {
  const waiting = new Map<number, { readonly atMs: number; readonly timer: NodeJS.Timeout }>();
  const tell = (reply: Pick<Reply, 'atMs' | 'rcode' | 'addresses' | 'ttlSeconds'>): void => {
    process.stdout.write(`${JSON.stringify({ source, type, ...reply })}\n`);
  };
  let id = 0;
  const socket = createSocket(source.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (bytes) => {
    const message = dnsPacket.decode(bytes) as dnsPacket.DecodedPacket & { readonly rcode: string };
    const question = waiting.get(message.id ?? -1);
    if (question === undefined) return;
    waiting.delete(message.id ?? -1);
    clearTimeout(question.timer);
    const answers = (message.answers ?? []).filter(isAddress);
    tell({
      atMs: question.atMs,
      rcode: message.rcode,
      addresses: answers.map(({ data }) => data).sort(),
      ttlSeconds: answers[0]?.ttl ?? 0,
    });
  });
  const ask = (): void => {
    id = (id + 1) % 65_536;
    const asked = id;
    const atMs = Date.now();
    const timer = setTimeout(() => {
      waiting.delete(asked);
      tell({ atMs, rcode: 'lost', addresses: [], ttlSeconds: 0 });
    }, PATIENCE_MS);
    waiting.set(asked, { atMs, timer });
    const questions = [{ name, type: type === 'AAAA' ? 'AAAA' : 'A' } as const];
    socket.send(dnsPacket.encode({ type: 'query', id: asked, questions }), DNS_PORT, nameserver);
  };
  socket.bind(0, source, () => setInterval(ask, ASK_EVERY_MS));
}

function isAddress(answer: dnsPacket.Answer): answer is dnsPacket.StringAnswer {
  return answer.type === 'A' || answer.type === 'AAAA';
}
